package release

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strings"
)

// GradualTemplate is the file of the template that Gradual makes.
const GradualTemplate = "template-gradual.yaml"

// What the template gets, by the section.
var (
	//go:embed gradual/parameters.yaml
	parameters string
	//go:embed gradual/mappings.yaml
	mappings string
	//go:embed gradual/globals.yaml
	globals string
	//go:embed gradual/resources.yaml
	resources string
)

const (
	logLevel  = "        LOG_LEVEL: !Ref LogLevel\n"
	published = "        # A version is published where this text or the code changed: change it with every parameter.\n" +
		"        DEPLOYMENT: %q\n"
)

// Gradual makes of a template the one whose functions are called by an alias,
// live, that CodeDeploy moves from one published version to the next in steps.
//
// It is a second template and not a parameter of the first: SAM takes no
// condition for an alias, and publishes no version where only the value of a
// parameter changed, so that with an alias such a deployment changes nothing that
// runs (https://github.com/aws/serverless-application-model/issues/3820). deployment
// is the text that tells this deployment from the one before: every function has it
// as its variable DEPLOYMENT, and SAM publishes where it or the code differs.
func Gradual(template []byte, deployment string) ([]byte, error) {
	text := string(template)
	for _, change := range []struct {
		from, to string
		times    int
	}{
		{"Parameters:\n", "Parameters:\n" + parameters, 1},
		{"Globals:\n  Function:\n", mappings + "Globals:\n  Function:\n" + globals, 1},
		{logLevel, logLevel + fmt.Sprintf(published, deployment), 1},
		{"Resources:\n", "Resources:\n" + resources, 1},

		// Who calls a function calls its alias. The console does not wait for that alias to be moved: it only names it.
		{"RECONCILE_FUNCTION: !Ref ReconcileFunction\n", "RECONCILE_FUNCTION: !Sub \"${ReconcileFunction}:live\"\n", 1},
		{"Resource: !GetAtt ReconcileFunction.Arn\n", "Resource: !Sub \"${ReconcileFunction.Arn}:live\"\n", 1},
		{ownPool("!GetAtt LoginFunction.Arn"), ownPool("!Ref LoginFunction.Alias"), 1},
		{"PostAuthentication: !GetAtt LoginFunction.Arn\n", "PostAuthentication: !Ref LoginFunction.Alias\n", 1},
		{"PostConfirmation: !GetAtt LoginFunction.Arn\n", "PostConfirmation: !Ref LoginFunction.Alias\n", 1},
		{"    Value: !GetAtt LoginFunction.Arn\n", "    Value: !Ref LoginFunction.Alias\n", 1},
		// Not by the alias' own name, which cfn-lint knows in a Ref and not in a Sub.
		{"--function ${LoginFunction.Arn}\n", "--function ${LoginFunction.Arn}:live\n", 2},
	} {
		if n := strings.Count(text, change.from); n != change.times {
			return nil, fmt.Errorf("template.yaml has %d times and not %d times %q", n, change.times, change.from)
		}
		text = strings.ReplaceAll(text, change.from, change.to)
	}
	return []byte(text), nil
}

// Deployment is a text for Gradual that changes with whatever is given, such as
// the template and the file of its parameters.
func Deployment(inputs ...[]byte) string {
	sum := sha256.New()
	for _, in := range inputs {
		fmt.Fprintf(sum, "%d ", len(in))
		sum.Write(in)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

func ownPool(function string) string {
	return "  OwnPoolMayCallLogin:\n    Type: AWS::Lambda::Permission\n    Condition: MakesUserPool\n    Properties:\n" +
		"      FunctionName: " + function + "\n"
}
