package callout_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/spectest"
	"hotsync/shared/callout"
	"hotsync/shared/hotsync"
)

const accountID = "8a12800000000000000000000000abcd"

type recorder struct {
	queued []hotsync.SyncRequest
	events []hotsync.Event
	down   bool
	after  time.Duration // that has passed since at
}

var at = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func (r *recorder) Send(_ context.Context, q hotsync.SyncRequest) error {
	if r.down {
		return hotsync.Errorf(hotsync.CodeQueueUnavailable, "down").Because(errors.New("refused"))
	}
	r.queued = append(r.queued, q)
	return nil
}

func (r *recorder) PutQueued(_ context.Context, e hotsync.Event) error {
	r.events = append(r.events, e)
	return nil
}

func handler(rec *recorder, secret callout.Secret) http.Handler {
	return callout.New(callout.Config{Queue: rec, Events: rec, Log: slog.New(slog.DiscardHandler),
		Now:    func() time.Time { return at.Add(rec.after) },
		Secret: func(context.Context) (callout.Secret, error) { return secret, nil }})
}

func sign(key, body string) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return mac.Sum(nil)
}

func TestReceive(t *testing.T) {
	t.Parallel()

	both := callout.Secret{HMACKey: "k", Username: "zuora", Password: "pw"}
	good := `{"accountId":"` + accountID + `"}`
	for _, tc := range []struct {
		name        string
		secret      callout.Secret
		body        string
		set         func(*http.Request)
		down        bool
		wantStatus  int
		wantAccount string
	}{
		{name: "hmac hex", secret: both, body: good,
			set:        func(r *http.Request) { r.Header.Set(callout.SignatureHeader, hex.EncodeToString(sign("k", good))) },
			wantStatus: 202, wantAccount: accountID},
		{name: "hmac base64", secret: both, body: good, set: func(r *http.Request) {
			r.Header.Set(callout.SignatureHeader, base64.StdEncoding.EncodeToString(sign("k", good)))
		}, wantStatus: 202, wantAccount: accountID},
		{name: "hmac with blanks", secret: both, body: good, set: func(r *http.Request) {
			r.Header.Set(callout.SignatureHeader, " "+hex.EncodeToString(sign("k", good))+" ")
		}, wantStatus: 202, wantAccount: accountID},
		{name: "basic, account number", secret: both, body: `{"accountNumber":"A00000001"}`,
			set: func(r *http.Request) { r.SetBasicAuth("zuora", "pw") }, wantStatus: 202, wantAccount: "A00000001"},
		{name: "first request without credentials", secret: both, body: good, wantStatus: 401},
		{name: "wrong key", secret: both, body: good,
			set:        func(r *http.Request) { r.Header.Set(callout.SignatureHeader, hex.EncodeToString(sign("other", good))) },
			wantStatus: 401},
		{name: "signature of another body", secret: both, body: good,
			set:        func(r *http.Request) { r.Header.Set(callout.SignatureHeader, hex.EncodeToString(sign("k", "{}"))) },
			wantStatus: 401},
		{name: "wrong password", secret: both, body: good, set: func(r *http.Request) { r.SetBasicAuth("zuora", "no") },
			wantStatus: 401},
		{name: "nothing configured proves nothing", body: good, set: func(r *http.Request) { r.SetBasicAuth("", "") },
			wantStatus: 401},
		{name: "empty key proves nothing", secret: callout.Secret{Username: "u", Password: "p"}, body: good,
			set:        func(r *http.Request) { r.Header.Set(callout.SignatureHeader, hex.EncodeToString(sign("", good))) },
			wantStatus: 401},
		{name: "a user without a password proves nothing", secret: callout.Secret{HMACKey: "k", Username: "u"}, body: good,
			set: func(r *http.Request) { r.SetBasicAuth("u", "") }, wantStatus: 401},
		{name: "a password without a user proves nothing", secret: callout.Secret{HMACKey: "k", Password: "p"}, body: good,
			set: func(r *http.Request) { r.SetBasicAuth("", "p") }, wantStatus: 401},
		{name: "wrong user", secret: both, body: good, set: func(r *http.Request) { r.SetBasicAuth("other", "pw") },
			wantStatus: 401},
		{name: "no JSON", secret: both, body: `accountId=1`, set: func(r *http.Request) { r.SetBasicAuth("zuora", "pw") },
			wantStatus: 400},
		{name: "no account", secret: both, body: `{}`, set: func(r *http.Request) { r.SetBasicAuth("zuora", "pw") },
			wantStatus: 400},
		{name: "path characters", secret: both, body: `{"accountId":"../x"}`,
			set: func(r *http.Request) { r.SetBasicAuth("zuora", "pw") }, wantStatus: 400},
		{name: "null", secret: both, body: `{"accountId":"null"}`,
			set: func(r *http.Request) { r.SetBasicAuth("zuora", "pw") }, wantStatus: 400},
		{name: "huge", secret: both, body: strings.Repeat("x", 70<<10),
			set: func(r *http.Request) { r.SetBasicAuth("zuora", "pw") }, wantStatus: 400},
		{name: "as large as may be", secret: both, body: good + strings.Repeat(" ", 64<<10-len(good)),
			set: func(r *http.Request) { r.SetBasicAuth("zuora", "pw") }, wantStatus: 202, wantAccount: accountID},
		{name: "a byte larger", secret: both, body: good + strings.Repeat(" ", 64<<10-len(good)+1),
			set: func(r *http.Request) { r.SetBasicAuth("zuora", "pw") }, wantStatus: 400},
		{name: "queue down", secret: both, body: good, set: func(r *http.Request) { r.SetBasicAuth("zuora", "pw") },
			down: true, wantStatus: 503},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			rec := &recorder{down: tc.down}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/callouts/zuora", strings.NewReader(tc.body))
			if tc.set != nil {
				tc.set(r)
			}
			w := httptest.NewRecorder()
			handler(rec, tc.secret).ServeHTTP(w, r)
			if w.Code != tc.wantStatus {
				t.Fatalf("status = %d, want %d: %s", w.Code, tc.wantStatus, w.Body)
			}
			if asks := w.Header().Get("WWW-Authenticate") != ""; asks != (tc.wantStatus == http.StatusUnauthorized) {
				t.Errorf("asks for credentials: %t; want it of a 401 alone, after which Zuora sends them", asks)
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control is %q", got)
			}
			var got []string
			for _, q := range rec.queued {
				got = append(got, q.Account)
			}
			var want []string
			if tc.wantAccount != "" {
				want = []string{tc.wantAccount}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("queued accounts mismatch (-want +got):\n%s", diff)
			}
			if len(rec.events) != len(want) {
				t.Errorf("%d queued events, want %d", len(rec.events), len(want))
			}
		})
	}
}

func TestRepetitionsShareALogin(t *testing.T) {
	t.Parallel()

	rec := &recorder{}
	h := handler(rec, callout.Secret{Username: "u", Password: "p"})
	for _, id := range []string{"n1", "n1", "n2"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/callouts/zuora",
			strings.NewReader(`{"accountId":"`+accountID+`"}`))
		r.SetBasicAuth("u", "p")
		r.Header.Set("Zuora-Notification-Id", id)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	// SQS takes the two of one notification for one, so that they have one event.
	if rec.events[0].ID != rec.events[1].ID || rec.events[1].ID == rec.events[2].ID {
		t.Errorf("event ids = %q, %q, %q; want the same for one notification", rec.events[0].ID, rec.events[1].ID,
			rec.events[2].ID)
	}
	if len(rec.queued) != 3 || rec.queued[0].LoginID != rec.queued[1].LoginID ||
		rec.queued[1].LoginID == rec.queued[2].LoginID {
		t.Errorf("login ids = %q, %q, %q; want the same for one notification", rec.queued[0].LoginID, rec.queued[1].LoginID,
			rec.queued[2].LoginID)
	}
}

// TestOneEventOrTwo: what is proven tells callouts apart, so that whoever saw one
// cannot make many of it, and a repetition is the event of the first.
func TestOneEventOrTwo(t *testing.T) {
	t.Parallel()

	type sent struct {
		body, header string
		signed       bool
		after        time.Duration
	}
	const account = `"accountId":"` + accountID + `"`
	plain, named, other := "{"+account+"}", "{"+account+`,"notificationId":"n1"}`, "{"+account+`,"notificationId":"n2"}`
	timed := "{" + account + `,"notificationId":"n1","sentAt":"2026-11-22T08:59:30Z"}`
	for name, tc := range map[string]struct {
		first, second sent
		same          bool
	}{
		"signed body again":                {sent{plain, "n1", true, 0}, sent{plain, "n1", true, time.Second}, true},
		"signed body under another header": {sent{plain, "n1", true, 0}, sent{plain, "n2", true, time.Second}, true},
		"signed body a minute later": {sent{plain, "n1", true, 0}, sent{plain, "n1", true, time.Minute},
			false},
		"signed name again": {sent{named, "", true, 0}, sent{named, "x", true, 4 * time.Minute},
			true},
		"signed names that differ": {sent{named, "x", true, 0}, sent{other, "x", true, time.Second}, false},
		"signed time, hours later": {sent{timed, "", true, 0}, sent{timed, "y", true, 5 * time.Hour}, true},
		"password, the header tells": {sent{plain, "n1", false, 0}, sent{plain, "n2", false, time.Second},
			false},
		"password, one header": {sent{plain, "n1", false, 0}, sent{plain, "n1", false, 4 * time.Minute},
			true},
		"password, the body's name before header's": {sent{named, "x", false, 0}, sent{named, "y", false, time.Second}, true},
		"password, no name at all":                  {sent{plain, "", false, 0}, sent{plain, "", false, time.Second}, true},
		"no name, other bodies": {sent{plain, "", false, 0}, sent{plain + " ", "", false, time.Second},
			false},
	} {
		rec := &recorder{}
		h := handler(rec, callout.Secret{HMACKey: "k", Username: "u", Password: "p"})
		for _, s := range []sent{tc.first, tc.second} {
			rec.after = s.after
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/callouts/zuora", strings.NewReader(s.body))
			r.Header.Set("Zuora-Notification-Id", s.header)
			if s.signed {
				r.Header.Set(callout.SignatureHeader, hex.EncodeToString(sign("k", s.body)))
			} else {
				r.SetBasicAuth("u", "p")
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusAccepted {
				t.Fatalf("%s: %d %s", name, w.Code, w.Body)
			}
		}
		if same := rec.events[0].ID == rec.events[1].ID; same != tc.same ||
			same != (rec.queued[0].LoginID == rec.queued[1].LoginID) {
			t.Errorf("%s: one event is %t, want %t; logins %q and %q", name, same, tc.same, rec.queued[0].LoginID,
				rec.queued[1].LoginID)
		}
	}
}

// TestAge: a callout that says when it was sent is refused when that is long ago, or
// to come.
func TestAge(t *testing.T) {
	t.Parallel()

	for sentAt, want := range map[string]int{
		"2026-11-22T09:00:00Z": 202, "2026-11-21T10:00:00+01:00": 202, "2026-11-22T09:05:00Z": 202,
		"2026-11-21T08:59:00Z": 401, "2026-11-22T09:06:00Z": 401, "yesterday": 400, "22/11/2026": 400,
	} {
		body := `{"accountId":"` + accountID + `","sentAt":"` + sentAt + `"}`
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/callouts/zuora", strings.NewReader(body))
		r.Header.Set(callout.SignatureHeader, hex.EncodeToString(sign("k", body)))
		rec, w := &recorder{}, httptest.NewRecorder()
		handler(rec, callout.Secret{HMACKey: "k"}).ServeHTTP(w, r)
		if w.Code != want || (want == 202) != (len(rec.queued) == 1) {
			t.Errorf("sent at %s: %d with %d queued, want %d", sentAt, w.Code, len(rec.queued), want)
		}
	}
}

// TestOpenAPI holds the receiver to docs/openapi.yaml.
func TestOpenAPI(t *testing.T) {
	t.Parallel()

	spec := spectest.OpenOwn(t, "/callouts")
	good := `{"accountId":"` + accountID + `"}`
	for _, tc := range []struct {
		body, user string
		down       bool
		want       int
	}{{good, "u", false, 202}, {"{}", "u", false, 400}, {good, "x", false, 401}, {good, "u", true, 503}} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.example.com/callouts/zuora",
			strings.NewReader(tc.body))
		r.SetBasicAuth(tc.user, "p")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler(&recorder{down: tc.down}, callout.Secret{Username: "u", Password: "p"}).ServeHTTP(w, r)
		if w.Code != tc.want {
			t.Errorf("%s of %s: %d, want %d", tc.body, tc.user, w.Code, tc.want)
		}
		spec.Check(r, []byte(tc.body), w.Result(), w.Body.Bytes())
	}
}
