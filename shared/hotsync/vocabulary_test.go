package hotsync_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
)

// valid are settings without a finding.
func valid(change ...func(*hotsync.Settings)) hotsync.Settings {
	s := hotsync.DefaultSettings()
	s.HotSync = true
	s.Providers = []hotsync.Provider{{Name: "okta", Issuer: "https://acme.example.com", Audiences: []string{"shop"},
		Claims: []hotsync.IdentityClaim{{Claim: "accounts", Service: "zuora", Issuer: "zuora", Type: "account"}}}}
	for _, c := range change {
		c(&s)
	}
	return s
}

func provider(change func(*hotsync.Provider)) func(*hotsync.Settings) {
	return func(s *hotsync.Settings) { change(&s.Providers[0]) }
}

func claim(change func(*hotsync.IdentityClaim)) func(*hotsync.Settings) {
	return func(s *hotsync.Settings) { change(&s.Providers[0].Claims[0]) }
}

func TestValidate(t *testing.T) {
	t.Parallel()

	second := func(change func(*hotsync.Provider)) func(*hotsync.Settings) {
		return func(s *hotsync.Settings) {
			p := hotsync.Provider{Name: "auth0", Issuer: "https://other.example.com", Audiences: []string{"shop"},
				Claims: slices.Clone(s.Providers[0].Claims)}
			change(&p)
			s.Providers = append(s.Providers, p)
		}
	}
	for _, tc := range []struct {
		name   string
		change func(*hotsync.Settings)
		errors []string // paths
		warns  []string
	}{
		{name: "as it should be", change: func(*hotsync.Settings) {}},
		{name: "on, and nobody to sync", change: func(s *hotsync.Settings) { s.Providers = nil },
			warns: []string{"providers"}},
		{name: "off, and nobody to sync", change: func(s *hotsync.Settings) { s.Providers, s.HotSync = nil, false }},
		{name: "no name", change: provider(func(p *hotsync.Provider) { p.Name = " " }),
			errors: []string{"providers[0].name"}},
		{name: "a name twice", change: second(func(p *hotsync.Provider) { p.Name = "okta" }),
			errors: []string{"providers[1].name"}},
		{name: "an issuer twice", change: second(func(p *hotsync.Provider) { p.Issuer = "https://acme.example.com" }),
			errors: []string{"providers[1].issuer"}},
		{name: "a further issuer that another provider has",
			change: second(func(p *hotsync.Provider) { p.Issuers = []string{"https://acme.example.com"} }),
			errors: []string{"providers[1].issuers[0]"}},
		{name: "no issuer", change: provider(func(p *hotsync.Provider) { p.Issuer = "" }),
			errors: []string{"providers[0].issuer"}},
		{name: "plain http", change: provider(func(p *hotsync.Provider) { p.Issuer = "http://acme.example.com" }),
			errors: []string{"providers[0].issuer"}},
		{name: "plain http on this computer",
			change: provider(func(p *hotsync.Provider) { p.Issuer = "http://[::1]:8093/direct" })},
		{name: "a query in the issuer", change: provider(func(p *hotsync.Provider) { p.Issuer += "/?x=1" }),
			errors: []string{"providers[0].issuer"}},
		{name: "the discovery document as issuer",
			change: provider(func(p *hotsync.Provider) { p.Issuer += "/.well-known/openid-configuration" }),
			errors: []string{"providers[0].issuer"}},
		{name: "Auth0 without its slash",
			change: provider(func(p *hotsync.Provider) { p.Issuer = "https://acme.eu.auth0.com" }),
			warns:  []string{"providers[0].issuer"}},
		{name: "Auth0", change: provider(func(p *hotsync.Provider) { p.Issuer = "https://acme.eu.auth0.com/" })},
		{name: "Okta with a slash", change: provider(func(p *hotsync.Provider) { p.Issuer = "https://acme.okta.com/" }),
			warns: []string{"providers[0].issuer"}},
		{name: "Okta's administration",
			change: provider(func(p *hotsync.Provider) { p.Issuer = "https://acme-admin.okta.com" }),
			warns:  []string{"providers[0].issuer"}},
		{name: "Entra's common",
			change: provider(func(p *hotsync.Provider) { p.Issuer = "https://login.microsoftonline.com/common/v2.0" }),
			warns:  []string{"providers[0].issuer"}},
		{name: "Entra of version 1",
			change: provider(func(p *hotsync.Provider) { p.Issuer = "https://login.microsoftonline.com/8a1f" }),
			warns:  []string{"providers[0].issuer"}},
		{name: "B2C without discovery",
			change: provider(func(p *hotsync.Provider) { p.Issuer = "https://acme.b2clogin.com/8a1f/v2.0/" }),
			warns:  []string{"providers[0].issuer"}},
		{name: "no client id", change: provider(func(p *hotsync.Provider) { p.Audiences = nil }),
			errors: []string{"providers[0].audiences"}},
		{name: "an empty client id", change: provider(func(p *hotsync.Provider) { p.Audiences = []string{"shop", " "} }),
			errors: []string{"providers[0].audiences[1]"}},
		{name: "a user pool needs none", change: provider(func(p *hotsync.Provider) {
			p.Issuer, p.Audiences = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A", nil
		}), warns: []string{"providers[0].claims[0].claim"}},
		{name: "a secret's algorithm",
			change: provider(func(p *hotsync.Provider) { p.Algorithms = []string{"RS256", "HS256"} }),
			errors: []string{"providers[0].algorithms[1]"}},
		{name: "no claim", change: provider(func(p *hotsync.Provider) { p.Claims = nil }),
			warns: []string{"providers[0].claims"}},
		{name: "a claim without a name", change: claim(func(c *hotsync.IdentityClaim) { c.Claim = "" }),
			errors: []string{"providers[0].claims[0].claim"}},
		{name: "a claim twice", change: provider(func(p *hotsync.Provider) { p.Claims = append(p.Claims, p.Claims[0]) }),
			errors: []string{"providers[0].claims[1].claim"}},
		{name: "near, but not an account", change: claim(func(c *hotsync.IdentityClaim) { c.Type = "Account" }),
			warns: []string{"providers[0].claims[0].type", "providers[0].claims"}},
		{name: "a look-up without a field", change: claim(func(c *hotsync.IdentityClaim) { c.AccountLookup = true }),
			errors: []string{"providers[0].claims[0].accountLookupField"}},
		{name: "a field that would be a query",
			change: claim(func(c *hotsync.IdentityClaim) { c.AccountLookup, c.AccountLookupField = true, "A__c = 'x' or B__c" }),
			errors: []string{"providers[0].claims[0].accountLookupField"}},
		{name: "a field without a look-up", change: claim(func(c *hotsync.IdentityClaim) { c.AccountLookupField = "A__c" }),
			warns: []string{"providers[0].claims[0].accountLookupField"}},
		{name: "an unverified look-up", change: claim(func(c *hotsync.IdentityClaim) {
			c.AccountLookup, c.AccountLookupField, c.AllowUnverified = true, "A__c", true
		}), warns: []string{"providers[0].claims[0].allowUnverified"}},
		{name: "plan", change: func(s *hotsync.Settings) { s.ZuoraPlan = "X" }, errors: []string{"zuoraPlan"}},
		{name: "strategy", change: func(s *hotsync.Settings) { s.CreationStrategy = "" },
			errors: []string{"creationStrategy"}},
		{name: "Salesforce", change: func(s *hotsync.Settings) { s.SalesforceID = "lead" }, errors: []string{"salesforceId"}},
		{name: "schedules", change: func(s *hotsync.Settings) { s.Schedules = "weekly" }, errors: []string{"schedules"}},
		{name: "settings from before schedules", change: func(s *hotsync.Settings) { s.Schedules = "" }},
		{name: "time zone", change: func(s *hotsync.Settings) { s.TimeZone = "Mars/Base" }, errors: []string{"timeZone"}},
		{name: "no time zone", change: func(s *hotsync.Settings) { s.TimeZone = "" }, errors: []string{"timeZone"}},
		{name: "map", change: func(s *hotsync.Settings) {
			s.CatalogueMap = map[string]string{"8a": "offers/X", strings.Repeat("a", 32): "/offers/X"}
		},
			errors: []string{"catalogueMap", "catalogueMap.8a"}},
		{name: "map, always in this order", change: func(s *hotsync.Settings) {
			s.CatalogueMap = map[string]string{}
			for _, id := range []string{"8f", "8a", "8d", "8b", "8e", "8c"} {
				s.CatalogueMap[id] = "/offers/X"
				s.CatalogueMap[strings.Repeat(id, 16)] = ""
			}
		}, errors: slices.Concat(
			[]string{"catalogueMap", "catalogueMap." + strings.Repeat("8a", 16)},
			[]string{"catalogueMap", "catalogueMap." + strings.Repeat("8b", 16)},
			[]string{"catalogueMap", "catalogueMap." + strings.Repeat("8c", 16)},
			[]string{"catalogueMap", "catalogueMap." + strings.Repeat("8d", 16)},
			[]string{"catalogueMap", "catalogueMap." + strings.Repeat("8e", 16)},
			[]string{"catalogueMap", "catalogueMap." + strings.Repeat("8f", 16)},
		)},
		{name: "what does nothing", change: func(s *hotsync.Settings) { s.CreateOffers, s.CreateAddOns = true, true },
			warns: []string{"createOffers", "createAddOns"}},
		{name: "links, always in this order", change: func(s *hotsync.Settings) {
			s.ZuoraAccountURL, s.LimioCustomerURL = "https://zuora.example.com", "http://limio.example.com/{id}"
		}, errors: []string{"zuoraAccountUrl", "limioCustomerUrl"}},
		{name: "links", change: func(s *hotsync.Settings) {
			s.ZuoraAccountURL, s.LimioCustomerURL = "https://zuora.example.com/{id}", "http://127.0.0.1:8092/{id}"
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			var errors, warns []string
			for _, f := range valid(tc.change).Validate() {
				if f.Message == "" || !strings.HasSuffix(f.Message, ".") {
					t.Errorf("%s: %q is no sentence", f.Path, f.Message)
				}
				if f.Warning {
					warns = append(warns, f.Path)
				} else {
					errors = append(errors, f.Path)
				}
			}
			if diff := cmp.Diff(tc.errors, errors); diff != "" {
				t.Errorf("errors mismatch (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.warns, warns); diff != "" {
				t.Errorf("warnings mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()

	cause := errors.New("dial tcp: refused")
	sentinel := hotsync.Errorf(hotsync.CodeZuoraUnavailable, "Zuora did not answer.")
	wrapped := sentinel.Because(cause).After(time.Minute)
	if sentinel.Cause != nil || sentinel.RetryAfter != 0 {
		t.Errorf("Because and After changed what they were called on: %+v", sentinel)
	}
	if !errors.Is(wrapped, cause) || wrapped.RetryAfter != time.Minute {
		t.Errorf("the error lost its cause or its wait: %+v", wrapped)
	}

	err := error(wrapped)
	hotsync.In(&err, "zuora.Account(%q)", "A1")
	for _, tc := range []struct {
		name string
		err  error
		want *hotsync.Problem
	}{
		{"nothing", nil, nil},
		{"with a code, wherever it is", fmt.Errorf("sync: %w", err),
			&hotsync.Problem{Code: hotsync.CodeZuoraUnavailable, Message: "Zuora did not answer.",
				Hint: hotsync.CodeZuoraUnavailable.Hint()}},
		{"a deadline", fmt.Errorf("read: %w", context.DeadlineExceeded),
			&hotsync.Problem{Code: hotsync.CodeTimeout, Message: "The sync ran out of time.",
				Hint: hotsync.CodeTimeout.Hint()}},
		{"without a code: its words stay in the log", cause,
			&hotsync.Problem{Code: hotsync.CodeInternal, Message: "Internal error.", Hint: hotsync.CodeInternal.Hint()}},
	} {
		var got *hotsync.Problem
		if e := hotsync.AsError(tc.err); e != nil {
			got = e.Problem()
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	if want := `zuora.Account("A1"): zuora_unavailable: Zuora did not answer.: dial tcp: refused`; err.Error() != want {
		t.Errorf("error text %q, want %q", err, want)
	}
	err = nil
	hotsync.In(&err, "nothing")
	if err != nil {
		t.Errorf("In made an error of none: %v", err)
	}
}

var codeConstant = regexp.MustCompile(`(?m)^\t(Code\w+)\s+Code = "(\w+)"$`)

// TestEveryCodeHasARow: a code without one is answered with 500 and tells nobody
// what to do.
func TestEveryCodeHasARow(t *testing.T) {
	t.Parallel()

	source, err := os.ReadFile("problem.go")
	if err != nil {
		t.Fatal(err)
	}
	constants := codeConstant.FindAllStringSubmatch(string(source), -1)
	for _, m := range constants {
		if !slices.Contains(hotsync.Codes(), hotsync.Code(m[2])) {
			t.Errorf("%s has no row in codes (problem.go): say with which status it is answered, its kind, and what to do", m[1])
		}
	}
	if len(constants) != len(hotsync.Codes()) {
		t.Errorf("problem.go has %d constants and %d rows", len(constants), len(hotsync.Codes()))
	}
}

func TestCodes(t *testing.T) {
	t.Parallel()

	for _, c := range hotsync.Codes() {
		if c.HTTPStatus() < 400 || c.HTTPStatus() > 599 {
			t.Errorf("%s is answered with %d", c, c.HTTPStatus())
		}
		if !strings.HasSuffix(c.Hint(), ".") {
			t.Errorf("%s: the hint %q is no sentence", c, c.Hint())
		}
	}
	unknown := hotsync.Code("unheard_of")
	if unknown.HTTPStatus() != 500 || unknown.Transient() || unknown.Hint() != "" {
		t.Errorf("an unknown code is answered with %d, transient %t, hint %q", unknown.HTTPStatus(), unknown.Transient(),
			unknown.Hint())
	}
}

func TestEventIDs(t *testing.T) {
	t.Parallel()

	at := time.Date(2026, 11, 26, 4, 5, 6, 789_000_000, time.UTC)
	full := func(b []byte) (int, error) {
		for i := range b {
			b[i] = 0xff
		}
		return len(b), nil
	}
	broken := func([]byte) (int, error) { return 0, errors.New("no randomness") }
	ids := []string{hotsync.NewEventID(at, full), hotsync.NewEventID(at, broken), hotsync.EventIDFor(at, "login", "A1"),
		hotsync.EventIDFor(at, "login", "A2")}
	for _, id := range ids {
		if !hotsync.IsEventID(id) || !hotsync.EventTime(id).Equal(at) {
			t.Errorf("%s is an id of %s, want %s", id, hotsync.EventTime(id), at)
		}
		if id < hotsync.FirstEventID(at) || id >= hotsync.FirstEventID(at.Add(time.Millisecond)) {
			t.Errorf("%s is outside the range of its millisecond", id)
		}
	}
	if len(slices.Compact(slices.Sorted(slices.Values(ids)))) != len(ids) {
		t.Errorf("two of %q are the same", ids)
	}
	if hotsync.EventIDFor(at, "login", "A1") != ids[2] || hotsync.EventIDFor(at, "log", "inA1") == ids[2] {
		t.Error("the id of a login does not follow from its names")
	}
	for _, bad := range []string{"", "event-", "event-" + strings.Repeat("0", 32), "event-0193" + strings.Repeat("g", 28),
		strings.ToUpper(ids[0]), ids[0] + "0"} {
		if hotsync.IsEventID(bad) || !hotsync.EventTime(bad).IsZero() {
			t.Errorf("%q is taken for an event id", bad)
		}
	}
}

func TestNewEvent(t *testing.T) {
	t.Parallel()

	id := strings.Repeat("8a", 16)
	for _, tc := range []struct {
		name    string
		request hotsync.SyncRequest
		want    hotsync.AccountRef
	}{
		{"by number", hotsync.SyncRequest{Account: "A1"}, hotsync.AccountRef{Number: "A1"}},
		{"by id", hotsync.SyncRequest{Account: id}, hotsync.AccountRef{ID: id}},
		{"by number, resolved", hotsync.SyncRequest{Account: "A1", AccountID: id}, hotsync.AccountRef{ID: id, Number: "A1"}},
		{"by id, resolved", hotsync.SyncRequest{Account: id, AccountID: id}, hotsync.AccountRef{ID: id}},
		{"by look-up, resolved", hotsync.SyncRequest{AccountID: id, Lookup: &hotsync.Lookup{Field: "A__c", Value: "v"}},
			hotsync.AccountRef{ID: id}},
		{"32 characters that are no id", hotsync.SyncRequest{Account: strings.Repeat("8A", 16)},
			hotsync.AccountRef{Number: strings.Repeat("8A", 16)}},
	} {
		got := hotsync.NewEvent(tc.request)
		if diff := cmp.Diff(tc.want, got.Account); diff != "" || got.Status != hotsync.StatusQueued {
			t.Errorf("%s: status %s, account (-want +got):\n%s", tc.name, got.Status, diff)
		}
	}
}

// What readers of the API rely on: lists are never null, and the value of a look-up is in no answer.
func TestEventJSON(t *testing.T) {
	t.Parallel()

	e := hotsync.NewEvent(hotsync.SyncRequest{EventID: "event-1", Lookup: &hotsync.Lookup{Field: "A__c", Value: "secret"}})
	raw, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"attempts", "steps", "changes", "findings", "warnings"} {
		if !strings.Contains(string(raw), `"`+list+`":[]`) {
			t.Errorf("%s is not an empty list in %s", list, raw)
		}
	}
	if strings.Contains(string(raw), "secret") {
		t.Errorf("the value of the look-up is in %s", raw)
	}
}

func TestFindings(t *testing.T) {
	t.Parallel()

	note := hotsync.Note(hotsync.FindingServedUntil, "A-S1", "Runs until %s.", "2026-12-01")
	attention := hotsync.Attention(hotsync.FindingPlanUnmatched, "A-S1", "Publish an offer.", "No offer.")
	all := hotsync.AddFinding(hotsync.AddFinding(hotsync.AddFinding(nil, note), attention), note)
	if diff := cmp.Diff([]string{"Runs until 2026-12-01.", "No offer."}, hotsync.Messages(all)); diff != "" {
		t.Errorf("messages mismatch (-want +got):\n%s", diff)
	}
	if got := hotsync.AttentionCount(all); got != 1 {
		t.Errorf("%d findings want attention, want 1", got)
	}
}

func TestSearchHash(t *testing.T) {
	t.Parallel()

	key := []byte("key")
	want := hotsync.SearchHash(key, "ada@example.com")
	if len(want) != 32 {
		t.Fatalf("hash %q, want 32 digits", want)
	}
	for value, same := range map[string]bool{" Ada@Example.com ": true, "eve@example.com": false} {
		if got := hotsync.SearchHash(key, value); (got == want) != same {
			t.Errorf("SearchHash(%q) = %q, same %t, want %t", value, got, got == want, same)
		}
	}
	if hotsync.SearchHash(nil, "ada@example.com") != "" || hotsync.SearchHash(key, " ") != "" {
		t.Error("there is a hash without a key or a value")
	}
	if hotsync.SearchHash([]byte("other"), "ada@example.com") == want {
		t.Error("the key does not count")
	}
}

func TestAccountKeys(t *testing.T) {
	t.Parallel()

	for key, want := range map[string]bool{
		"A1": true, "ACC 1/b#c:d_e.f-g": true, strings.Repeat("9", 70): true, "a..b": true,
		"": false, strings.Repeat("9",
			71): false, "NULL": false, "True": false, "false": false, "a?b": false, "--": false, " A1": false, "A1 ": false,
		"a/../b": false, "./b": false, "Ä1": false,
	} {
		if hotsync.IsAccountKey(key) != want {
			t.Errorf("IsAccountKey(%q) = %t: it %s", key, !want, hotsync.AccountKeyProblem(key))
		}
	}
}

func TestMaskAddresses(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		"ticket 7, asked twice":                        "ticket 7, asked twice",
		"asked for by ada@example.com, ticket 7":       "asked for by a•••@e•••.com, ticket 7",
		"<grace.hopper@navy.example.org>;bob@a.io":     "<g•••@n•••.org>;b•••@•••.io",
		"as Ada said @ ten, and ada@localhost asked":   "as Ada said @ ten, and  asked",
		"mailto:ada@example.com (customer, Ünal@ä.de)": "mailto:a•••@e•••.com (customer, Ü•••@•••.de)",
	} {
		if got := hotsync.MaskAddresses(text); got != want {
			t.Errorf("MaskAddresses(%q) = %q, want %q", text, got, want)
		}
	}
}

// The counts are of what there was, also where the lists were cut and where only a
// summary was read.
func TestCounts(t *testing.T) {
	t.Parallel()

	attention := hotsync.Attention(hotsync.FindingPlanUnmatched, "A-S1", "", "x")
	note := hotsync.Note(hotsync.FindingServedUntil, "A-S1", "x")
	for _, tc := range []struct {
		name  string
		event hotsync.Event
		want  string
	}{
		{"new", hotsync.Event{}, `"changeCount":0,"attemptCount":0,"findingCount":0,"attentionCount":0`},
		{"whole", hotsync.Event{Changes: make([]hotsync.Change, 3), Attempts: make([]hotsync.Attempt, 2),
			Findings: []hotsync.Finding{attention, note}},
			`"changeCount":3,"attemptCount":2,"findingCount":2,"attentionCount":1`},
		{"cut", hotsync.Event{Changes: make([]hotsync.Change, 100), ChangesCut: 2245, ChangeCount: 2345,
			Attempts: make([]hotsync.Attempt, 2), AttemptsCut: 3, Findings: []hotsync.Finding{note}, FindingCount: 130,
			AttentionCount: 7},
			`"changeCount":2345,"attemptCount":5,"findingCount":130,"attentionCount":7`},
		{"a summary", hotsync.Event{ChangeCount: 2345, AttemptCount: 5, FindingCount: 4, AttentionCount: 1},
			`"changeCount":2345,"attemptCount":5,"findingCount":4,"attentionCount":1`},
	} {
		raw, err := json.Marshal(tc.event)
		if err != nil || !strings.Contains(string(raw), tc.want) {
			t.Errorf("%s: %s, %v; want %s", tc.name, raw, err, tc.want)
		}
	}
}
