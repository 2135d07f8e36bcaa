package deployment_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/deployment"
)

// where reads the template where these conditions hold.
func where(t *testing.T, conditions ...string) *deployment.Template {
	t.Helper()
	root, _ := load(t)
	chosen := map[string]bool{}
	for _, c := range conditions {
		chosen[c] = true
	}
	tmpl, err := deployment.LoadWhere(filepath.Join(root, "template.yaml"), chosen)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

const (
	noValue = "${AWS::NoValue}"
	ownKey  = "${KmsKeyArn}"
)

// TestKey: with KmsKeyArn everything that keeps something keeps it under that key,
// and without it under AWS's.
func TestKey(t *testing.T) {
	t.Parallel()

	with, without := where(t, "HasKey"), where(t)
	for typ, property := range map[string]string{
		typeQueue: "KmsMasterKeyId", "AWS::Logs::LogGroup": "KmsKeyId", "AWS::SecretsManager::Secret": "KmsKeyId",
		typeFunction: "KmsKeyArn",
	} {
		for tmpl, want := range map[*deployment.Template]string{with: ownKey, without: noValue} {
			all := tmpl.Of(typ)
			if len(all) == 0 {
				t.Errorf("no %s", typ)
			}
			for _, r := range all {
				if got := deployment.Text(tmpl.Property(r, property)); typ == typeFunction && got != want {
					t.Errorf("%s: %s is %q, want %q", r.ID, property, got, want)
				}
				if got := deployment.Text(r.Properties[property]); typ != typeFunction && got != want {
					t.Errorf("%s: %s is %q, want %q", r.ID, property, got, want)
				}
			}
		}
	}
	for _, q := range with.Of(typeQueue) { // SQS takes one of the two
		if got := deployment.Text(q.Properties["SqsManagedSseEnabled"]); got != noValue {
			t.Errorf("%s: with a key SqsManagedSseEnabled is %q", q.ID, got)
		}
	}
	for _, table := range with.Of(typeTable) {
		want := map[string]any{"SSEEnabled": "true", "SSEType": "KMS", "KMSMasterKeyId": ownKey}
		if diff := cmp.Diff(want, table.Properties["SSESpecification"]); diff != "" {
			t.Errorf("%s: encryption mismatch (-want +got):\n%s", table.ID, diff)
		}
	}
	use, ok := with.Resource("UseKey")
	if !ok || use.Attributes["Condition"] != "HasKey" {
		t.Fatalf("nobody may use the key: %v", use.Attributes)
	}
	want := []any{map[string]any{"Sid": "UseKey", "Effect": "Allow",
		"Action": []any{"kms:Decrypt", "kms:GenerateDataKey"}, "Resource": ownKey}}
	if diff := cmp.Diff(want, deployment.Object(use.Properties["PolicyDocument"])["Statement"]); diff != "" {
		t.Errorf("what functions may do with the key (-want +got):\n%s", diff)
	}
}

// TestConcurrencyIsKeptApart: who calls POST /login cannot take what is kept for
// Cognito's triggers, since another function answers them.
func TestConcurrencyIsKeptApart(t *testing.T) {
	t.Parallel()

	limits := map[string]string{
		"LoginFunction":    "${LoginReservedConcurrency}",
		"LoginApiFunction": "${LoginApiConcurrency}",
	}
	with, without := where(t, "ReservesLogin", "CapsLoginApi"), where(t)
	for _, f := range with.Of(typeFunction) {
		if got := deployment.Text(f.Properties["ReservedConcurrentExecutions"]); got != limits[f.ID] {
			t.Errorf("%s reserves %q, want %q", f.ID, got, limits[f.ID])
		}
	}
	// An account with a limit of 10 refuses any reservation: none unless it is asked for.
	for _, f := range without.Of(typeFunction) {
		if got := deployment.Text(f.Properties["ReservedConcurrentExecutions"]); got != "" && got != noValue {
			t.Errorf("%s reserves %q by default", f.ID, got)
		}
	}
	for _, p := range without.Parameters {
		if slices.Contains(slices.Collect(maps.Values(limits)), "${"+p.Name+"}") && p.Default != "0" {
			t.Errorf("%s is %s by default", p.Name, p.Default)
		}
	}
	login, _ := without.Resource("LoginFunction")
	if len(events(login, "HttpApi")) > 0 {
		t.Errorf("the function of the triggers answers %v", events(login, "HttpApi"))
	}
	for _, p := range without.Of("AWS::Lambda::Permission") {
		if got := deployment.Text(p.Properties["FunctionName"]); got != "${LoginFunction.Arn}" {
			t.Errorf("%s lets Cognito call %s", p.ID, got)
		}
	}
}

// TestTrialFitsANewAccount: what dev of samconfig.toml lets the queues take leaves
// something of a new account's 10 concurrent calls to the triggers.
func TestTrialFitsANewAccount(t *testing.T) {
	t.Parallel()

	root, tmpl := load(t)
	raw, err := os.ReadFile(filepath.Join(root, "samconfig.toml"))
	if err != nil {
		t.Fatal(err)
	}
	_, dev, _ := strings.Cut(string(raw), "[dev.deploy.parameters]")
	dev, _, _ = strings.Cut(dev, "\n]")
	taken := 0.0
	for _, f := range tmpl.Of(typeFunction) {
		for _, e := range events(f, "SQS") {
			most := deployment.Text(deployment.Object(e["ScalingConfig"])["MaximumConcurrency"])
			_, given, ok := strings.Cut(dev, `"`+strings.Trim(most, "${}")+"=")
			if ok {
				most, _, _ = strings.Cut(given, `"`)
			}
			taken += number(t, tmpl, most)
		}
	}
	const account, triggers = 10, 4
	if taken > account-triggers {
		t.Errorf("the queues of a trial take %g of %d concurrent calls, want %d left to sign-ins", taken, account, triggers)
	}
}

// TestThrottles: POST /login has limits of its own, which are not above those of
// everything else.
func TestThrottles(t *testing.T) {
	t.Parallel()

	tmpl := where(t)
	api, _ := tmpl.Resource("HttpApi")
	want := map[string]any{"POST /login": map[string]any{
		"ThrottlingRateLimit":  "${LoginRateLimit}",
		"ThrottlingBurstLimit": "${LoginBurstLimit}",
	}}
	if diff := cmp.Diff(want, api.Properties["RouteSettings"]); diff != "" {
		t.Errorf("limits of routes (-want +got):\n%s", diff)
	}
	of, routes := deployment.Object(api.Properties["DefaultRouteSettings"]), deployment.Object(want["POST /login"])
	for name, login := range routes {
		if l, all := number(t, tmpl, login), number(t, tmpl, of[name]); l > all || l <= 0 {
			t.Errorf("%s of POST /login is %g, of everything else %g", name, l, all)
		}
	}
	// The name of a route that does not exist fails the deployment.
	f, _ := tmpl.Resource("LoginApiFunction")
	found := false
	for _, e := range events(f, "HttpApi") {
		found = found || deployment.Text(e["Method"])+" "+deployment.Text(e["Path"]) == "POST /login"
	}
	if !found {
		t.Error("no function has the route POST /login")
	}
}

// TestTrialPool: nobody signs up by themselves, names their own accounts, or gets by
// with a weak password.
func TestTrialPool(t *testing.T) {
	t.Parallel()

	tmpl := where(t)
	pool, _ := tmpl.Resource("UserPool")
	password := deployment.Object(deployment.Object(pool.Properties["Policies"])["PasswordPolicy"])
	want := map[string]any{"MinimumLength": "12", "RequireLowercase": "true", "RequireUppercase": "true",
		"RequireNumbers": "true", "RequireSymbols": "true", "TemporaryPasswordValidityDays": "3"}
	if diff := cmp.Diff(want, password); diff != "" {
		t.Errorf("password policy mismatch (-want +got):\n%s", diff)
	}
	diff := cmp.Diff(map[string]any{"AllowAdminCreateUserOnly": "true"}, pool.Properties["AdminCreateUserConfig"])
	if diff != "" {
		t.Errorf("who makes users (-want +got):\n%s", diff)
	}
	client, _ := tmpl.Resource("UserPoolClient")
	for property, want := range map[string][]string{
		"ReadAttributes":    {"email", "email_verified", "name", "custom:zuora_accounts"},
		"WriteAttributes":   {"email", "name"},
		"ExplicitAuthFlows": {"ALLOW_USER_SRP_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"},
	} {
		if diff := cmp.Diff(want, deployment.Texts(client.Properties[property])); diff != "" {
			t.Errorf("%s of the trial's client (-want +got):\n%s", property, diff)
		}
	}
	keeps(t, pool)
}

// TestOutputs: the console's addresses follow ConsoleUrl, and an output that names
// what may not exist has its condition.
func TestOutputs(t *testing.T) {
	t.Parallel()

	const api = "https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}"
	for tmpl, base := range map[*deployment.Template]string{where(t): api, where(t, "HasConsoleUrl"): "${ConsoleUrl}"} {
		for output, want := range map[string]string{
			"ApiUrl": api, "ConsoleAddress": base, "ConsoleCallbackUrl": base + "/signin/callback",
			"ConsoleSignOutUrl": base + "/signin"} {
			if got := deployment.Text(deployment.Object(tmpl.Outputs[output])["Value"]); got != want {
				t.Errorf("output %s is %q, want %q", output, got, want)
			}
		}
		for name, o := range tmpl.Outputs {
			value := deployment.Text(deployment.Object(o)["Value"])
			for _, r := range tmpl.Resources {
				condition := deployment.Text(r.Attributes["Condition"])
				named := strings.Contains(value, "${"+r.ID+"}") || strings.Contains(value, "${"+r.ID+".")
				if condition == "" || strings.HasPrefix(condition, "Makes") && condition != "MakesUserPool" || !named {
					continue // which table it is, is decided with the output
				}
				if got := deployment.Text(deployment.Object(o)["Condition"]); got != condition {
					t.Errorf("output %s names %s, which is there where %s; its own condition is %q", name, r.ID, condition, got)
				}
			}
		}
	}
	conditions := map[string]string{
		"CalloutUrl":        "TakesCallouts",
		"AttachTriggers":    "HasUserPool",
		"AttachOwnTriggers": "MakesUserPool",
	}
	outputs := where(t).Outputs
	for name, want := range conditions {
		if got := deployment.Text(deployment.Object(outputs[name])["Condition"]); got != want {
			t.Errorf("output %s is there where %q, want %s", name, got, want)
		}
	}
	for name, o := range outputs {
		if len(deployment.Text(deployment.Object(o)["Description"])) < 10 {
			t.Errorf("output %s says nothing of itself", name)
		}
	}
}
