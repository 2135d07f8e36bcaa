package deployment_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const pool = `{"Id":"eu-west-1_AbC","Name":"customers","Arn":"arn:x","CreationDate":1,"EstimatedNumberOfUsers":7,"SchemaAttributes":[],
 "Policies":{"PasswordPolicy":{"MinimumLength":12,"TemporaryPasswordValidityDays":7}},"DeletionProtection":"ACTIVE","MfaConfiguration":"OPTIONAL",
 "AdminCreateUserConfig":{"AllowAdminCreateUserOnly":true,"UnusedAccountValidityDays":7},"UserPoolTier":"PLUS","LambdaConfig":LAMBDA}`

// The command of the output AttachTriggers keeps what the pool has and refuses
// to take a trigger away from another function.
func TestAttachTriggers(t *testing.T) {
	t.Parallel()

	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("NOT TESTED: docs/attach-triggers.jq needs jq, which is not on the PATH")
	}
	root, _ := load(t)
	for _, tc := range []struct {
		name, lambda, want string
		fails              bool
	}{
		{name: "no triggers", lambda: `{}`, want: `{"PostAuthentication":"F","PostConfirmation":"F"}`},
		{name: "others kept", lambda: `{"PreSignUp":"G","PreTokenGenerationConfig":{"LambdaArn":"H","LambdaVersion":"V2_0"}}`,
			want: `{"PostAuthentication":"F","PostConfirmation":"F","PreSignUp":"G","PreTokenGenerationConfig":{"LambdaArn":"H","LambdaVersion":"V2_0"}}`},
		{name: "attached already", lambda: `{"PostAuthentication":"F"}`, want: `{"PostAuthentication":"F","PostConfirmation":"F"}`},
		{name: "taken", lambda: `{"PostAuthentication":"G"}`, fails: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			cmd := exec.CommandContext(t.Context(), "jq", "-e", "-S", "--arg", "function", "F", "-f", filepath.Join(root, "docs", "attach-triggers.jq"))
			cmd.Stdin = strings.NewReader(strings.Replace(pool, "LAMBDA", tc.lambda, 1))
			out, err := cmd.Output()
			if tc.fails {
				if err == nil {
					t.Fatalf("the filter gave %s, want a refusal", out)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := `{"UserPoolId":"eu-west-1_AbC","PoolName":"customers","Policies":{"PasswordPolicy":{"MinimumLength":12,"TemporaryPasswordValidityDays":7}},
 "DeletionProtection":"ACTIVE","MfaConfiguration":"OPTIONAL","UserPoolTier":"PLUS","AdminCreateUserConfig":{"AllowAdminCreateUserOnly":true},"LambdaConfig":` + tc.want + `}`
			var a, b any
			for into, text := range map[*any]string{&a: want, &b: string(out)} {
				err := json.Unmarshal([]byte(text), into)
				if err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(a, b); diff != "" {
				t.Errorf("input mismatch (-want +got):\n%s", diff)
			}
		})
	}
}
