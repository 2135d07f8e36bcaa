package release_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hotsync/local/deployment"
	"hotsync/local/release"
	"hotsync/local/stack/template"
)

// gradual writes the gradual form of the checkout's template and returns both paths.
func gradual(t *testing.T, name string) (plain, path string) {
	t.Helper()
	plain = filepath.Join(root, release.Template)
	source, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	out, err := release.Gradual(source, name)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), release.GradualTemplate)
	err = os.WriteFile(path, out, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return plain, path
}

// TestGradualIsTheSameSystem: the alias changes how calls reach the functions, and
// nothing of what the local system knows.
func TestGradualIsTheSameSystem(t *testing.T) {
	t.Parallel()

	plain, path := gradual(t, "one")
	options := template.Options{Parameters: map[string]string{"LimioBaseUrl": "https://acme.prod.limio.com",
		"ZuoraSecretId": "",
		"LimioSecretId": "", "ConsoleIssuer": "https://staff.example.com", "ConsoleClientId": "console"}}
	want, err := template.Load(plain, options)
	if err != nil {
		t.Fatal(err)
	}
	got, err := template.Load(path, options)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range got.Functions {
		if f.Environment["DEPLOYMENT"] != "one" {
			t.Errorf("%s has the deployment %q: SAM would publish no version of it", f.LogicalID, f.Environment["DEPLOYMENT"])
		}
		delete(f.Environment, "DEPLOYMENT")
		if to, ok := want.Functions[i].Environment["RECONCILE_FUNCTION"]; ok {
			want.Functions[i].Environment["RECONCILE_FUNCTION"] = to + ":live"
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the gradual template differs (-plain +gradual):\n%s", diff)
	}
}

// TestGradualRole wants CodeDeploy to move the aliases of these functions, all of
// them, and to do nothing else.
func TestGradualRole(t *testing.T) {
	t.Parallel()

	_, path := gradual(t, "one")
	tmpl, err := deployment.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	role, ok := tmpl.Resource("GradualRole")
	if !ok || role.Properties["ManagedPolicyArns"] != nil {
		t.Fatalf("the role is %v", role.Properties)
	}
	policies, _ := role.Properties["Policies"].([]any)
	if len(policies) != 1 {
		t.Fatalf("the role has %d policies", len(policies))
	}
	statements, _ := deployment.Object(deployment.Object(policies[0])["PolicyDocument"])["Statement"].([]any)
	if len(statements) != 2 {
		t.Fatalf("the role has %d statements", len(statements))
	}
	move, see := deployment.Object(statements[0]), deployment.Object(statements[1])
	if diff := cmp.Diff([]string{"lambda:GetAlias", "lambda:UpdateAlias", "lambda:GetProvisionedConcurrencyConfig"},
		deployment.Texts(move["Action"])); diff != "" {
		t.Errorf("what CodeDeploy may do with an alias (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"cloudwatch:DescribeAlarms"}, deployment.Texts(see["Action"])); diff != "" {
		t.Errorf("what CodeDeploy may do with all (-want +got):\n%s", diff)
	}
	var want, got []string
	for _, f := range tmpl.Of("AWS::Serverless::Function") {
		for _, arn := range []string{"${" + f.ID + ".Arn}", "${" + f.ID + ".Arn}:live"} {
			if condition := deployment.Text(f.Attributes["Condition"]); condition != "" {
				arn = condition + " " + arn
			}
			want = append(want, arn)
		}
	}
	resources, _ := move["Resource"].([]any)
	for _, r := range resources {
		arn := deployment.Text(r)
		if choice, ok := deployment.Object(r)["Fn::If"].([]any); ok {
			arn = deployment.Text(choice[0]) + " " + deployment.Text(choice[1])
		}
		got = append(got, arn)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("functions that CodeDeploy may move (-want +got):\n%s", diff)
	}
}

// TestGradualRefuses: a template in which a line was written otherwise is refused,
// and no alias forgotten.
func TestGradualRefuses(t *testing.T) {
	t.Parallel()

	source, err := os.ReadFile(filepath.Join(root, release.Template))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"        PostConfirmation: !GetAtt LoginFunction.Arn\n",
		"RECONCILE_FUNCTION: !Ref ReconcileFunction\n",
		"Globals:\n", "        LOG_LEVEL: !Ref LogLevel\n", "    Value: !GetAtt LoginFunction.Arn\n"} {
		_, err := release.Gradual([]byte(strings.Replace(string(source), line, "\n", 1)), "one")
		if err == nil {
			t.Errorf("a template without %q was taken", line)
		}
	}
}

func TestDeployment(t *testing.T) {
	t.Parallel()

	a, b := []byte("template"), []byte("parameters")
	first := release.Deployment(a, b)
	for name, other := range map[string]string{"another parameter": release.Deployment(a, []byte("parameterz")),
		"a byte that moved": release.Deployment([]byte("templatep"), []byte("arameters"))} {
		if other == first {
			t.Errorf("%s makes no other deployment", name)
		}
	}
	if again := release.Deployment(a, b); again != first {
		t.Errorf("the same makes another deployment: %s, %s", first, again)
	}
}
