// Package awstools holds the deployment to AWS's own tools: SAM CLI, the AWS CLI,
// cfn-lint, Lambda's Runtime Interface Emulator, and moto, which answers like a
// dozen AWS services on this computer.
//
// make verify-aws installs them below .hotsync/aws and runs the tests of this
// package with them. Without them, as in make test, these tests are skipped.
package awstools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hotsync/local/checkout"
)

// Variable names the folder of the tools' programs.
const Variable = "HOTSYNC_AWS_TOOLS"

// Tools are the installed programs.
type Tools struct {
	dir string
}

// Require returns the tools, or skips the test: make verify-aws has them.
func Require(t testing.TB) Tools {
	t.Helper()
	dir := os.Getenv(Variable)
	if dir == "" {
		t.Skip("NOT TESTED: needs AWS's own tools; make verify-aws installs them and runs this")
	}
	return Tools{dir: dir}
}

// Path is where a program is; the test fails when it is not.
func (tools Tools) Path(t testing.TB, program string) string {
	t.Helper()
	path := filepath.Join(tools.dir, program)
	_, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Environment is that of a program that must not find an AWS account: made-up
// credentials, no file of the user's, the tools first on the PATH.
func (tools Tools) Environment(extra ...string) []string {
	env := []string{"PATH=" + tools.dir + string(os.PathListSeparator) + os.Getenv("PATH")}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if name != "PATH" && !strings.HasPrefix(name, "AWS_") {
			env = append(env, pair)
		}
	}
	env = append(
		env,
		"AWS_ACCESS_KEY_ID=local",
		"AWS_SECRET_ACCESS_KEY=local",
		"AWS_REGION=us-east-1",
		"AWS_DEFAULT_REGION=us-east-1",
		"AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_PAGER=",
		"SAM_CLI_TELEMETRY=0",
	)
	return append(env, extra...)
}

// Run runs a program in dir and returns all that it printed; the test fails when
// it fails.
func (tools Tools) Run(t testing.TB, dir string, env []string, program string, args ...string) string {
	t.Helper()
	out, errs := tools.run(t, dir, env, program, args)
	return out + errs
}

// Output is Run, for what it printed to its standard output.
func (tools Tools) Output(t testing.TB, dir string, env []string, program string, args ...string) string {
	t.Helper()
	out, _ := tools.run(t, dir, env, program, args)
	return out
}

func (tools Tools) run(t testing.TB, dir string, env []string, program string, args []string) (string, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, tools.Path(t, program), args...)
	cmd.Dir, cmd.Env = dir, env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, out.Bytes(), errs.Bytes())
	}
	return out.String(), errs.String()
}

// Moto starts a moto server of the test's own and returns its address.
func (tools Tools) Moto(t testing.TB) string {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(root, "local", "awstools", "moto_server.py")
	cmd := exec.Command(tools.Path(t, "python"), script, "-H", "127.0.0.1", "-p", port)
	cmd.Env = tools.Environment("MOTO_IAM_LOAD_MANAGED_POLICIES=false")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// moto may outlive SIGTERM; there is nothing of it to keep.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait() // its end by that signal is no news
	})
	address := "http://127.0.0.1:" + port
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = answers(ctx, address+"/moto-api/data.json")
	if err != nil {
		t.Fatalf("moto does not answer: %v", err)
	}
	return address
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// answers waits until url answers 200.
func answers(ctx context.Context, url string) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			err = res.Body.Close()
			if err == nil && res.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.Join(err, fmt.Errorf("%s", res.Status))
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
