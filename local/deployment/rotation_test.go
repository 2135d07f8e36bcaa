package deployment_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"hotsync/local/sandbox/zuorasandbox"
	"hotsync/local/stack"
	"hotsync/local/stack/engines/enginetest"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/hotsync"
)

// vault is AWS Secrets Manager as far as GetSecretValue goes.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
type vault struct {
	mu      sync.Mutex
	current map[string]string // by the secret's id
	reads   map[string]int
}

func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var in struct{ SecretId string }
	err := json.NewDecoder(r.Body).Decode(&in)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	text, ok := v.current[in.SecretId]
	if err != nil || r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" || !ok {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type":"ResourceNotFoundException","Message":"Secrets Manager can't find the specified secret."}`)
		return
	}
	v.reads[in.SecretId]++
	err = json.NewEncoder(w).Encode(map[string]string{"ARN": in.SecretId, "Name": "n", "SecretString": text})
	if err != nil {
		panic(err)
	}
}

func (v *vault) set(id, secret string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.current[id] = `{"clientId":"hotsync","clientSecret":"` + secret + `"}`
}

func (v *vault) count(id string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reads[id]
}

// tenant stands before a sandbox and gives its OAuth client secrets that can be
// rotated: a token is good as long as the secret it was got with.
type tenant struct {
	proxy                   *httputil.ReverseProxy
	clientID, clientSecret  string // of the sandbox
	mu                      sync.Mutex
	valid                   map[string]bool
	secretOf                map[string]string // by token
	used                    map[string]int    // tokens got by secret
	lastSecret, tokenSuffix string
}

func newTenant(t *testing.T, clientID, clientSecret string) (*tenant, string) {
	t.Helper()
	f := &tenant{clientID: clientID, clientSecret: clientSecret, tokenSuffix: "/token", valid: map[string]bool{},
		secretOf: map[string]string{}, used: map[string]int{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, server.URL
}

func (f *tenant) before(sandbox string) error {
	target, err := url.Parse(sandbox)
	if err != nil {
		return err
	}
	f.proxy = httputil.NewSingleHostReverseProxy(target)
	f.proxy.ModifyResponse = f.remember
	return nil
}

// remember notes which secret a token was got with.
func (f *tenant) remember(res *http.Response) error {
	if !strings.HasSuffix(res.Request.URL.Path, f.tokenSuffix) || res.StatusCode != http.StatusOK {
		return nil
	}
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var answer map[string]any
	err = json.Unmarshal(raw, &answer)
	if err != nil {
		return err
	}
	token, ok := answer["access_token"].(string)
	if !ok {
		return errors.New("no token")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.secretOf[token] = f.lastSecret
	f.used[f.lastSecret]++
	res.Body = io.NopCloser(strings.NewReader(string(raw)))
	return nil
}

func (f *tenant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	if strings.HasSuffix(r.URL.Path, f.tokenSuffix) {
		err := r.ParseForm()
		secret := r.PostForm.Get("client_secret")
		if err != nil || !f.valid[secret] {
			f.mu.Unlock()
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f.lastSecret = secret
		r.PostForm.Set("client_id", f.clientID)
		r.PostForm.Set("client_secret", f.clientSecret)
		body := r.PostForm.Encode()
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	} else if !f.valid[f.secretOf[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]] {
		f.mu.Unlock()
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	f.mu.Unlock()
	f.proxy.ServeHTTP(w, r)
}

// accept makes those secrets, and no others, valid.
func (f *tenant) accept(secrets ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.valid)
	for _, s := range secrets {
		f.valid[s] = true
	}
}

func (f *tenant) tokens(secret string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.used[secret]
}

// TestSecretsRotate rotates the secrets of Zuora and Limio under a running sync
// function that reads them from Secrets Manager, the way a rotation goes: both
// versions are valid for a while, then the old one is not.
func TestSecretsRotate(t *testing.T) {
	t.Parallel()

	const zuoraARN, limioARN = "arn:aws:secretsmanager:us-east-1:000000000000:secret:zuora-AbCdEf",
		"arn:aws:secretsmanager:us-east-1:000000000000:secret:limio-AbCdEf"
	secrets := &vault{current: map[string]string{}, reads: map[string]int{}}
	manager := httptest.NewServer(secrets)
	t.Cleanup(manager.Close)
	zuora, zuoraURL := newTenant(t, zuorasandbox.DefaultClientID, zuorasandbox.DefaultClientSecret)
	limio, limioURL := newTenant(t, "limio", "limio-secret")
	s := stacktest.Start(t, stack.Options{Engines: enginetest.Start(t), Name: "rotation", Personas: true,
		Parameters: map[string]string{"ZuoraSecretId": zuoraARN, "LimioSecretId": limioARN, "ZuoraBaseUrl": zuoraURL,
			"LimioBaseUrl": limioURL},
		Env: []string{"ZUORA=", "LIMIO=", "AWS_ENDPOINT_URL_SECRETS_MANAGER=" + manager.URL}})
	for f, sandbox := range map[*tenant]string{zuora: s.ZuoraURL, limio: s.LimioURL} {
		err := f.before(sandbox)
		if err != nil {
			t.Fatal(err)
		}
	}
	sync := func(when, persona string) {
		t.Helper()
		e := s.Sync(s.PersonaToken(persona))[0]
		if e.Status != hotsync.StatusSucceeded || len(e.Attempts) != 1 {
			t.Errorf("%s: the sync is %s %s after %d attempts, want success at the first", when, e.Status, e.Reason,
				len(e.Attempts))
		}
	}
	put := func(secret string) {
		secrets.set(zuoraARN, secret)
		secrets.set(limioARN, secret)
	}
	accept := func(valid ...string) {
		zuora.accept(valid...)
		limio.accept(valid...)
	}

	put("one")
	accept("one")
	sync("before", "single")
	reads := secrets.count(zuoraARN)

	put("two")
	accept("one", "two")
	sync("with two valid versions", "wallet")
	if got := secrets.count(zuoraARN); got != reads {
		t.Errorf("the secret was read %d times, want no more than the %d before: the old one was still good", got, reads)
	}

	accept("two")
	sync("without the old version", "salesforce")
	sync("after", "bare")
	for name, f := range map[string]*tenant{"Zuora": zuora, "Limio": limio} {
		if f.tokens("two") == 0 {
			t.Errorf("%s never saw the new secret", name)
		}
	}
	if got := secrets.count(zuoraARN); got != reads+1 {
		t.Errorf("the secret was read %d times in all, want %d: once after it was refused", got, reads+1)
	}
}
