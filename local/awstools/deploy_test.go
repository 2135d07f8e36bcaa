package awstools_test

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/awstools"
	"hotsync/local/stack/template"
)

// cloud is a moto server with the template's translation and the functions'
// code in a bucket.
type cloud struct {
	t     *testing.T
	tools awstools.Tools
	moto  string
	env   []string
	dir   string
}

const (
	bucket     = "releases"
	someSecret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:zuora-abcdef"
)

func newCloud(t *testing.T) *cloud {
	t.Helper()
	tools := awstools.Require(t)
	moto := tools.Moto(t)
	c := &cloud{t: t, tools: tools, moto: moto, env: tools.Environment("AWS_ENDPOINT_URL=" + moto), dir: t.TempDir()}
	translated := filepath.Join(c.dir, "template.json")
	// Standard output alone: the transform warns on the other one.
	text := tools.Output(t, root(t), c.env, "python", "local/awstools/translate.py", "template.yaml", bucket)
	err := os.WriteFile(translated, []byte(text), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	c.aws("s3api", "create-bucket", "--bucket", bucket)
	c.put("template.json", translated)
	code := filepath.Join(c.dir, "code.zip")
	err = os.WriteFile(code, anyZip(t), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	functions, err := os.ReadDir(filepath.Join(root(t), "functions"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range functions {
		c.put(f.Name()+".zip", code)
	}
	return c
}

// anyZip is code that is not run: moto only wants to see a zip.
func anyZip(t *testing.T) []byte {
	t.Helper()
	var out strings.Builder
	z := zip.NewWriter(&out)
	_, err := z.Create("bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	err = z.Close()
	if err != nil {
		t.Fatal(err)
	}
	return []byte(out.String())
}

func (c *cloud) put(key, file string) {
	c.t.Helper()
	c.aws("s3api", "put-object", "--bucket", bucket, "--key", key, "--body", file)
}

// aws runs the AWS CLI and returns what it printed.
func (c *cloud) aws(args ...string) string {
	c.t.Helper()
	// The option, as the AWS CLI takes no notice of AWS_ENDPOINT_URL for SQS in us-east-1. A stack is created within the
	// call here, which takes minutes on a busy computer: a second try would find it there already.
	options := []string{"--endpoint-url", c.moto, "--cli-read-timeout", "600"}
	return strings.TrimSpace(c.tools.Output(c.t, c.dir, c.env, "aws", append(options, args...)...))
}

// read runs the AWS CLI and reads the JSON that it printed.
func (c *cloud) read(into any, args ...string) {
	c.t.Helper()
	out := c.aws(append(args, "--output", "json")...)
	err := json.Unmarshal([]byte(out), into)
	if err != nil {
		c.t.Fatalf("aws %v: %v: %s", args, err, out)
	}
}

// create makes a stack and returns its outputs.
func (c *cloud) create(stack string, parameters map[string]string) map[string]string {
	c.t.Helper()
	all := map[string]string{"LimioBaseUrl": "https://acme.prod.limio.com", "ZuoraSecretId": someSecret,
		"LimioSecretId": someSecret,
		"ConsoleIssuer": "https://staff.example.com", "ConsoleClientId": "console"}
	for name, value := range parameters {
		all[name] = value
	}
	args := []string{"cloudformation", "create-stack", "--stack-name", stack, "--capabilities", "CAPABILITY_IAM",
		"--template-url", "http://" + bucket + ".s3.amazonaws.com/template.json", "--parameters"}
	for name, value := range all {
		args = append(args, "ParameterKey="+name+",ParameterValue="+value)
	}
	c.aws(args...)
	var described struct {
		Stacks []struct {
			StackStatus string
			Outputs     []struct{ OutputKey, OutputValue string }
		}
	}
	c.read(&described, "cloudformation", "describe-stacks", "--stack-name", stack)
	if len(described.Stacks) != 1 || described.Stacks[0].StackStatus != "CREATE_COMPLETE" {
		c.t.Fatalf("stack %s is %+v", stack, described)
	}
	outputs := map[string]string{}
	for _, o := range described.Stacks[0].Outputs {
		outputs[o.OutputKey] = o.OutputValue
	}
	return outputs
}

// tables are the tables there are.
func (c *cloud) tables() []string {
	c.t.Helper()
	var out struct{ TableNames []string }
	c.read(&out, "dynamodb", "list-tables")
	slices.Sort(out.TableNames)
	return out.TableNames
}

// variable is one of a function's environment.
func (c *cloud) variable(function, name string) string {
	c.t.Helper()
	return c.aws("lambda", "get-function-configuration", "--function-name", function, "--query",
		"Environment.Variables."+name, "--output", "text")
}

// TestDeployOnMoto deploys the translated template: what CloudFormation makes of
// it is what the local stack makes of it, a deleted stack can be made again, and
// the next one takes its tables over.
func TestDeployOnMoto(t *testing.T) {
	t.Parallel()

	c := newCloud(t)
	local, err := template.Load(filepath.Join(root(t), "template.yaml"), template.Options{Parameters: map[string]string{
		"LimioBaseUrl": "https://acme.prod.limio.com", "ZuoraSecretId": someSecret, "LimioSecretId": someSecret,
		"ConsoleIssuer": "https://staff.example.com", "ConsoleClientId": "console"}})
	if err != nil {
		t.Fatal(err)
	}
	outputs := c.create("hotsync", nil)
	c.sameTables(local, outputs)
	c.sameQueues(local)
	c.sameFunctions(local)

	// A deleted stack leaves its tables, which are in nobody's way.
	before := c.tables()
	c.aws("cloudformation", "delete-stack", "--stack-name", "hotsync")
	if diff := cmp.Diff(before, c.tables()); diff != "" {
		t.Errorf("tables after the stack was deleted (-before +after):\n%s", diff)
	}
	again := c.create("hotsync", nil)
	if again["EventsTableName"] == outputs["EventsTableName"] || len(c.tables()) != 2*len(before) {
		t.Errorf("the second stack has tables %v, beside %v", again, before)
	}
	c.aws("cloudformation", "delete-stack", "--stack-name", "hotsync")

	// The next stack takes the first one's tables and key, and makes none.
	before = c.tables()
	taken := c.create("hotsync",
		map[string]string{"EventsTableName": outputs["EventsTableName"], "SettingsTableName": outputs["SettingsTableName"],
			"OwnershipTableName": outputs["OwnershipTableName"], "SearchKeySecretId": someSecret})
	if diff := cmp.Diff(before, c.tables()); diff != "" {
		t.Errorf("tables after another stack took them (-before +after):\n%s", diff)
	}
	for output, variable := range map[string]string{"EventsTableName": "EVENTS_TABLE",
		"SettingsTableName": "SETTINGS_TABLE", "OwnershipTableName": "OWNERSHIP_TABLE"} {
		if taken[output] != outputs[output] || c.variable("hotsync-sync", variable) != outputs[output] {
			t.Errorf("%s is %s, and the sync function has %s; want %s", output, taken[output],
				c.variable("hotsync-sync", variable), outputs[output])
		}
	}
	c.allows("hotsync-sync", "RecordEvents", "arn:aws:dynamodb:us-east-1:123456789012:table/"+outputs["EventsTableName"])
	c.allows("hotsync-sync", "ReadSearchKey", someSecret)
	c.allows("hotsync-console", "SearchEvents",
		"arn:aws:dynamodb:us-east-1:123456789012:table/"+outputs["EventsTableName"]+"/index/byTime")
}

// sameTables holds keys and indexes to those of the local stack.
func (c *cloud) sameTables(local *template.Template, outputs map[string]string) {
	c.t.Helper()
	type key struct{ AttributeName, KeyType string }
	for _, table := range local.Tables {
		var got struct {
			Table struct {
				KeySchema              []key
				BillingModeSummary     struct{ BillingMode string }
				GlobalSecondaryIndexes []struct {
					IndexName  string
					KeySchema  []key
					Projection struct {
						ProjectionType   string
						NonKeyAttributes []string
					}
				}
			}
		}
		c.read(&got, "dynamodb", "describe-table", "--table-name", outputs[table.LogicalID+"Name"])
		keys := func(k template.Key) []key {
			all := []key{{k.Hash, "HASH"}}
			if k.Range != "" {
				all = append(all, key{k.Range, "RANGE"})
			}
			return all
		}
		if diff := cmp.Diff(keys(table.Key), got.Table.KeySchema); diff != "" {
			c.t.Errorf("%s: key mismatch (-local +moto):\n%s", table.LogicalID, diff)
		}
		if got.Table.BillingModeSummary.BillingMode != "PAY_PER_REQUEST" {
			c.t.Errorf("%s is billed %+v", table.LogicalID, got.Table.BillingModeSummary)
		}
		indexes := map[string]template.Index{}
		for _, x := range table.Indexes {
			indexes[x.Name] = x
		}
		for _, x := range got.Table.GlobalSecondaryIndexes {
			want := indexes[x.IndexName]
			delete(indexes, x.IndexName)
			if diff := cmp.Diff(keys(want.Key), x.KeySchema); diff != "" {
				c.t.Errorf("%s.%s: key mismatch (-local +moto):\n%s", table.LogicalID, x.IndexName, diff)
			}
			if want.Projection != x.Projection.ProjectionType ||
				!slices.Equal(slices.Sorted(slices.Values(want.NonKey)),
					slices.Sorted(slices.Values(x.Projection.NonKeyAttributes))) {
				c.t.Errorf("%s.%s holds %+v, locally %s %v", table.LogicalID, x.IndexName, x.Projection, want.Projection,
					want.NonKey)
			}
		}
		for name := range indexes {
			c.t.Errorf("%s has no index %s in moto", table.LogicalID, name)
		}
	}
}

// sameQueues holds the attributes of every queue to those of the local stack.
func (c *cloud) sameQueues(local *template.Template) {
	c.t.Helper()
	for _, q := range local.Queues {
		// translate.py names them, as moto would not end the name in .fifo.
		url := c.aws("sqs", "get-queue-url", "--queue-name", "hotsync-"+q.LogicalID+".fifo", "--query", "QueueUrl",
			"--output", "text")
		var got struct{ Attributes map[string]string }
		c.read(&got, "sqs", "get-queue-attributes", "--queue-url", url, "--attribute-names", "All")
		for name, want := range q.Attributes {
			value := got.Attributes[name]
			if name == "RedrivePolicy" {
				var a, b struct {
					MaxReceiveCount json.Number `json:"maxReceiveCount"`
				}
				for into, text := range map[*struct {
					MaxReceiveCount json.Number `json:"maxReceiveCount"`
				}]string{&a: want, &b: value} {
					err := json.Unmarshal([]byte(text), into)
					if err != nil {
						c.t.Fatal(err)
					}
				}
				want, value = a.MaxReceiveCount.String(), b.MaxReceiveCount.String()
			}
			if !strings.EqualFold(value, want) {
				c.t.Errorf("%s: %s is %q in moto, %q locally", q.LogicalID, name, value, want)
			}
		}
	}
}

// sameFunctions holds variables, limits and queues of every function to those
// of the local stack.
func (c *cloud) sameFunctions(local *template.Template) {
	c.t.Helper()
	for _, f := range local.Functions {
		var got struct {
			MemorySize, Timeout int
			Environment         struct{ Variables map[string]any } // moto leaves numbers as they are
		}
		c.read(&got, "lambda", "get-function-configuration", "--function-name", f.Name)
		if got.MemorySize != f.MemorySize || got.Timeout != int(f.Timeout.Seconds()) {
			c.t.Errorf("%s has %d MB and %d s in moto, %d MB and %s locally", f.LogicalID, got.MemorySize, got.Timeout,
				f.MemorySize, f.Timeout)
		}
		for name, value := range f.Environment {
			there, ok := got.Environment.Variables[name]
			// moto's CloudFormation makes no secrets
			if !ok && name != "SEARCH_KEY_SECRET_ID" && name != "SESSION_KEY_SECRET_ID" {
				c.t.Errorf("%s has no %s in moto", f.LogicalID, name)
			}
			// What names a resource is named by AWS, and the rest is the same.
			if fmt.Sprint(there) != value && !strings.HasSuffix(name, "_TABLE") && !strings.HasSuffix(name, "_URL") &&
				!strings.HasSuffix(name, "_SECRET_ID") {
				c.t.Errorf("%s: %s is %v in moto, %q locally", f.LogicalID, name, there, value)
			}
		}
		for name := range got.Environment.Variables {
			if _, ok := f.Environment[name]; !ok {
				c.t.Errorf("%s has %s in moto, and not locally", f.LogicalID, name)
			}
		}
		var mappings struct {
			EventSourceMappings []struct {
				EventSourceArn string
				BatchSize      int
			}
		}
		c.read(&mappings, "lambda", "list-event-source-mappings", "--function-name", f.Name)
		if len(mappings.EventSourceMappings) != len(f.Sources) {
			c.t.Errorf("%s consumes %d queues in moto, %d locally", f.LogicalID, len(mappings.EventSourceMappings),
				len(f.Sources))
			continue
		}
		for i, m := range mappings.EventSourceMappings {
			if m.BatchSize != f.Sources[i].BatchSize ||
				!strings.HasSuffix(m.EventSourceArn, ":hotsync-"+f.Sources[i].Queue+".fifo") {
				c.t.Errorf("%s consumes %+v in moto, %+v locally", f.LogicalID, m, f.Sources[i])
			}
		}
	}
}

// allows wants a function's role to allow what a statement names on a resource.
func (c *cloud) allows(function, sid, resource string) {
	c.t.Helper()
	arn := c.aws("lambda", "get-function-configuration", "--function-name", function, "--query", "Role", "--output",
		"text")
	// moto returns the document as text, in Python's spelling.
	document := c.aws("iam", "get-role-policy", "--role-name", arn[strings.LastIndex(arn, "/")+1:], "--policy-name",
		"hotsync",
		"--query", "PolicyDocument", "--output", "text")
	for statement := range strings.SplitSeq(document, "{'Sid': ") {
		if strings.HasPrefix(statement, "'"+sid+"'") {
			if !strings.Contains(statement, "'"+resource+"'") {
				c.t.Errorf("%s: %s allows %s, want %s", function, sid, statement, resource)
			}
			return
		}
	}
	c.t.Errorf("%s has no statement %s", function, sid)
}
