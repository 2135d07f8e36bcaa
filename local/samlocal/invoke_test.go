package samlocal_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hotsync/local/awstools"
	"hotsync/local/checkout"
	"hotsync/local/pages"
	"hotsync/local/samlocal"
	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/local/stack/template"
)

// sample is a file of events/ and the function it is for.
type sample struct{ name, path, function string }

// samples are the files of events/, by what their names begin with, for the
// stack's identity provider: one of a test has an address of its own.
func samples(t *testing.T, root, provider string) []sample {
	t.Helper()
	dir := t.TempDir()
	functions := map[string]string{
		"cognito": "LoginFunction", "http": "LoginApiFunction", "rest": "LoginApiFunction",
		"sqs": "SyncFunction", "backfill": "BackfillFunction", "reconcile": "ReconcileFunction",
		"deadletter": "DeadLetterFunction", "callout": "CalloutFunction", "console": "ConsoleFunction",
	}
	files, err := filepath.Glob(filepath.Join(root, "events", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out []sample
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		prefix, _, _ := strings.Cut(name, "-")
		if name == "env" {
			continue // of sam local invoke
		}
		if functions[prefix] == "" {
			t.Errorf("%s is of no function", f)
			continue
		}
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		own := filepath.Join(dir, filepath.Base(f))
		err = os.WriteFile(own, bytes.ReplaceAll(raw, []byte("http://127.0.0.1:8093"), []byte(provider)), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, sample{name, own, functions[prefix]})
	}
	return out
}

// check wants the answer that events/README.md names.
func (s sample) check(t *testing.T, answer []byte) {
	t.Helper()
	var a struct {
		ErrorType  string             `json:"errorType"`
		StatusCode int                `json:"statusCode"`
		Failures   *[]json.RawMessage `json:"batchItemFailures"`
	}
	err := json.Unmarshal(answer, &a)
	if err != nil {
		t.Errorf("%s with %s answered %q: %v", s.function, s.name, answer, err)
		return
	}
	// A login by an authorizer is taken as it is; a real token has to be put into the others.
	status := map[string]int{
		"http-login-bearer": 401, "http-progress-bearer": 401, "http-sync-bearer": 401,
		"http-login-bare-token": 202, "http-login-jwt-authorizer": 202, "http-login-lambda-authorizer": 202,
		"http-login-mapping-key": 202,
		"rest-login-authorizer":  202, "rest-login-lambda-authorizer": 202,
		"callout-signed": 202, "callout-unsigned": 401, "console-overview": 303,
	}[s.name]
	ok := a.ErrorType == "" && a.StatusCode == status
	switch s.function {
	case "LoginFunction": // Cognito gets its event back
		event, err := os.ReadFile(s.path)
		if err != nil {
			t.Fatal(err)
		}
		var want, got bytes.Buffer
		ok = ok && errors.Join(json.Compact(&want, event), json.Compact(&got, answer)) == nil &&
			bytes.Equal(want.Bytes(), got.Bytes())
	case "SyncFunction", "BackfillFunction", "DeadLetterFunction":
		ok = ok && a.Failures != nil && len(*a.Failures) == 0
	}
	if !ok {
		t.Errorf("%s with %s answered %s", s.function, s.name, answer)
	}
}

// opened is a stack with doors at address, and the template written for sam.
func opened(t *testing.T, name, address string) (*samlocal.Doors, *template.Template, []sample) {
	t.Helper()
	s := stacktest.Start(t, stack.Options{Name: name, Personas: true})
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	doors, err := samlocal.Open(t.Context(), s.Stack, root, address, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := doors.Close()
		if err != nil {
			t.Error(err)
		}
	})
	tmpl, err := template.Load(doors.Template, template.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return doors, tmpl, samples(t, root, s.IDPURL)
}

// TestRuntimeInterfaceEmulator runs every sample event under AWS's own emulator
// of Lambda's runtime interface, in the environment that sam would give.
func TestRuntimeInterfaceEmulator(t *testing.T) {
	t.Parallel()

	tools := awstools.Require(t)
	emulator := tools.Path(t, "aws-lambda-rie")
	doors, tmpl, all := opened(t, "emulated", "127.0.0.2")
	addresses := map[string]string{}
	for i, f := range tmpl.Functions {
		address := emulate(t, emulator, ownHost(i),
			filepath.Join(filepath.Dir(doors.Template), "functions", f.Dir, "bootstrap"), f)
		addresses[f.LogicalID] = address
	}
	ran := 0
	for _, s := range all {
		event, err := os.ReadFile(s.path)
		if err != nil {
			t.Fatal(err)
		}
		s.check(t, post(t, addresses[s.function], event))
		ran++
	}
	t.Logf("%d sample events of %d functions ran under the Runtime Interface Emulator", ran, len(addresses))
}

// post calls the function behind an emulator.
func post(t *testing.T, address string, event []byte) []byte {
	t.Helper()
	url := "http://" + address + "/2015-03-31/functions/function/invocations"
	res, err := http.Post(url, "application/json", bytes.NewReader(event))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(res.Body)
	err = errors.Join(err, res.Body.Close())
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// emulate starts the emulator over a function and returns its address. The
// emulator opens the runtime's port late, so both ports are ones that nobody
// else can come by meanwhile: on a host of its own, below those that are given out.
func emulate(t *testing.T, emulator, host, bootstrap string, f template.Function) string {
	t.Helper()
	address, api := net.JoinHostPort(host, "8080"), net.JoinHostPort(host, "9001")
	cmd := exec.Command(emulator, "--log-level", "error", "--runtime-interface-emulator-address", address,
		"--runtime-api-address", api, bootstrap)
	cmd.Dir = filepath.Dir(bootstrap)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "AWS_LAMBDA_FUNCTION_NAME=" + f.Name,
		"AWS_LAMBDA_FUNCTION_TIMEOUT=60"}, inContainer...)
	for name, value := range f.Environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait() // its end by that signal is no news
		if t.Failed() {
			t.Logf("%s: %s", f.LogicalID, log.Bytes())
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			err = c.Close()
			if err != nil {
				t.Fatal(err)
			}
			return address
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: the emulator does not listen: %v", f.LogicalID, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ownHost returns a loopback address of this process' own for its function i.
func ownHost(i int) string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 1+pid/250%250, 1+pid%250, 1+i)
}

// TestSAMLocalInvoke has sam itself run every sample event of every function in
// a container, against the engines and sandboxes outside. It runs where a Docker
// engine answers. No image is pulled: the base image is stood in for by one of
// busybox, since the functions bring all they need.
func TestSAMLocalInvoke(t *testing.T) {
	t.Parallel()

	tools := awstools.Require(t)
	out, err := exec.CommandContext(t.Context(), "docker", "info", "--format", "{{.OSType}}").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "linux" {
		t.Skipf("NOT TESTED: sam local invoke needs a Docker engine, and none answers: %v", err)
	}
	standIn(t)
	doors, _, all := opened(t, "insam", samlocal.Bridge())
	env := tools.Environment("SAM_CLI_CONTAINER_CONNECTION_TIMEOUT=60")
	ran := map[string]int{}
	start := time.Now()
	own := []string{"--template-file", doors.Template, "--skip-pull-image", "--region", "us-east-1"}
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			line := append([]string{"local", "invoke", s.function, "--event", s.path}, own...)
			answer := tools.Output(t, filepath.Dir(doors.Template), env, "sam", line...)
			// On a busy computer a login may run out of its 1.5 seconds while the container starts; it says to try again.
			for again := 0; again < 3 && strings.Contains(answer, `"Retry-After"`); again++ {
				t.Logf("answered %s", answer)
				answer = tools.Output(t, filepath.Dir(doors.Template), env, "sam", line...)
			}
			s.check(t, []byte(answer))
			ran[s.function]++
			t.Logf("sam local invoke %s --event events/%s.json", s.function, s.name)
		})
	}
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range pages.Of(t) { // as events/README.md has them
		words := append(strings.Fields(c.Text), own...)
		t.Run("README "+words[3], func(t *testing.T) {
			tools.Output(t, root, env, words[0], words[1:]...)
		})
	}
	t.Logf("sam local invoke ran, events by function: %v, in %s", ran, time.Since(start).Round(time.Second))
}

// standIn makes sure of an image by the name of Lambda's base image. One that is
// there, such as the real one, is used.
func standIn(t *testing.T) {
	t.Helper()
	const image = "public.ecr.aws/lambda/provided:al2023-x86_64"
	if exec.CommandContext(t.Context(), "docker", "image", "inspect", image).Run() == nil {
		return
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Skipf("NOT TESTED: sam local invoke needs the image %s, or a static busybox to stand in for it: %v", image, err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, dir := range []string{"bin/", "tmp/", "var/", "var/task/", "var/runtime/", "var/rapid/", "etc/"} {
		err = errors.Join(err, w.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: 0o777}))
	}
	err = errors.Join(err,
		w.WriteHeader(&tar.Header{Name: "bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(busybox))}))
	_, writeErr := w.Write(busybox)
	for _, name := range []string{"sh", "mv", "chmod", "cp", "mkdir", "ls"} {
		err = errors.Join(err,
			w.WriteHeader(&tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777}))
	}
	err = errors.Join(err, writeErr, w.Close())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "docker", "import", "-", image)
	cmd.Stdin = &archive
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("docker import: %v: %s", err, out)
	}
}
