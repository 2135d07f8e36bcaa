package console_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/console/staff/stafftest"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
	"hotsync/shared/syncer"
)

const (
	accountOne = "8ad08c84861f4a3b0186200000000001"
	accountTwo = "8ad08c84861f4a3b0186200000000002"
)

// setupTryout is a console whose Zuora knows an account by number and by lookup.
func setupTryout(t *testing.T) *bundle {
	t.Helper()
	b := setupSettings(t)
	b.sides.numbers = map[string]string{"A00000001": accountOne}
	b.sides.found = map[string][]hotsync.AccountRef{
		"one@example.com": {{ID: accountTwo, Number: "A00000002"}},
		"two@example.com": {{ID: accountOne, Number: "A00000001"}, {ID: accountTwo, Number: "A00000002"}},
	}
	b.sides.would = syncer.DryRun{Account: hotsync.AccountRef{ID: accountOne, Number: "A00000001"},
		Link: syncer.Link{State: syncer.LinkWillBe,
			Message: "This login will be linked."}, Findings: []hotsync.Finding{
			hotsync.Note(hotsync.FindingOther, "", "%s", "<script>alert(1)</script>")},
		Changes: []hotsync.Change{{Object: "subscription", ID: "sub-1", Action: hotsync.ActionUpdate,
			Fields: []hotsync.FieldChange{{Field: "status", Before: "active", After: "<img onerror=x>"}}}}}
	return b
}

func paste(text string, more ...string) url.Values {
	v := url.Values{"login": {text}}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return v
}

func TestTryoutClaims(t *testing.T) {
	t.Parallel()

	b := setupTryout(t)
	b.events.accounts[accountOne] = eventstore.AccountState{AccountID: accountOne, Number: "A00000001",
		LastSucceededAt:    start,
		LastSucceededEvent: hotsync.NewEventID(start, func(p []byte) (int, error) { return len(p), nil })}
	c := b.signIn("operator")
	a := c.get("/tryout")
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	text := `{"iss": "https://login.example.com/direct", "sub": "person-4711-abcdef", "zuora_account_ids": ["A00000001", "` + accountTwo + `", "A404", "not?an account"], "zuora_acount_ids": 1, "<b>": 2}`
	a = c.post("/tryout", paste(text))
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	a.wantNoHTML(t)
	if a.url.RequestURI() != "/tryout" {
		t.Errorf("the login came into the address %s", a.url)
	}
	if got := a.Text(".note.warn b"); got != "Nothing was verified:" {
		t.Errorf("the page says %q", got)
	}
	if got := a.Texts(".tried h3 .mono"); !cmp.Equal(got, []string{"A00000001", accountTwo, "A404"}) {
		t.Errorf("targets = %q", got)
	}
	if got := a.Attrs(".tried", "class"); !cmp.Equal(got,
		[]string{"sheet tried c-good", "sheet tried c-good", "sheet tried c-bad"}) {
		t.Errorf("states = %q", got)
	}
	for i, want := range []string{"its sync decides whether it may be", "never synced so far",
		"No Zuora account has the number A404."} {
		if got := a.Texts(".tried")[i]; !strings.Contains(got, want) {
			t.Errorf("target %d says %q, want %q", i+1, got, want)
		}
	}
	if got := a.Texts("table tbody td:nth-child(2)"); !cmp.Equal(got, []string{"the claim cannot be read"}) {
		t.Errorf("ignored for %q", got)
	}
	if got := a.Texts(".names code"); !cmp.Equal(got, []string{"<b>", "iss", "sub", "zuora_acount_ids"}) {
		t.Errorf("other claims = %q", got)
	}
	if strings.Count(a.body, "person-4711-abcdef") != 1 {
		t.Error("the subject is shown beside what was pasted")
	}
	if len(b.sides.dryRuns) != 0 || len(b.queue.sent) != 0 {
		t.Errorf("made %d dry runs and queued %d requests", len(b.sides.dryRuns), len(b.queue.sent))
	}
	if got := b.acts.list[len(b.acts.list)-1]; got.Action != "try_login" || got.Result != "3 targets" {
		t.Errorf("recorded %+v", got)
	}
}

// What is said of the link is what the dry run found; without one nothing is promised.
func TestTryoutSaysWhoSees(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		link  syncer.Link
		state string
	}{
		{syncer.Link{State: syncer.LinkIs, Message: "This login sees the account."}, "c-good"},
		{syncer.Link{State: syncer.LinkWillBe, Message: "This login will be linked."}, "c-good"},
		{syncer.Link{State: syncer.LinkWillNot, Message: "The login was not linked: it would see <b>."}, "c-warn"},
	} {
		t.Run(string(tc.link.State), func(t *testing.T) {
			t.Parallel()

			b := setupTryout(t)
			b.sides.would.Link = tc.link
			b.events.accounts[accountTwo] = eventstore.AccountState{AccountID: accountTwo, LastSucceededAt: start,
				LastSucceededEvent: "event-1"}
			a := b.signIn("operator").post("/tryout",
				paste(`{"sub": "one@example.com"}`, "as", "https://login.example.com/lookup", "dryrun", "on"))
			a.wantStatus(t, http.StatusOK)
			a.Sound()
			a.wantNoHTML(t)
			if got := a.Text(".tried .link"); got != tc.link.Message {
				t.Errorf("the page says %q of the link, want %q", got, tc.link.Message)
			}
			if got := a.Attrs(".tried", "class"); !cmp.Equal(got, []string{"sheet tried " + tc.state}) {
				t.Errorf("state = %q, want %s", got, tc.state)
			}
			if strings.Contains(a.Text(".tried"), "decides whether") {
				t.Error("the page leaves open what it knows")
			}
		})
	}
}

func TestTryoutLookup(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct{ name, sub, state, says string }{
		{"none", "nobody@example.com", "c-warn", "nothing is recorded"},
		{"one", "one@example.com", "c-good", "Exactly one Zuora account"},
		{"several", "two@example.com", "c-bad", "2 Zuora accounts have this value"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := setupTryout(t)
			a := b.signIn("operator").post("/tryout",
				paste(`{"sub": "`+tc.sub+`"}`, "as", "https://login.example.com/lookup", "dryrun", "on"))
			a.wantStatus(t, http.StatusOK)
			a.Sound()
			a.wantNoHTML(t)
			if got := a.Attrs(".tried", "class"); !cmp.Equal(got, []string{"sheet tried " + tc.state}) {
				t.Errorf("state = %q, want %s", got, tc.state)
			}
			if got := a.Text(".tried"); !strings.Contains(got, tc.says) || strings.Contains(got, tc.sub) {
				t.Errorf("the target says %q", got)
			}
			if got, want := len(b.sides.dryRuns), map[string]int{"one": 1}[tc.name]; got != want {
				t.Fatalf("made %d dry runs, want %d", got, want)
			}
			if tc.name == "one" {
				want := hotsync.SyncRequest{Trigger: hotsync.TriggerLogin, Provider: "lookup",
					Identity: hotsync.Identity{Issuer: "https://login.example.com/lookup", Subject: tc.sub},
					Claim:    "sub", Account: accountTwo, AccountID: accountTwo,
					Lookup: &hotsync.Lookup{Field: "LimioExternalId__c", Value: tc.sub}, RequestedAt: start}
				if diff := cmp.Diff(want, b.sides.dryRuns[0]); diff != "" {
					t.Errorf("dry run mismatch (-want +got):\n%s", diff)
				}
				if got := a.Texts(".tried .before-after td"); !cmp.Equal(got, []string{"active", "<img onerror=x>"}) {
					t.Errorf("changes = %q", got)
				}
			}
			if got := a.Count(".tried a[href^='/accounts/']"); tc.name == "several" && got != 2 {
				t.Errorf("%d links to accounts, want 2", got)
			}
		})
	}
}

// A token: verified, refused or broken, it is never sent back, logged or recorded.
func TestTryoutToken(t *testing.T) {
	t.Parallel()

	b := setupTryout(t)
	log := b.logged()
	c := b.signIn("operator")
	token := func(iss string) string {
		return "header." + stafftest.Token(
			map[string]any{"iss": iss, "sub": "canary-4711-subject", "zuora_account_ids": "A00000001"}) + ".signature"
	}
	for _, tc := range []struct {
		name, paste, iss string
		status           int
		note, says       string
	}{
		{"refused", token("https://login.example.com/direct"), "", 200, ".note.bad b",
			"POST /login would refuse this token: The token is malformed."},
		{"bearer, of a stranger", "Bearer " + token("https://stranger.example.com"), "", 200, ".note.bad b", "would refuse"},
		{"two parts", "abc.def", "", 400, ".note.bad b", "neither a JSON object nor a token"},
		{"not base64", "a.!.c", "", 400, ".note.bad b", "not base64url"},
		{"not JSON", "a." + base64.RawURLEncoding.EncodeToString([]byte("canary")) + ".c", "", 400, ".note.bad b",
			"not a JSON object"},
		{"empty", "  ", "", 400, ".note.bad b", "Paste an ID token"},
		{"broken claims", `{"canary": `, "", 400, ".note.bad b", "not one JSON object"},
		{"no iss", `{"sub": "x"}`, "", 400, ".note.bad b", "have no iss"},
		{"too long", `{"x": "` + strings.Repeat("y", 70<<10) + `"}`, "", 400, ".note.bad b", "longer than 64 KB"},
	} {
		a := c.post("/tryout", paste(tc.paste))
		a.wantStatus(t, tc.status)
		a.Sound()
		if got := a.Text(tc.note); !strings.Contains(got, tc.says) {
			t.Errorf("%s: the page says %q, want %q", tc.name, got, tc.says)
		}
		if strings.Contains(a.body, "header.") || strings.Contains(a.body, "canary-4711-subject") {
			t.Errorf("%s: the token came back", tc.name)
		}
	}
	content := strings.Split(token("https://login.example.com/direct"), ".")[1]
	if got := log.String(); strings.Contains(got, "canary") || strings.Contains(got, "header.") ||
		strings.Contains(got, content[:20]) {
		t.Errorf("the log has something of a token: %s", got)
	}
	for _, act := range b.acts.list {
		if strings.Contains(act.Note+act.Result+act.Account+act.Filter, "canary") {
			t.Errorf("recorded %+v", act)
		}
	}
}

// goodTokens takes every token of an issuer that is accepted.
type goodTokens struct{ stafftest.Tokens }

func (g goodTokens) Verify(ctx context.Context, raw string, accept oidc.Accept) (oidc.Token, error) {
	if parts := strings.Split(raw, "."); len(parts) == 3 {
		raw = parts[1]
	}
	return g.Tokens.Verify(ctx, raw, accept)
}

func TestTryoutGoodToken(t *testing.T) {
	t.Parallel()

	b := setupTryout(t)
	cfg := b.config()
	cfg.Tokens = goodTokens{}
	b.serve(cfg)
	raw := "h." + stafftest.Token(map[string]any{"iss": "https://login.example.com/direct", "sub": "person",
		"zuora_account_ids": []string{"A00000001"}}) + ".s"
	a := b.signIn("operator").post("/tryout", paste("Bearer "+raw, "dryrun", "on"))
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Text(".note.good b"); got != "The token is good:" {
		t.Errorf("the page says %q", got)
	}
	if got := a.Text(".tried .dry[open] > summary"); got != "Dry run: 1 change 1 subscription; 1 warning" {
		t.Errorf("the dry run says %q", got)
	}
	if strings.Contains(a.body, raw) || a.Count("input[name=dryrun][checked]") != 1 {
		t.Error("the token came back, or the tick did not")
	}
}

func TestTryoutTriggerAndStrangers(t *testing.T) {
	t.Parallel()

	b := setupTryout(t)
	pool := hotsync.UserPoolIssuer("eu-west-1", "eu-west-1_EXAMPLE")
	b.settings.value.HotSync = false
	b.settings.value.Providers = append(b.settings.value.Providers,
		hotsync.Provider{Name: "cognito", Issuer: pool, Claims: []hotsync.IdentityClaim{
			{Claim: "zuora_accounts", Service: "zuora", Issuer: "zuora", Type: "account"},
			{Claim: "near", Service: "Zuora", Issuer: "zuora", Type: "account"}}})
	c := b.signIn("operator")
	a := c.post("/tryout",
		paste(
			`{"triggerSource": "PostAuthentication_Authentication", "region": "eu-west-1", "userPoolId": "eu-west-1_EXAMPLE", "request": {"userAttributes": {"sub": "x", "custom:zuora_accounts": "[A00000001]", "near": "1"}}}`))
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Texts(".tried h3 .mono"); !cmp.Equal(got, []string{"A00000001"}) {
		t.Errorf("targets = %q", got)
	}
	if got := a.Texts(".note.warn b"); !cmp.Equal(got, []string{"Nothing was verified:", "Hot sync is switched off,"}) {
		t.Errorf("notes = %q", got)
	}
	if got := a.Text("table tbody"); !strings.Contains(got, "near") ||
		!strings.Contains(got, "the claim is not set up for syncs") {
		t.Errorf("ignored: %q", got)
	}
	a = c.post("/tryout", paste(`{"iss": "https://stranger.example.com", "sub": "x"}`))
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Text(".empty h2"); got != "Nothing" {
		t.Errorf("the page says %q", got)
	}
	b.sides.zuora = hotsync.Errorf(hotsync.CodeZuoraUnavailable, "Zuora did not answer.")
	a = c.post("/tryout",
		paste(`{"iss": "https://login.example.com/direct", "zuora_account_ids": "`+accountOne+`,A00000001"}`, "dryrun", "on"))
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Text(".tried .finding.bad"); !strings.Contains(got, "The dry run did not work: Zuora did not answer.") {
		t.Errorf("the dry run says %q", got)
	}
	b.settings.fail = down
	a = c.post("/tryout", paste(`{"iss": "x"}`))
	a.wantStatus(t, http.StatusServiceUnavailable)
	a.Sound()
	a = c.get("/tryout")
	a.Sound()
	viewer := b.signIn("viewer")
	viewer.get("/tryout").wantStatus(t, http.StatusForbidden)
	viewer.post("/tryout", paste("{}")).wantStatus(t, http.StatusForbidden)
	if viewer.get("/events").Count("a[href='/tryout']") != 0 {
		t.Error("a viewer is led to what they may not do")
	}
}
