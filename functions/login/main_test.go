package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// environ is a complete environment, with engines at that address.
func environ(engines string) map[string]string {
	return map[string]string{"QUEUE_URL": engines + "/000000000000/q.fifo", "EVENTS_TABLE": "events",
		"SETTINGS_TABLE": "settings", "SEARCH_KEY": "k",
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
		"AWS_ENDPOINT_URL_SQS": engines, "AWS_ENDPOINT_URL_DYNAMODB": engines}
}

func TestWire(t *testing.T) {
	t.Parallel()

	log := slog.New(slog.DiscardHandler)
	full := environ("http://127.0.0.1:1")
	_, err := wire(func(name string) string { return full[name] }, log)
	if err != nil {
		t.Fatalf("wire = %v", err)
	}
	for name, value := range map[string]string{"QUEUE_URL": "", "EVENTS_TABLE": " ", "SETTINGS_TABLE": "",
		"SEARCH_KEY": "", "AWS_REGION": "",
		"AWS_ACCESS_KEY_ID": "", "EVENT_RETENTION_DAYS": "soon"} {
		env := maps.Clone(full)
		env[name] = value
		_, err := wire(func(name string) string { return env[name] }, log)
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\n") {
			t.Errorf("wire without %s = %v, want one line that names it", name, err)
		}
	}
}

// runtimeAPI is Lambda's Runtime API for one process:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type runtimeAPI struct {
	events  chan []byte
	answers chan []byte
}

func (l *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/next") {
		select {
		case event := <-l.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "r1")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(5*time.Second).UnixMilli()))
			_, _ = w.Write(event)
		case <-r.Context().Done():
		}
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/response") {
		body = fmt.Appendf(nil, "POST %s: %s", r.URL.Path, body)
	}
	w.WriteHeader(http.StatusAccepted)
	l.answers <- body
}

var binaryDir string

// binary compiles the function as it is deployed.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaryDir, "bootstrap")
	out, err := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "login-")
	if err != nil {
		panic(err)
	}
	binaryDir = dir
	status := m.Run()
	err = os.RemoveAll(dir)
	if err != nil {
		panic(err)
	}
	os.Exit(status)
}

func command(t *testing.T, env map[string]string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path)
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	log := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = log, log
	return cmd, log
}

// TestBinary runs the real binary while the engines are down in several ways:
// Cognito gets its event back within two seconds, byte for byte, and POST /login
// says that it could not queue.
func TestBinary(t *testing.T) {
	t.Parallel()

	const trigger = ` {"version":"1","triggerSource":"PostAuthentication_Authentication" , "region":"eu-west-1","userPoolId":"eu-west-1_EXAMPLE",` +
		`"request":{"userAttributes":{"sub":"s","custom:zuora_accounts":"[A1, A2]"},"new":1.0e2},"response":{},"later":"ünknown \u00e9"}` + "\n"
	const login = `{"version":"2.0","rawPath":"/login","headers":{"authorization":"Bearer x"},"requestContext":{"requestId":"r","http":{"method":"POST"}}}`
	for name, engines := range map[string]http.HandlerFunc{
		"refused": nil,
		"denied": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"AccessDeniedException"}`)
		},
		"broken": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"slow": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // before that the server does not notice that the client has gone
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			address := "http://" + closedPort(t)
			if engines != nil {
				server := httptest.NewServer(engines)
				t.Cleanup(server.Close)
				address = server.URL
			}
			l := &runtimeAPI{events: make(chan []byte), answers: make(chan []byte)}
			runtime := httptest.NewServer(l)
			t.Cleanup(runtime.Close)
			env := environ(address)
			env["AWS_LAMBDA_RUNTIME_API"] = strings.TrimPrefix(runtime.URL, "http://")
			cmd, log := command(t, env)
			err := cmd.Start()
			if err != nil {
				t.Fatal(err)
			}
			for _, raw := range []string{trigger, "{}", "garbage", trigger} {
				got, took := l.invoke(t, raw)
				if got != raw {
					t.Errorf("answer %q, want %q", got, raw)
				}
				if took > 2*time.Second {
					t.Errorf("answer after %v, want it within 2s", took)
				}
			}
			got, _ := l.invoke(t, login)
			if !strings.Contains(got, `"statusCode":503`) || !strings.Contains(got, "store_unavailable") {
				t.Errorf("answer to POST /login %q, want 503", got)
			}
			err = cmd.Process.Kill()
			if err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // killed
			if n := strings.Count(log.String(), `"login without settings"`); n != 2 {
				t.Errorf("%d lines for 2 triggers:\n%s", n, log)
			}
		})
	}
}

func (l *runtimeAPI) invoke(t *testing.T, event string) (string, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	select {
	case l.events <- []byte(event):
	case <-ctx.Done():
		t.Fatal("the function did not ask for an event")
	}
	start := time.Now()
	select {
	case answer := <-l.answers:
		return string(answer), time.Since(start)
	case <-ctx.Done():
		t.Fatal("the function did not answer")
		return "", 0
	}
}

// closedPort is an address that nobody listens on.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	err = l.Close()
	if err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func TestBinaryWithoutConfiguration(t *testing.T) {
	t.Parallel()

	cmd, log := command(t, map[string]string{"AWS_REGION": "eu-west-1"})
	err := cmd.Run()
	if err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(log.String(), "QUEUE_URL") ||
		strings.Count(log.String(), "\n") != 1 {
		t.Errorf("run = %v, says %q, want exit code 1 and one line", err, log)
	}
}
