package stack_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack"
	"hotsync/local/stack/engines"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/hotsync"
)

// cognitoLocal is the Cognito emulator of that name, from npm. It knows sign-up
// and sign-in by password, and calls triggers through the invoke API; it knows
// no federated sign-in.
type cognitoLocal struct {
	t   testing.TB
	url string
}

// startCognito runs it with its triggers pointing at the login function of s.
func startCognito(t testing.TB, s *stacktest.System) *cognitoLocal {
	t.Helper()
	installed := filepath.Join("testdata", "cognito")
	err := engines.Install(t.Context(), installed)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := filepath.Abs(filepath.Join(installed, "node_modules", "cognito-local", "lib", "bin", "start.js"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config, err := json.Marshal(doc{
		"LambdaClient": doc{"endpoint": s.InvokeURL, "region": "local",
			"credentials": doc{"accessKeyId": "local", "secretAccessKey": "local"}},
		"TriggerFunctions": doc{"PostAuthentication": "login", "PostConfirmation": "login"},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = os.MkdirAll(filepath.Join(dir, ".cognito"), 0o755)
	if err != nil {
		t.Fatal(err)
	}
	err = os.WriteFile(filepath.Join(dir, ".cognito", "config.json"), config, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", entry)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "HOST=127.0.0.1", "PORT=0", "CODE=424242"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	err = cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // gone already, at worst
		_ = cmd.Wait()         // says that it was killed
	})
	return &cognitoLocal{t, awaitAddress(t, out)}
}

var running = regexp.MustCompile(`running on (http://127\.0\.0\.1:\d+)`)

// awaitAddress reads what the emulator prints until it says where it listens,
// and goes on reading so that it can go on printing.
func awaitAddress(t testing.TB, out io.Reader) string {
	t.Helper()
	found := make(chan string, 1)
	go func() {
		defer close(found)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			m := running.FindStringSubmatch(lines.Text())
			if m != nil {
				found <- m[1]
			}
		}
	}()
	select {
	case address, ok := <-found:
		if !ok {
			t.Fatal("cognito-local ended at once")
		}
		return address
	case <-time.After(stacktest.Patience):
		t.Fatal("cognito-local does not start")
		return ""
	}
}

// call makes an operation of Cognito's API.
func (c *cognitoLocal) call(operation string, in doc) doc {
	c.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "AWSCognitoIdentityProviderService."+operation)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %d %s", operation, res.StatusCode, raw)
	}
	return parse(c.t, raw)
}

func attributes(email, accounts string) []doc {
	return []doc{{"Name": "email", "Value": email}, {"Name": "custom:zuora_accounts", "Value": accounts}}
}

// TestCognito signs people up and in at a user pool whose triggers are the login
// function: Cognito lets them in, and their accounts are synced.
func TestCognito(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Personas: true})
	c := startCognito(t, s)
	pool := str(c.call("CreateUserPool",
		doc{"PoolName": "readers",
			"Schema": []doc{{"Name": "zuora_accounts", "AttributeDataType": "String", "Mutable": true}}})["UserPool"].(doc),
		"Id")
	client := str(c.call("CreateUserPoolClient",
		doc{"UserPoolId": pool, "ClientName": "site",
			"ExplicitAuthFlows": []string{"ALLOW_USER_PASSWORD_AUTH"}})["UserPoolClient"].(doc), "ClientId")
	issuer := hotsync.UserPoolIssuer("local", pool)
	set, err := s.Settings.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set.Providers = append(set.Providers, hotsync.Provider{Name: "readers", Issuer: issuer, Audiences: []string{},
		Claims: []hotsync.IdentityClaim{{Claim: "zuora_accounts", Service: hotsync.ServiceZuora, Issuer: hotsync.IssuerZuora,
			Type: hotsync.TypeAccount}}})
	_, err = s.Settings.Save(t.Context(), set, "test")
	if err != nil {
		t.Fatal(err)
	}
	const password = "Correct-horse-1"

	t.Run("sign-up", func(t *testing.T) {
		s, c := s.For(t), &cognitoLocal{t, c.url}
		subject := str(c.call("SignUp", doc{"ClientId": client, "Username": "ada.whitfield@example.com", "Password": password,
			"UserAttributes": attributes("ada.whitfield@example.com", "A00000101")}), "UserSub")
		c.call("ConfirmSignUp",
			doc{"ClientId": client, "Username": "ada.whitfield@example.com", "ConfirmationCode": "424242"})
		e := awaitEvents(t, s, "A00000101", 1)[0]
		wantEnd(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
		if e.Trigger != hotsync.TriggerPostConfirmation || e.Provider != "readers" || e.Subject != subject {
			t.Errorf("event by %s of %s for %s, want PostConfirmation of readers for %s", e.Trigger, e.Provider, e.Subject,
				subject)
		}
		account := find(t, "single").Accounts[0]
		wantMirror(t, expect(readV1(t, account), issuer, subject, today()), readLimio(t, s).mirror(account.ID))
	})
	t.Run("sign-in", func(t *testing.T) {
		s, c := s.For(t), &cognitoLocal{t, c.url}
		accounts := find(t, "several").Accounts
		c.call("AdminCreateUser",
			doc{"UserPoolId": pool, "Username": "claire.dubois@example.com", "MessageAction": "SUPPRESS",
				"UserAttributes": attributes("claire.dubois@example.com", "["+accounts[0].ID+", "+accounts[2].Number+"]")})
		c.call("AdminSetUserPassword",
			doc{"UserPoolId": pool, "Username": "claire.dubois@example.com", "Password": password, "Permanent": true})
		signedIn := c.call("InitiateAuth", doc{"ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH",
			"AuthParameters": doc{"USERNAME": "claire.dubois@example.com", "PASSWORD": password}})
		if result, ok := signedIn["AuthenticationResult"].(doc); !ok || str(result, "IdToken") == "" {
			t.Fatalf("signed in without an ID token: %v", signedIn)
		}
		r := []string{}
		for _, number := range []string{accounts[0].Number, accounts[2].Number} {
			e := awaitEvents(t, s, number, 1)[0]
			wantEnd(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
			r = append(r, string(e.Trigger))
		}
		if diff := cmp.Diff([]string{"PostAuthentication", "PostAuthentication"}, r); diff != "" {
			t.Errorf("triggers mismatch (-want +got):\n%s", diff)
		}
	})
}
