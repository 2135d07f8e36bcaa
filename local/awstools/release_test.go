package awstools_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hotsync/local/awstools"
	"hotsync/local/release"
)

// TestSAMTakesARelease has SAM CLI validate the templates of a release and package
// them from the folder of the release alone: every zip is uploaded, to moto.
func TestSAMTakesARelease(t *testing.T) {
	t.Parallel()

	tools, dir := awstools.Require(t), t.TempDir()
	_, err := release.Make(t.Context(), root(t), dir, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	env := tools.Environment("AWS_ENDPOINT_URL=" + tools.Moto(t))
	tools.Run(t, dir, env, "aws", "s3api", "create-bucket", "--bucket", bucket)
	for _, template := range []string{release.Template, release.GradualTemplate} {
		tools.Run(t, dir, env, "cfn-lint", template)
		tools.Run(t, dir, env, "sam", "package", "--template-file", template, "--s3-bucket", bucket,
			"--output-template-file", "packaged.yaml")
		packaged, err := os.ReadFile(filepath.Join(dir, "packaged.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		n := strings.Count(string(packaged), "CodeUri: s3://"+bucket+"/")
		want := strings.Count(string(packaged), "Type: AWS::Serverless::Function")
		if n != want || n == 0 {
			t.Errorf("%s: %d of %d functions take their code from the bucket:\n%s", template, n, want, packaged)
		}
	}
}
