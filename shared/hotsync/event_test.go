package hotsync_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
)

func TestRetry(t *testing.T) {
	t.Parallel()

	asked := hotsync.SyncRequest{EventID: "event-1", Trigger: hotsync.TriggerLogin, Account: "A1", AccountID: "id",
		Requeued: 2, SentOn: 1,
		Job: "job-1", Note: "kept"}
	again := hotsync.SyncRequest{EventID: "event-1", Trigger: hotsync.TriggerConsole, Account: "A1", AccountID: "id",
		RetryOf: "event-1",
		Note:    "kept"}
	lookup := &hotsync.Lookup{Field: "F__c", Value: "v"}
	for _, tc := range []struct {
		name    string
		status  hotsync.Status
		request hotsync.SyncRequest
		want    hotsync.SyncRequest
		wantErr bool
	}{
		{name: "failed", status: hotsync.StatusFailed, request: asked, want: again},
		{name: "skipped", status: hotsync.StatusSkipped, request: asked, want: again},
		{name: "succeeded", status: hotsync.StatusSucceeded, request: asked, want: again},
		{name: "by id alone", status: hotsync.StatusFailed, request: hotsync.SyncRequest{AccountID: "id"},
			want: hotsync.SyncRequest{AccountID: "id", Trigger: hotsync.TriggerConsole, RetryOf: "event-1"}},
		{name: "a lookup is looked up again", status: hotsync.StatusFailed,
			request: hotsync.SyncRequest{Lookup: lookup, AccountID: "id"},
			want:    hotsync.SyncRequest{Lookup: lookup, Trigger: hotsync.TriggerConsole, RetryOf: "event-1"}},
		{name: "still queued", status: hotsync.StatusQueued, request: asked, wantErr: true},
		{name: "still running", status: hotsync.StatusRunning, request: asked, wantErr: true},
		{name: "will be tried again", status: hotsync.StatusRetrying, request: asked, wantErr: true},
		{name: "names no account", status: hotsync.StatusFailed, wantErr: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			got, err := hotsync.Event{ID: "event-1", Status: tc.status, Request: tc.request}.Retry()
			if (err != nil) != tc.wantErr || err != nil && hotsync.AsError(err).Code != hotsync.CodeConflict {
				t.Fatalf("Retry: error %v, want a conflict %t", err, tc.wantErr)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Retry mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRetriable(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		status hotsync.Status
		reason string
		want   bool
	}{
		{hotsync.StatusFailed, string(hotsync.CodeTimeout), true},
		{hotsync.StatusFailed, string(hotsync.CodeMessageMalformed), false},
		{hotsync.StatusSkipped, hotsync.ReasonDisabled, true},
		{hotsync.StatusSkipped, hotsync.ReasonCoalesced, false},
		{hotsync.StatusSucceeded, hotsync.ReasonChanged, false},
		{hotsync.StatusQueued, "", false},
		{hotsync.StatusRunning, "", false},
		{hotsync.StatusRetrying, string(hotsync.CodeTimeout), false},
	} {
		if got := (hotsync.Event{Status: tc.status, Reason: tc.reason}).Retriable(); got != tc.want {
			t.Errorf("Retriable of %s %s = %t, want %t", tc.status, tc.reason, got, tc.want)
		}
	}
}

func TestByHand(t *testing.T) {
	t.Parallel()

	for trigger, want := range map[hotsync.Trigger]bool{
		hotsync.TriggerConsole: true, hotsync.TriggerBackfill: true, hotsync.TriggerLogin: false,
		hotsync.TriggerReconcile: false, hotsync.TriggerCallout: false,
		hotsync.TriggerAPI: false,
	} {
		if got := trigger.ByHand(); got != want {
			t.Errorf("%s.ByHand() = %t, want %t", trigger, got, want)
		}
	}
}

func TestIsAccountID(t *testing.T) {
	t.Parallel()

	for key, want := range map[string]bool{
		"0123456789abcdef0123456789abcdef":  true,
		"00000000000000000000000000000000":  true,
		"99999999999999999999999999999999":  true,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":  true,
		"ffffffffffffffffffffffffffffffff":  true,
		"0123456789abcdef0123456789abcde":   false,
		"0123456789abcdef0123456789abcdef0": false,
		"0123456789ABCDEF0123456789abcdef":  false,
		"0123456789abcdef0123456789abcdeg":  false,
		"0123456789abcdef0123456789abcde/":  false,
		"0123456789abcdef0123456789abcde:":  false,
		"0123456789abcdef0123456789abcde`":  false,
		"A00000001":                         false,
		"":                                  false,
	} {
		if got := hotsync.IsAccountID(key); got != want {
			t.Errorf("IsAccountID(%q) = %t, want %t", key, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct{ in, want string }{
		{"", ""}, {"äbc", "äbc"}, {"äbcd", "äbcd"}, {"äbcde", "äbc…"},
	} {
		if got := hotsync.Clip(tc.in, 4); got != tc.want {
			t.Errorf("Clip(%q, 4) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestFirstEventIDIsTheLeast(t *testing.T) {
	t.Parallel()

	at := time.UnixMilli(1_795_685_400_123)
	nothing := func(b []byte) (int, error) { clear(b); return len(b), nil }
	all := func(b []byte) (int, error) {
		for i := range b {
			b[i] = 0xff
		}
		return len(b), nil
	}
	bound := hotsync.FirstEventID(at)
	if id := hotsync.NewEventID(at, nothing); id < bound {
		t.Errorf("%s is before the first id of its moment, %s", id, bound)
	}
	if id := hotsync.NewEventID(at.Add(-time.Millisecond), all); id >= bound {
		t.Errorf("%s is of the moment before, and not before %s", id, bound)
	}
	if got, want := len(bound), len("event-")+12; got != want {
		t.Errorf("the bound %s has %d characters, want %d", bound, got, want)
	}
}

func TestLoginRecordBounded(t *testing.T) {
	t.Parallel()

	long := strings.Repeat("x", 1000)
	r := hotsync.LoginRecord{Issuer: long, Subject: long, Had: []string{"sub", "", "iss", long}}
	for range 100 {
		r.Claims = append(r.Claims, hotsync.LoginClaim{Claim: "c"})
	}
	got := r.Bounded()
	if n := len(got.Had[len(got.Had)-1]); n > 130 {
		t.Errorf("a claim's name of %d bytes is kept", n)
	}
	if diff := cmp.Diff([]string{"iss", "sub"}, got.Had[:2]); diff != "" {
		t.Errorf("names of claims mismatch (-want +got):\n%s", diff)
	}
	if len(got.Claims) != 30 || len(r.Claims) != 100 {
		t.Errorf("%d claims are kept, of %d, want %d of 100", len(got.Claims), len(r.Claims), 30)
	}
	if len(got.Issuer) > 255 || len(got.Subject) > 255 {
		t.Errorf("issuer and subject of %d and %d bytes are kept", len(got.Issuer), len(got.Subject))
	}
}

func TestHTTPStatus(t *testing.T) {
	t.Parallel()

	for code, want := range map[hotsync.Code]int{
		hotsync.CodeNotFound: http.StatusNotFound, hotsync.CodeConflict: http.StatusConflict,
		"unheard_of": http.StatusInternalServerError,
	} {
		if got := code.HTTPStatus(); got != want {
			t.Errorf("%s has the status %d, want %d", code, got, want)
		}
	}
}

func TestProviderOfAnIssuer(t *testing.T) {
	t.Parallel()

	s := hotsync.Settings{Providers: []hotsync.Provider{{Name: "one", Issuer: "https://one"},
		{Name: "two", Issuer: "https://two",
			Issuers: []string{"https://old"}}, {Name: "unfinished"}}}
	for issuer, want := range map[string]string{
		"https://one": "one", "https://two": "two", "https://old": "two", "https://one/": "", "HTTPS://ONE": "", "": "",
	} {
		got, ok := s.Provider(issuer)
		if got.Name != want || ok != (want != "") {
			t.Errorf("Provider(%q) = %q, %t; want %q", issuer, got.Name, ok, want)
		}
	}
}

func TestMaskEmail(t *testing.T) {
	t.Parallel()

	for address, want := range map[string]string{
		"ada@example.com":                 "a•••@e•••.com",
		" ada@example.com ":               "a•••@e•••.com",
		"al@ex.com":                       "•••@•••.com",
		"ada@mail.example.co.uk":          "a•••@m•••.uk",
		"ada@example..com":                "a•••@e•••.com",
		"ada@example.com.":                "a•••@e•••.",
		"ada@example.internationalx":      "a•••@e•••.internation…",
		"ada@example.abcdefghijkl":        "a•••@e•••.abcdefghijkl",
		"ädä@ömän.de":                     "ä•••@ö•••.de",
		"a@b@example.com":                 "•••@b•••.com",
		"ada@localhost":                   "",
		"@example.com":                    "",
		"ada@.com":                        "",
		"ada":                             "",
		"":                                "",
		"ada.lovelace.example.com (no @)": "",
	} {
		if got := hotsync.MaskEmail(address); got != want {
			t.Errorf("MaskEmail(%q) = %q, want %q", address, got, want)
		}
	}
}

// TestEventIDBytes: ids are UUIDv7 with the time in front, of what they are made of alone.
func TestEventIDBytes(t *testing.T) {
	t.Parallel()

	at := time.UnixMilli(1_795_685_400_123).Add(7 * time.Nanosecond)
	count := func(b []byte) (int, error) {
		for i := range b {
			b[i] = byte(i + 1)
		}
		return len(b), nil
	}
	broken := func([]byte) (int, error) { return 0, errors.New("no randomness") }
	for _, tc := range []struct{ name, got, want string }{
		{"random", hotsync.NewEventID(at, count), "event-01a21730be3b7102830405060708090a"},
		{"without randomness", hotsync.NewEventID(at, broken), "event-01a21730be3b78eb8e5b82afc4c70000"},
		{"before 1970", hotsync.FirstEventID(time.UnixMilli(-1)), "event-000000000000"},
		{"at 1970", hotsync.FirstEventID(time.UnixMilli(0)), "event-000000000000"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, tc.got, tc.want)
		}
	}
	id := hotsync.EventIDFor(at, "a", "b")
	if id != hotsync.EventIDFor(at, "a", "b") || id == hotsync.EventIDFor(at, "ab") || !hotsync.IsEventID(id) {
		t.Errorf("EventIDFor = %s, want an id of time and names", id)
	}
	if got := hotsync.EventTime(id); !got.Equal(at.Truncate(time.Millisecond)) {
		t.Errorf("the id %s is of %v, want %v", id, got, at)
	}
}
