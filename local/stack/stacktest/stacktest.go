// Package stacktest gives tests whole systems, and the words to speak with
// them: sign in, wait for an event, look into the sandboxes, misbehave.
package stacktest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hotsync/local/checkout"
	"hotsync/local/sandbox"
	"hotsync/local/stack"
	"hotsync/local/stack/engines/enginetest"
	"hotsync/local/stack/lambdahost"
	"hotsync/shared/hotsync"
	"hotsync/shared/ownership"
	"hotsync/shared/syncqueue"
)

// Patience bounds every wait for the system. Most take milliseconds; a sync may have to
// wait for a claim that nobody knows the end of, and this computer be busy.
const Patience = ownership.Lease + 40*time.Second

// How often a condition is looked at: soon, and then less often. What looks is the console's
// function, which the syncs that are waited for share the processors with.
const firstPoll, lastPoll = 10 * time.Millisecond, 80 * time.Millisecond

// System is a running stack of one test.
type System struct {
	*stack.Stack
	t      testing.TB
	member *member
}

// member is somebody of staff, whose token lasts longer than any test.
type member struct {
	sync.Mutex
	token string
}

// count makes stack names of one test binary differ; the engines are its own.
var count atomic.Int64

// Start brings a stack up on free ports, over the engines that all tests of the
// binary share, and ends it with the test. The functions are compiled once per
// checkout. When the test failed, it shows what the functions logged.
func Start(t testing.TB, opt stack.Options) *System {
	t.Helper()
	if opt.Engines == nil {
		opt.Engines = enginetest.Start(t)
	}
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	opt.Binaries, err = binaries()
	if err != nil {
		t.Fatal(err)
	}
	if opt.Name == "" {
		opt.Name = fmt.Sprintf("t%d", count.Add(1))
	}
	if opt.Dir == "" {
		opt.Dir = t.TempDir()
	}
	// Not the test's context: it ends before the cleanup that closes the stack.
	s, err := stack.Start(context.Background(), root, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := s.Close()
		if err != nil {
			t.Errorf("close the stack: %v", err)
		}
		if t.Failed() {
			ShowLogs(t, filepath.Join(s.Dir, "logs"))
		}
	})
	return &System{s, t, &member{}}
}

// For is the system with another test to report to, such as a subtest.
func (s *System) For(t testing.TB) *System { return &System{s.Stack, t, s.member} }

// Binaries are the compiled functions, for a stack that a test starts by itself.
func Binaries() (map[string]string, error) { return binaries() }

// binaries compiles the functions into a folder that all test binaries share:
// one that finds them up to date only looks. The lock lasts for the build.
var binaries = sync.OnceValues(func() (map[string]string, error) {
	root, err := checkout.Root()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, ".hotsync", "test")
	err = os.MkdirAll(dir, 0o755)
	if err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	return lambdahost.Build(context.Background(), root, dir)
})

// ShowLogs writes the telling last lines of the logs in a folder to the test.
func ShowLogs(t testing.TB, dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Logf("no logs: %v", err)
		return
	}
	for _, e := range entries {
		log, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Logf("log %s: %v", e.Name(), err)
			continue
		}
		text := telling(log)
		if text != "" {
			t.Logf("--- %s\n%s", e.Name(), text)
		}
	}
}

// telling are the last lines of a log, without those that every invocation has.
func telling(log []byte) string {
	const most = 25
	var lines []string
	for line := range strings.Lines(string(log)) {
		usual := strings.HasPrefix(line, "START ") || strings.HasPrefix(line, "END ") ||
			strings.HasPrefix(line, `{"Function"`) ||
			strings.HasPrefix(line, "REPORT ") && !strings.Contains(line, "Status: ")
		if !usual {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-most):], "")
}

// Answer is an HTTP answer.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Decode reads the body as JSON; numbers keep their digits.
func (a Answer) Decode(t testing.TB, into any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(a.Body))
	dec.UseNumber()
	err := dec.Decode(into)
	if err != nil {
		t.Fatalf("answer %d %q: %v", a.Status, a.Body, err)
	}
}

// Code is the code of an error answer of the API.
func (a Answer) Code(t testing.TB) hotsync.Code {
	t.Helper()
	var body struct {
		Error hotsync.Problem `json:"error"`
	}
	a.Decode(t, &body)
	if body.Error.Message == "" || body.Error.Hint == "" {
		t.Errorf("answer %d has an error without message or hint: %s", a.Status, a.Body)
	}
	return body.Error.Code
}

// Do sends a request; body is sent as JSON unless it is nil, bearer as token
// unless it is "".
func (s *System) Do(method, address, bearer string, body any) Answer {
	s.t.Helper()
	res, raw, err := stack.Send(s.t.Context(), nil, method, address, bearer, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return Answer{res.StatusCode, res.Header, raw}
}

// must is Do for what has to succeed.
func (s *System) must(method, address string, body, into any) {
	s.t.Helper()
	a := s.Do(method, address, "", body)
	if a.Status >= 300 {
		s.t.Fatalf("%s %s: %d %s", method, address, a.Status, a.Body)
	}
	if into != nil {
		a.Decode(s.t, into)
	}
}

// PersonaToken returns a persona's ID token.
func (s *System) PersonaToken(name string) string {
	s.t.Helper()
	var answer struct {
		Token string `json:"id_token"`
	}
	s.must(http.MethodGet, s.IDPURL+"/_sandbox/token?persona="+url.QueryEscape(name), nil, &answer)
	return answer.Token
}

// Token returns an ID token of an issuer (direct, lookup or staff) with those claims.
func (s *System) Token(issuer string, claims map[string]any) string {
	s.t.Helper()
	var answer struct {
		Token string `json:"id_token"`
	}
	s.must(http.MethodPost, s.IDPURL+"/_sandbox/token?issuer="+issuer, claims, &answer)
	return answer.Token
}

// Admission is the answer of POST /login.
type Admission struct {
	Login  string `json:"login"`
	Queued []struct {
		Event    string `json:"event"`
		Provider string `json:"provider"`
		Claim    string `json:"claim"`
		Account  string `json:"account"`
		Lookup   *struct {
			Field string `json:"field"`
		} `json:"lookup"`
	} `json:"queued"`
	Ignored []struct {
		Claim  string `json:"claim"`
		Reason string `json:"reason"`
		Detail string `json:"detail"`
	} `json:"ignored"`
	Reason string `json:"reason"`
}

// Login signs in as a token says by POST /login, which has to answer 202; who is told
// that it cannot be taken now, as on a computer that is too busy for the answer to come
// in time, signs in again. The token it sends is a new one with the same claims, as
// every sign-in gets one: one that was sent a moment ago is the same login.
func (s *System) Login(token string) Admission {
	s.t.Helper()
	var out Admission
	s.Until("POST /login to be taken", func() bool {
		a := s.Do(http.MethodPost, s.URL+"/login", s.anew(token), nil)
		switch a.Status {
		case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return false
		case http.StatusAccepted:
		default:
			s.t.Fatalf("POST /login: %d %s", a.Status, a.Body)
		}
		out = Admission{}
		a.Decode(s.t, &out)
		for _, i := range out.Ignored {
			if i.Reason == string(hotsync.CodeQueueUnavailable) {
				return false // taken in part
			}
		}
		return true
	}, nil)
	return out
}

// anew returns a token of the local provider with the claims of another.
func (s *System) anew(token string) string {
	s.t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return token
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return token
	}
	claims := map[string]any{}
	err = json.Unmarshal(raw, &claims)
	if err != nil {
		return token
	}
	issuer, _ := claims["iss"].(string)
	name, ours := strings.CutPrefix(issuer, s.IDPURL+"/")
	if !ours {
		return token
	}
	for _, own := range []string{"iss", "iat", "exp", "jti"} {
		delete(claims, own)
	}
	return s.Token(name, claims)
}

// Sync signs in as a token says and waits for every event that was queued, in their
// order.
func (s *System) Sync(token string) []hotsync.Event {
	s.t.Helper()
	admitted := s.Login(token)
	events := make([]hotsync.Event, 0, len(admitted.Queued))
	for _, q := range admitted.Queued {
		events = append(events, s.Await(q.Event))
	}
	return events
}

// Event reads an event as the API shows it; ok is false when there is none.
func (s *System) Event(id string) (_ hotsync.Event, ok bool) {
	s.t.Helper()
	a := s.Do(http.MethodGet, s.URL+"/api/events/"+id, s.staff(), nil)
	var e hotsync.Event
	switch a.Status {
	case http.StatusOK:
		a.Decode(s.t, &e)
		return e, true
	case http.StatusNotFound:
		return e, false
	default:
		s.t.Fatalf("GET /api/events/%s: %d %s", id, a.Status, a.Body)
		return e, false
	}
}

func (s *System) staff() string {
	s.t.Helper()
	s.member.Lock()
	defer s.member.Unlock()
	if s.member.token == "" {
		s.member.token = s.PersonaToken("operator") // who reads subjects in clear
	}
	return s.member.token
}

// Await waits until an event is final.
func (s *System) Await(id string) hotsync.Event {
	s.t.Helper()
	return s.AwaitEvent(id, "be final", func(e hotsync.Event) bool { return e.Status.Final() })
}

// AwaitEvent waits until an event is there and as wanted.
func (s *System) AwaitEvent(id, what string, wanted func(hotsync.Event) bool) hotsync.Event {
	s.t.Helper()
	var last hotsync.Event
	s.Until(fmt.Sprintf("event %s to %s", id, what), func() bool {
		e, ok := s.Event(id)
		last = e
		return ok && wanted(e)
	}, func() string { return fmt.Sprintf("%+v", last) })
	return last
}

// Until waits until done, and fails the test when that takes too long; last says
// how things stand then, and may be nil.
func (s *System) Until(what string, done func() bool, last func() string) {
	s.t.Helper()
	end := time.NewTimer(Patience)
	defer end.Stop()
	for wait := firstPoll; !done(); wait = min(wait*3/2, lastPoll) {
		select {
		case <-end.C:
			text := ""
			if last != nil {
				text = ": " + last()
			}
			s.t.Fatalf("waited %s for %s%s", Patience, what, text)
		case <-time.After(wait):
		}
	}
}

// Idle waits until no message is in the sync queue.
func (s *System) Idle() {
	s.t.Helper()
	var depth struct {
		Queue struct{ Visible, InFlight, Delayed int }
	}
	s.Until("the queue to be empty", func() bool {
		a := s.Do(http.MethodGet, s.URL+"/api/queue", s.staff(), nil)
		a.Decode(s.t, &depth)
		return depth.Queue.Visible+depth.Queue.InFlight+depth.Queue.Delayed == 0
	}, func() string { return fmt.Sprintf("%+v", depth) })
}

// Limio returns every object of the Limio sandbox by record type, as
// GET /_sandbox/state shows them.
func (s *System) Limio() map[string][]map[string]any {
	s.t.Helper()
	var state map[string][]map[string]any
	s.must(http.MethodGet, s.LimioURL+"/_sandbox/state", nil, &state)
	return state
}

// LimioCounts returns what was done in the Limio sandbox.
func (s *System) LimioCounts() (counts struct {
	Creates           map[string]int
	Updates           int
	Links             int
	LinksRepeated     int
	DuplicatesRefused int
	PluginSyncs       int
	PluginCreates     map[string]int
}) {
	s.t.Helper()
	s.must(http.MethodGet, s.LimioURL+"/_sandbox/counts", nil, &counts)
	return counts
}

// Requests returns the requests that a sandbox got, oldest first, from a number on.
func (s *System) Requests(sandboxURL string, from int) []sandbox.Request {
	s.t.Helper()
	var all []sandbox.Request
	s.must(http.MethodGet, sandboxURL+"/_sandbox/requests", nil, &all)
	return all[min(from, len(all)):]
}

// Behave makes a sandbox misbehave; body is that of PUT /_sandbox/behaviour.
func (s *System) Behave(sandboxURL string, body map[string]any) {
	s.t.Helper()
	s.must(http.MethodPut, sandboxURL+"/_sandbox/behaviour", body, nil)
}

// PutAccount gives the Zuora sandbox an account, in place of the one it has.
func (s *System) PutAccount(id string, body any) {
	s.t.Helper()
	s.must(http.MethodPut, s.ZuoraURL+"/_sandbox/accounts/"+id, body, nil)
}

// Retry retries an event as an operator does and gives the new event.
func (s *System) Retry(id string) hotsync.Event {
	s.t.Helper()
	a := s.Do(http.MethodPost, s.URL+"/api/events/"+id+"/retry", s.PersonaToken("operator"), nil)
	if a.Status != http.StatusAccepted {
		s.t.Fatalf("retry: %d %s", a.Status, a.Body)
	}
	var e hotsync.Event
	a.Decode(s.t, &e)
	return e
}

// Send puts a request into the sync queue, past every front door.
func (s *System) Send(r hotsync.SyncRequest) {
	s.t.Helper()
	err := syncqueue.New(s.Engines.SQS(), s.QueueURL("SyncQueue")).Send(s.t.Context(), r)
	if err != nil {
		s.t.Fatal(err)
	}
}

// QueueURL is the address of the queue with that logical id.
func (s *System) QueueURL(logicalID string) string {
	s.t.Helper()
	q, ok := s.Template.Queue(logicalID)
	if !ok {
		s.t.Fatalf("the template has no queue %s", logicalID)
	}
	return q.URL
}

// Invoke calls a function through Lambda's invoke API.
func (s *System) Invoke(function string, payload any) Answer {
	s.t.Helper()
	return s.Do(http.MethodPost, s.InvokeURL+"/2015-03-31/functions/"+function+"/invocations", "", payload)
}
