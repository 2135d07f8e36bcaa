package awstools_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/awstools"
	"hotsync/local/deployment"
	"hotsync/local/pages"
	"hotsync/local/release"
)

// translated is a template as SAM's transform makes it in AWS.
type translated struct {
	Resources map[string]struct {
		Type         string
		Condition    string
		Properties   map[string]any
		UpdatePolicy map[string]any
	}
	Outputs map[string]any
}

// of returns the logical ids of the resources of a type, in order.
func (tr translated) of(typ string) []string {
	var ids []string
	for id, r := range tr.Resources {
		if r.Type == typ {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// translate has SAM translate the gradual form of the template as one deployment.
func translate(t *testing.T, tools awstools.Tools, name string, parameters ...string) translated {
	t.Helper()
	path := filepath.Join(t.TempDir(), release.GradualTemplate)
	write(t, path, name)
	return translateFile(t, tools, path, parameters...)
}

// write writes the gradual form of the template as one deployment.
func write(t *testing.T, path, name string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(root(t), release.Template))
	if err != nil {
		t.Fatal(err)
	}
	out, err := release.Gradual(source, name)
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(path, out, 0o600)
	if err != nil {
		t.Fatal(err)
	}
}

func translateFile(t *testing.T, tools awstools.Tools, path string, parameters ...string) translated {
	t.Helper()
	args := append([]string{"local/awstools/translate.py", path, bucket, "--as-deployed"}, parameters...)
	var tr translated
	err := json.Unmarshal([]byte(tools.Output(t, root(t), tools.Environment(), "python", args...)), &tr)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestSAMMakesAnAlias has SAM translate the gradual template: everybody who calls a
// function calls its alias, and CodeDeploy moves each.
func TestSAMMakesAnAlias(t *testing.T) {
	t.Parallel()

	tools := awstools.Require(t)
	got := translate(t, tools, "one")
	tmpl, err := deployment.Load(filepath.Join(root(t), release.Template))
	if err != nil {
		t.Fatal(err)
	}
	functions := tmpl.Of("AWS::Serverless::Function")
	for _, f := range functions {
		alias := got.Resources[f.ID+"Aliaslive"]
		if alias.Type != "AWS::Lambda::Alias" || alias.Condition != deployment.Text(f.Attributes["Condition"]) {
			t.Errorf("%s has the alias %+v", f.ID, alias)
		}
		if text := compact(t, alias.UpdatePolicy); !strings.Contains(text, `{"Ref":"`+f.ID+`DeploymentGroup"}`) {
			t.Errorf("the alias of %s is moved by %s", f.ID, text)
		}
		group := got.Resources[f.ID+"DeploymentGroup"]
		if group.Condition != deployment.Text(f.Attributes["Condition"]) {
			t.Errorf("the deployment group of %s has the condition %q", f.ID, group.Condition)
		}
		rollback := compact(t, group.Properties["AutoRollbackConfiguration"])
		role := compact(t, group.Properties["ServiceRoleArn"])
		if !strings.Contains(rollback, "DEPLOYMENT_STOP_ON_ALARM") || role != `{"Fn::GetAtt":["GradualRole","Arn"]}` {
			t.Errorf("the deployment of %s is rolled back on %s, by the role %s", f.ID, rollback, role)
		}
		alarms, _ := deployment.Object(group.Properties["AlarmConfiguration"])["Alarms"].([]any)
		if len(alarms) < 8 || len(alarms) > 10 { // CodeDeploy takes 10
			t.Errorf("the deployment of %s has %d alarms", f.ID, len(alarms))
		}
		for _, a := range alarms {
			name := deployment.Object(deployment.Object(a)["Name"])
			id := deployment.Text(name["Ref"])
			if sub := deployment.Text(name["Fn::Sub"]); sub == "${AWS::StackName}-api-errors" {
				id = "ApiErrorsAlarm"
			}
			if got.Resources[id].Type != "AWS::CloudWatch::Alarm" {
				t.Errorf("the deployment of %s is taken back by %v, which is no alarm", f.ID, a)
			}
		}
		config := compact(t, group.Properties["DeploymentConfigName"])
		if !strings.Contains(config, "Canary10Percent5Minutes") {
			t.Errorf("%s is moved by %s", f.ID, config)
		}
	}

	// Who may call, and who does. The pool of a merchant may call both, so that it can go from one to the other.
	callers := map[string]any{}
	for _, typ := range []string{"AWS::Lambda::Permission", "AWS::Lambda::EventSourceMapping"} {
		for _, id := range got.of(typ) {
			callers[id] = got.Resources[id].Properties["FunctionName"]
		}
	}
	if diff := cmp.Diff(`{"Fn::GetAtt":["LoginFunction","Arn"]}`, compact(t, callers["CognitoMayCallLogin"])); diff != "" {
		t.Errorf("a pool that is not moved yet may call (-want +got):\n%s", diff)
	}
	delete(callers, "CognitoMayCallLogin")
	for _, id := range got.of("AWS::Events::Rule") {
		targets, _ := got.Resources[id].Properties["Targets"].([]any)
		callers[id] = deployment.Object(targets[0])["Arn"]
	}
	for trigger, function := range deployment.Object(got.Resources["UserPool"].Properties["LambdaConfig"]) {
		callers["UserPool "+trigger] = function
	}
	if len(callers) < 16 {
		t.Errorf("%d callers", len(callers))
	}
	for id, function := range callers {
		if alias := deployment.Text(deployment.Object(function)["Ref"]); !strings.HasSuffix(alias, "FunctionAliaslive") {
			t.Errorf("%s calls %v, want an alias", id, function)
		}
	}
	api := compact(t, got.Resources["HttpApi"].Properties["Body"])
	n, all := strings.Count(api, "FunctionAliaslive}/invocations"), strings.Count(api, "/invocations")
	if n != all || n != 5 {
		t.Errorf("%d of %d routes call an alias", n, all)
	}
	for _, output := range []string{"LoginFunctionArn", "AttachTriggers", "AttachOwnTriggers"} {
		text := compact(t, got.Outputs[output])
		if !strings.Contains(text, `"LoginFunctionAliaslive"`) && !strings.Contains(text, "${LoginFunction.Arn}:live") {
			t.Errorf("the output %s names no alias: %s", output, text)
		}
	}
	// SAM's own role for CodeDeploy has a managed policy for every function of the account.
	if _, ok := got.Resources["CodeDeployServiceRole"]; ok {
		t.Error("SAM made a role for CodeDeploy")
	}
}

// TestSAMPublishes: what makes SAM publish a version, and what does not.
func TestSAMPublishes(t *testing.T) {
	t.Parallel()

	tools := awstools.Require(t)
	versions := func(name string, parameters ...string) []string {
		return translate(t, tools, name, parameters...).of("AWS::Lambda::Version")
	}
	first := versions("one")
	if len(first) != 8 {
		t.Fatalf("versions %v", first)
	}
	for _, again := range versions("two") {
		if slices.Contains(first, again) {
			t.Errorf("another deployment publishes no version of %s", again)
		}
	}
	path := filepath.Join(t.TempDir(), release.GradualTemplate)
	write(t, path, "one")
	for _, c := range pages.Of(t) { // as docs/operate.md has it for who has a release
		cmd := exec.CommandContext(t.Context(), "bash", "-c", c.Text)
		cmd.Dir = filepath.Dir(path)
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", c, err, text)
		}
	}
	for _, again := range translateFile(t, tools, path).of("AWS::Lambda::Version") {
		if slices.Contains(first, again) {
			t.Errorf("after the command of the page no version of %s is published", again)
		}
	}
	// The reason for DEPLOYMENT, and why the alias is no parameter of template.yaml. Where this fails, SAM got better.
	if diff := cmp.Diff(first, versions("one", "LogLevel=debug")); diff != "" {
		t.Errorf("a parameter alone publishes a version (-before +after):\n%s", diff)
	}

	atOnce := translate(t, tools, "one", "GradualDeployment=AllAtOnce")
	if diff := cmp.Diff(first, atOnce.of("AWS::Lambda::Version")); diff != "" {
		t.Errorf("versions of a deployment at once (-want +got):\n%s", diff)
	}
	for id, r := range atOnce.Resources {
		if strings.HasPrefix(r.Type, "AWS::CodeDeploy::") || r.UpdatePolicy != nil {
			t.Errorf("a deployment at once has %s, a %s with %v", id, r.Type, r.UpdatePolicy)
		}
	}
	// Who wants none of it has none of it.
	plain := translateFile(t, tools, "template.yaml")
	for id, r := range plain.Resources {
		if r.Type == "AWS::Lambda::Version" || r.Type == "AWS::Lambda::Alias" ||
			strings.HasPrefix(r.Type, "AWS::CodeDeploy::") {
			t.Errorf("template.yaml makes %s, a %s", id, r.Type)
		}
	}
}

// TestSAMKeepsLimits: what the template says of limits and keys is in what SAM makes
// of it, where it has another place.
func TestSAMKeepsLimits(t *testing.T) {
	t.Parallel()

	got := translateFile(t, awstools.Require(t), "template.yaml")
	for _, id := range got.of("AWS::ApiGatewayV2::Stage") {
		want := `{"POST /login":{"ThrottlingBurstLimit":{"Ref":"LoginBurstLimit"},` +
			`"ThrottlingRateLimit":{"Ref":"LoginRateLimit"}}}`
		if diff := cmp.Diff(want, compact(t, got.Resources[id].Properties["RouteSettings"])); diff != "" {
			t.Errorf("%s: limits of routes (-want +got):\n%s", id, diff)
		}
		want = `{"ThrottlingBurstLimit":{"Ref":"ApiBurstLimit"},"ThrottlingRateLimit":{"Ref":"ApiRateLimit"}}`
		if diff := cmp.Diff(want, compact(t, got.Resources[id].Properties["DefaultRouteSettings"])); diff != "" {
			t.Errorf("%s: limits of the others (-want +got):\n%s", id, diff)
		}
	}
	var reserved []string
	for _, id := range got.of("AWS::Lambda::Function") {
		p := got.Resources[id].Properties
		want := `{"Fn::If":["HasKey",{"Ref":"KmsKeyArn"},{"Ref":"AWS::NoValue"}]}`
		if diff := cmp.Diff(want, compact(t, p["KmsKeyArn"])); diff != "" {
			t.Errorf("%s: key of its variables (-want +got):\n%s", id, diff)
		}
		if p["ReservedConcurrentExecutions"] != nil {
			reserved = append(reserved, id+" "+compact(t, deployment.Object(p["ReservedConcurrentExecutions"])["Fn::If"]))
		}
	}
	if diff := cmp.Diff([]string{
		`LoginApiFunction ["CapsLoginApi",{"Ref":"LoginApiConcurrency"},{"Ref":"AWS::NoValue"}]`,
		`LoginFunction ["ReservesLogin",{"Ref":"LoginReservedConcurrency"},{"Ref":"AWS::NoValue"}]`,
	}, reserved); diff != "" {
		t.Errorf("concurrency that is reserved (-want +got):\n%s", diff)
	}
	most := map[string]string{}
	for _, id := range got.of("AWS::Lambda::EventSourceMapping") {
		most[id] = compact(t, got.Resources[id].Properties["ScalingConfig"])
	}
	if diff := cmp.Diff(map[string]string{
		"SyncFunctionQueue":       `{"MaximumConcurrency":{"Ref":"MaximumConcurrency"}}`,
		"BackfillFunctionQueue":   `{"MaximumConcurrency":{"Ref":"BackfillConcurrency"}}`,
		"DeadLetterFunctionQueue": `{"MaximumConcurrency":2}`,
	}, most); diff != "" {
		t.Errorf("what queues take at once (-want +got):\n%s", diff)
	}
	if len(got.of("AWS::ApiGatewayV2::Stage")) != 1 || len(got.of("AWS::Lambda::Function")) != 8 {
		t.Errorf("SAM makes the stages %v and the functions %v",
			got.of("AWS::ApiGatewayV2::Stage"), got.of("AWS::Lambda::Function"))
	}
}

// compact is a value as JSON.
func compact(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
