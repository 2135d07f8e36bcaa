package release

import (
	"fmt"
	"regexp"
	"strings"
)

// The lines of template.yaml that say how a function's code is built.
var (
	built = regexp.MustCompile(
		`(?m)^    Metadata: \{BuildMethod: makefile, Directory: functions/(\w+)\}\n((?:    \w.*\n)*?)    Properties:\n`,
	)
	own         = "    CodeUri: .\n"
	development = "    Value: development # no parameter: sam deploy gives every parameter again as it was\n"
)

// Deployable makes of the template of a checkout the one of a release. Functions
// take the zips beside it, which sam deploy uploads, and nothing is built, so
// that neither Go nor the source is needed.
func Deployable(template []byte, version string) ([]byte, error) {
	text := string(template)
	functions := strings.Count(text, "Type: AWS::Serverless::Function\n")
	if found := len(built.FindAllString(text, -1)); found != functions {
		return nil, fmt.Errorf("%d of the %d functions say how they are built", found, functions)
	}
	text = built.ReplaceAllString(text, "${2}    Properties:\n      CodeUri: $1.zip\n")
	for _, change := range []struct{ from, to string }{
		{own, ""},
		{development, "    Value: \"" + version + "\"\n"},
	} {
		if strings.Count(text, change.from) != 1 {
			return nil, fmt.Errorf("template.yaml has not once %q", change.from)
		}
		text = strings.Replace(text, change.from, change.to, 1)
	}
	return []byte(text), nil
}
