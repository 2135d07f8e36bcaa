package deployment_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/checkout"
	"hotsync/local/deployment"
)

const (
	typeFunction = "AWS::Serverless::Function"
	typeQueue    = "AWS::SQS::Queue"
	typeTable    = "AWS::DynamoDB::Table"
)

func load(t *testing.T) (root string, _ *deployment.Template) {
	t.Helper()
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := deployment.Load(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return root, tmpl
}

func number(t *testing.T, tmpl *deployment.Template, v any) float64 {
	t.Helper()
	n, err := tmpl.Number(v)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// events returns a function's events of a type.
func events(f deployment.Resource, typ string) map[string]map[string]any {
	out := map[string]map[string]any{}
	for name, e := range deployment.Object(f.Properties["Events"]) {
		if e := deployment.Object(e); deployment.Text(e["Type"]) == typ {
			out[name] = deployment.Object(e["Properties"])
		}
	}
	return out
}

// Rules of AWS for a queue that a function consumes:
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
func TestQueues(t *testing.T) {
	t.Parallel()

	_, tmpl := load(t)
	consumed := 0
	for _, f := range tmpl.Of(typeFunction) {
		for name, e := range events(f, "SQS") {
			consumed++
			id := strings.TrimSuffix(strings.TrimPrefix(deployment.Text(e["Queue"]), "${"), ".Arn}")
			q, ok := tmpl.Resource(id)
			if !ok {
				t.Errorf("%s.%s: no queue %s", f.ID, name, id)
				continue
			}
			visibility, timeout := number(t, tmpl, q.Properties["VisibilityTimeout"]), number(t, tmpl, f.Properties["Timeout"])
			if visibility < 6*timeout {
				t.Errorf("%s: visibility timeout %g s, want at least 6 times the %g s of %s", id, visibility, timeout, f.ID)
			}
			if !slices.Contains(deployment.Texts(e["FunctionResponseTypes"]), "ReportBatchItemFailures") {
				t.Errorf("%s.%s does not report partial failures", f.ID, name)
			}
			if e["MaximumBatchingWindowInSeconds"] != nil {
				t.Errorf("%s.%s has a batching window, which a FIFO queue does not support", f.ID, name)
			}
			if batch := number(t, tmpl, e["BatchSize"]); batch > 10 {
				t.Errorf("%s.%s: batches of %g, a FIFO queue gives 10 at most", f.ID, name, batch)
			}
			if deployment.Object(e["ScalingConfig"])["MaximumConcurrency"] == nil {
				t.Errorf("%s.%s has no MaximumConcurrency", f.ID, name)
			}
		}
	}
	if consumed != 3 {
		t.Errorf("%d queues are consumed, want the requests, those of jobs, and the dead letters", consumed)
	}

	const fourteenDays = 14 * 24 * 60 * 60
	dead := map[string]deployment.Resource{}
	for _, q := range tmpl.Of(typeQueue) {
		p := q.Properties
		for property, want := range map[string]string{"FifoQueue": "true", "DeduplicationScope": "messageGroup",
			"FifoThroughputLimit": "perMessageGroupId", "SqsManagedSseEnabled": "true"} {
			if got := deployment.Text(p[property]); got != want {
				t.Errorf("%s: %s is %q, want %q", q.ID, property, got, want)
			}
		}
		redrive := deployment.Object(p["RedrivePolicy"])
		if redrive == nil {
			dead[q.ID] = q
			continue
		}
		if got := number(t, tmpl, redrive["maxReceiveCount"]); got < 5 {
			t.Errorf("%s: maxReceiveCount %g, want at least 5", q.ID, got)
		}
		target := strings.TrimSuffix(strings.TrimPrefix(deployment.Text(redrive["deadLetterTargetArn"]), "${"), ".Arn}")
		d, ok := tmpl.Resource(target)
		if !ok {
			t.Errorf("%s: no dead-letter queue %s", q.ID, target)
			continue
		}
		kept, source := number(t, tmpl, d.Properties["MessageRetentionPeriod"]), number(t, tmpl, p["MessageRetentionPeriod"])
		if kept != fourteenDays || kept <= source {
			t.Errorf("%s keeps dead letters for %g s, want 14 days and more than the %g s of %s", target, kept, source, q.ID)
		}
	}
	if len(dead) != 1 {
		t.Errorf("%d queues have no dead-letter queue, want the dead-letter queue alone", len(dead))
	}
}

// What may be given at deployment cannot break the rules either.
func TestParametersKeepTheRules(t *testing.T) {
	t.Parallel()

	_, tmpl := load(t)
	want := map[string]string{"VisibilityTimeout": "180", "MaxAttempts": "5", "MaximumConcurrency": "2",
		"BackfillConcurrency": "2"}
	for _, p := range tmpl.Parameters {
		if len(p.Description) < 20 {
			t.Errorf("%s has no useful description", p.Name)
		}
		if low, ok := want[p.Name]; ok {
			if got := deployment.Text(p.Properties["MinValue"]); got != low {
				t.Errorf("%s: MinValue %q, want %q", p.Name, got, low)
			}
		}
	}
}

func TestRolesAreLeastPrivilege(t *testing.T) {
	t.Parallel()

	_, tmpl := load(t)
	used := map[string]string{}
	for _, f := range tmpl.Of(typeFunction) {
		role := deployment.Text(f.Properties["Role"])
		if other, taken := used[role]; taken {
			t.Errorf("%s and %s share a role", f.ID, other)
		}
		used[role] = f.ID
		for _, p := range []string{"Policies", "ManagedPolicyArns"} {
			if f.Properties[p] != nil {
				t.Errorf("%s has %s beside its role", f.ID, p)
			}
		}
		statements, err := tmpl.Statements(f)
		if err != nil {
			t.Error(err)
		}
		seen := map[string]bool{}
		for _, s := range statements {
			if s.Sid == "" || seen[s.Sid] {
				t.Errorf("%s: the statement %q has no name of its own", f.ID, s.Sid)
			}
			seen[s.Sid] = true
			for _, a := range s.Actions {
				if strings.ContainsAny(a, "*?") || !strings.Contains(a, ":") {
					t.Errorf("%s: %s allows the action %q", f.ID, s.Sid, a)
				}
			}
			for _, r := range s.Resources {
				if strings.ContainsAny(r, "*?") {
					t.Errorf("%s: %s allows the resource %q", f.ID, s.Sid, r)
				}
				if r == "" {
					t.Errorf("%s: %s has a resource that is no text", f.ID, s.Sid)
				}
			}
		}
	}
	var key string
	for _, p := range tmpl.Of("AWS::IAM::Policy") {
		if p.ID == "UseKey" {
			roles, err := json.Marshal(p.Properties["Roles"])
			if err != nil {
				t.Fatal(err)
			}
			key = string(roles)
		}
	}
	for _, r := range tmpl.Of("AWS::IAM::Role") {
		if !strings.Contains(key, `"${`+r.ID+`}"`) {
			t.Errorf("%s may not use the key of KmsKeyArn, which encrypts what it reads and writes: %s", r.ID, key)
		}
		if used["${"+r.ID+".Arn}"] == "" {
			t.Errorf("%s belongs to no function", r.ID)
		}
		if r.Properties["ManagedPolicyArns"] != nil {
			t.Errorf("%s has managed policies", r.ID)
		}
		trust, err := json.Marshal(r.Properties["AssumeRolePolicyDocument"])
		if err != nil {
			t.Fatal(err)
		}
		want := `{"Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"}}],"Version":"2012-10-17"}`
		if diff := cmp.Diff(want, string(trust)); diff != "" {
			t.Errorf("%s: trust mismatch (-want +got):\n%s", r.ID, diff)
		}
	}
}

func TestCallersArePinned(t *testing.T) {
	t.Parallel()

	_, tmpl := load(t)
	permissions := tmpl.Of("AWS::Lambda::Permission")
	if len(permissions) != 2 {
		t.Errorf("%d permissions, want one for each kind of user pool", len(permissions))
	}
	for _, p := range permissions {
		if arn := deployment.Text(p.Properties["SourceArn"]); arn == "" || strings.Contains(arn, "*") {
			t.Errorf("%s: SourceArn is %q", p.ID, arn)
		}
		if got := deployment.Text(p.Properties["SourceAccount"]); got != "${AWS::AccountId}" {
			t.Errorf("%s: SourceAccount is %q", p.ID, got)
		}
	}
}

func TestTablesAreProtected(t *testing.T) {
	t.Parallel()

	_, tmpl := load(t)
	for _, table := range tmpl.Of(typeTable) {
		p := table.Properties
		for path, got := range map[string]any{
			"PointInTimeRecoveryEnabled": deployment.Object(p["PointInTimeRecoverySpecification"])["PointInTimeRecoveryEnabled"],
			"SSEEnabled":                 deployment.Object(p["SSESpecification"])["SSEEnabled"],
		} {
			if deployment.Text(got) != "true" {
				t.Errorf("%s: %s is %v, want true", table.ID, path, got)
			}
		}
		if got := deployment.Text(p["BillingMode"]); got != "PAY_PER_REQUEST" {
			t.Errorf("%s: BillingMode is %q", table.ID, got)
		}
		if got := deployment.Text(p["DeletionProtectionEnabled"]); got != "${ProtectTables}" {
			t.Errorf("%s: DeletionProtectionEnabled is %q", table.ID, got)
		}
		keeps(t, table)
	}
	// A table is of no use without the key of the hashes in it.
	key, _ := tmpl.Resource("SearchKeySecret")
	keeps(t, key)
	for _, p := range tmpl.Parameters {
		if p.Name == "ProtectTables" && p.Default != "true" {
			t.Errorf("tables are not protected by default")
		}
	}
	events, _ := tmpl.Resource("EventsTable")
	if got := deployment.Text(deployment.Object(events.Properties["TimeToLiveSpecification"])["Enabled"]); got != "true" {
		t.Errorf("events do not expire")
	}
}

// keeps wants a resource to outlive its stack, but not a creation that failed:
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html
func keeps(t *testing.T, r deployment.Resource) {
	t.Helper()
	for policy, want := range map[string]string{"DeletionPolicy": "RetainExceptOnCreate",
		"UpdateReplacePolicy": "Retain"} {
		if got := deployment.Text(r.Attributes[policy]); got != want {
			t.Errorf("%s: %s is %q, want %s", r.ID, policy, got, want)
		}
	}
}

// A deployment can be repeated after one that failed or was deleted: what may be
// left behind, or whose name stays taken for a while, has no name of ours. A
// queue's is taken for 60 seconds, a secret's until its recovery window ends.
func TestNothingLeftBehindIsInTheWay(t *testing.T) {
	t.Parallel()

	_, tmpl := load(t)
	for typ, property := range map[string]string{typeTable: "TableName", typeQueue: "QueueName",
		"AWS::SecretsManager::Secret": "Name"} {
		for _, r := range tmpl.Of(typ) {
			if r.Properties[property] != nil {
				t.Errorf("%s is named %v", r.ID, r.Properties[property])
			}
		}
	}
}

// TestQueuesRefuseTheClear wants every queue under the policy that refuses what
// does not come over TLS.
func TestQueuesRefuseTheClear(t *testing.T) {
	t.Parallel()

	_, tmpl := load(t)
	policy, ok := tmpl.Resource("OnlyOverTLS")
	if !ok {
		t.Fatal("no policy")
	}
	statements, _ := deployment.Object(policy.Properties["PolicyDocument"])["Statement"].([]any)
	if len(statements) != 1 {
		t.Fatalf("%d statements", len(statements))
	}
	s := deployment.Object(statements[0])
	if secure := deployment.Object(deployment.Object(s["Condition"])["Bool"])["aws:SecureTransport"]; deployment.Text(
		s["Effect"]) != "Deny" || secure != "false" {
		t.Errorf("the policy's statement is %v", s)
	}
	for _, q := range tmpl.Of(typeQueue) {
		if !slices.Contains(deployment.Texts(policy.Properties["Queues"]), "${"+q.ID+"}") ||
			!slices.Contains(deployment.Texts(s["Resource"]), "${"+q.ID+".Arn}") {
			t.Errorf("%s is not under the policy", q.ID)
		}
	}
}

func TestFunctions(t *testing.T) {
	t.Parallel()

	root, tmpl := load(t)
	for _, f := range tmpl.Of(typeFunction) {
		for property, want := range map[string]any{"Runtime": "provided.al2023", "Architectures": []any{"arm64"},
			"Handler": "bootstrap", "Tracing": nil} {
			if diff := cmp.Diff(want, tmpl.Property(f, property)); diff != "" {
				t.Errorf("%s: %s mismatch (-want +got):\n%s", f.ID, property, diff)
			}
		}
		metadata := deployment.Object(f.Attributes["Metadata"])
		dir := deployment.Text(metadata["Directory"])
		if deployment.Text(metadata["BuildMethod"]) != "makefile" {
			t.Errorf("%s is not built by the Makefile", f.ID)
		}
		if _, err := os.Stat(filepath.Join(root, dir, "main.go")); err != nil {
			t.Errorf("%s: %v", f.ID, err)
		}
		// What sam build runs:
		// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/building-custom-runtimes.html
		cmd := exec.Command("make", "-n", "build-"+f.ID, "ARTIFACTS_DIR=artifacts")
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "GOARCH=arm64") || !strings.Contains(string(out), " ./"+dir+"\n") ||
			!strings.Contains(string(out), `"artifacts/bootstrap"`+"\n") {
			t.Errorf("make build-%s does not build %s for arm64: %v\n%s", f.ID, dir, err, out)
		}

		group := strings.Trim(deployment.Text(deployment.Object(f.Properties["LoggingConfig"])["LogGroup"]), "${}")
		log, ok := tmpl.Resource(group)
		if !ok || deployment.Text(log.Properties["LogGroupName"]) != "/aws/lambda/"+
			deployment.Text(f.Properties["FunctionName"]) {
			t.Errorf("%s: its log group %q is not /aws/lambda/ and its name", f.ID, group)
		}
		if log.Attributes["Condition"] != f.Attributes["Condition"] {
			t.Errorf("%s and its log group have different conditions", f.ID)
		}
	}
	for _, g := range tmpl.Of("AWS::Logs::LogGroup") {
		if got := number(t, tmpl, g.Properties["RetentionInDays"]); got < 1 || got > 90 {
			t.Errorf("%s keeps lines for %g days by default", g.ID, got)
		}
	}
}

// Nothing that an access log holds is about the caller.
func TestHTTPAPI(t *testing.T) {
	t.Parallel()

	root, tmpl := load(t)
	api, ok := tmpl.Resource("HttpApi")
	if !ok {
		t.Fatal("no HttpApi")
	}
	route := deployment.Object(api.Properties["DefaultRouteSettings"])
	for _, limit := range []string{"ThrottlingRateLimit", "ThrottlingBurstLimit"} {
		if n := number(t, tmpl, route[limit]); n <= 0 {
			t.Errorf("%s is %g", limit, n)
		}
	}
	format := deployment.Text(deployment.Object(api.Properties["AccessLogSettings"])["Format"])
	if !json.Valid([]byte(format)) {
		t.Errorf("the access log's format is no JSON: %s", format)
	}
	allowed := []string{"requestId", "requestTimeEpoch", "routeKey", "status", "responseLength", "responseLatency",
		"integrationLatency", "integrationErrorMessage"}
	for _, m := range regexp.MustCompile(`\$context\.([\w.]+)`).FindAllStringSubmatch(format, -1) {
		if !slices.Contains(allowed, m[1]) {
			t.Errorf("the access log holds %s", m[1])
		}
	}

	// Each route is served by somebody: the handler names its path.
	served := map[string]string{"GET /syncs/{event}": "shared/frontdoor/syncs.go",
		"POST /login": "shared/frontdoor/http.go",
		"POST /sync":  "shared/frontdoor/sync.go", "POST /callouts/zuora": "shared/callout/callout.go",
		"$default": "shared/console/console.go"}
	routes := 0
	for _, f := range tmpl.Of(typeFunction) {
		for _, e := range events(f, "HttpApi") {
			routes++
			key, path := "$default", "/"
			if p := deployment.Text(e["Path"]); p != "" {
				key, path = deployment.Text(e["Method"])+" "+p, p
			}
			source, err := os.ReadFile(filepath.Join(root, served[key]))
			if err != nil || !strings.Contains(string(source), path+`"`) {
				t.Errorf("nobody serves %s of %s (%v)", key, f.ID, err)
			}
			if got := deployment.Text(e["ApiId"]); got != "${HttpApi}" {
				t.Errorf("%s: the route %s is at the API %q", f.ID, key, got)
			}
		}
	}
	if routes != len(served) {
		t.Errorf("%d routes, want %d", routes, len(served))
	}
}
