package console_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"hotsync/local/browser"
	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/console/internal/sample"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/syncer"
)

type step = chromedp.Action[chromedp.Void]

// adminState is a page in a state that takes some doing to reach.
type adminState struct {
	name, role, path string
	steps            []step
}

// set puts a value into a control of a form.
func set(id, value string) step {
	return chromedp.SetValue("#"+id, value)
}

// press clicks a button and waits until the page after it is there.
func press(button, then string) step {
	return func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		return chromedp.Void{}, chromedp.Do(ctx, chromedp.Click(button), there(then))
	}
}

func adminStates(b *bundle) []adminState {
	save, check := `.save-bar button[value="review"]`, `.save-bar button[value="check"]`
	claims := `{"iss": "http://127.0.0.1:2", "sub": "person-4711", "zuora_account_ids": ["A00000001", "A404", "not?an account"], "email": "x"}`
	meanwhile := func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		s := b.settings.value
		s.ZuoraPlan, s.TimeZone = hotsync.PlanV, "Europe/Paris"
		_, err := b.settings.Save(ctx, s, "Grace")
		return chromedp.Void{}, err
	}
	tryIt := []step{set("login", claims), chromedp.Click("[name=dryrun]"), press(".tryout .primary", "#h-targets")}
	bySubject := []step{chromedp.Click("main details summary"), set("subject", "person-4711"),
		set("note-2", "asked for it"), press("main details button", "#h-sure")}
	return []adminState{
		{"settings", "admin", "/settings", nil},
		{"settings-read", "operator", "/settings", nil},
		{"settings-added", "admin", "/settings", []step{press(`button[value="add-provider"]`, "#p-3")}},
		{"settings-wrong", "admin", "/settings",
			[]step{set("f-timeZone", "Mars"), set("f-providers-1-claims-0-type", "acount"),
				set("f-providers-0-issuer", "http://x.example.com"), press(save, "[role=alert]")}},
		{"settings-checked", "admin", "/settings", []step{press(check, "#h-checks")}},
		{"settings-conflict", "admin", "/settings",
			[]step{set("f-timeZone", "Europe/London"), meanwhile, press(save, ".note.warn")}},
		{"settings-saved", "admin", "/settings",
			[]step{set("f-timeZone", "Europe/Rome"), press(save, ".review"), set("note", "moved to Rome"),
				press(`button[value="save"]`, ".note.good")}},
		{"settings-review", "admin", "/settings",
			[]step{chromedp.Click("#f-hotSync"), set("f-providers-0-name", "customers"), press(save, ".review")}},
		{"settings-preset", "admin", "/settings",
			[]step{set("preset", "auth0"), press(`button[value="add-provider"]`, "#p-3")}},
		{"settings-tested", "admin", "/settings",
			[]step{chromedp.Click("#p-1 .test summary"), set("f-test-0", claims),
				press(`button[value="test:0"]`, "#p-1 .test [role=status]")}},
		{"me", "admin", "/me", nil},
		{"me-other", "admin", "/me?of=staff-operator", nil},
		{"settings-history", "admin", "/settings/history", nil},
		{"settings-version", "admin", "/settings/history/4", nil},
		{"tryout", "operator", "/tryout", nil},
		{"tryout-claims", "operator", "/tryout", tryIt},
		{"tryout-bad", "operator", "/tryout", []step{set("login", "nonsense"), press(".tryout .primary", "[role=alert]")}},
		{"erase", "admin", "/erase", nil},
		{"erase-found", "admin", "/erase",
			[]step{set("who", sample.Account.Number), set("note", "asked for it"), press("main form .primary", "#h-logins")}},
		{"erase-nobody", "admin", "/erase",
			[]step{set("who", "nobody@example.com"), set("note", "asked for it"), press("main form .primary", "#h-logins")}},
		{"erase-confirm", "admin", "/erase", bySubject},
		{"erase-done", "admin", "/erase",
			append(slices.Clone(bySubject), chromedp.Click("[name=sure]"), press(".danger", ".note[role=status]"))},
		{"catalogue", "viewer", "/catalogue", nil},
		{"account", "operator", "/accounts/" + sample.Account.Number, nil},
		{"account-unknown", "operator", "/accounts/A99999999", nil},
		{"account-sides", "operator", "/accounts/" + sample.Account.Number,
			[]step{press("form[action$=dryrun] button", "#h-sides")}},
	}
}

func adminGallery(t *testing.T) *bundle {
	t.Helper()
	b, _ := gallery(t)
	b.settings.value = twoProviders()
	// Nothing outside is asked while testing: the providers are at no address.
	b.settings.value.Providers[0].Issuer, b.settings.value.Providers[1].Issuer = "http://127.0.0.1:2", "http://127.0.0.1:1"
	b.settings.value.UpdatedAt = b.now.Add(-3600e9)
	b.sides.numbers = map[string]string{"A00000001": accountOne}
	b.sides.fields = map[string]bool{"LimioExternalId__c": true}
	b.sides.would.Changes = []hotsync.Change{
		{Object: "subscription", ID: "sub-5f0c8e1f", Action: hotsync.ActionUpdate,
			Fields: []hotsync.FieldChange{{Field: "status", Before: "active", After: "cancelled"}}}}
	b.sides.would.Account = hotsync.AccountRef{ID: accountOne, Number: "A00000001"}
	both := &syncer.Side{Status: "active", Plan: "Digital Monthly", Amount: "9.99", Currency: "GBP", Next: "2026-12-01",
		Until: "2027-11-01"}
	b.sides.would.Sides = syncer.Sides{Customer: "cus-1", Owner: "id-1",
		Logins: []hotsync.Identity{{Issuer: b.settings.value.Providers[0].Issuer, Subject: "auth0|64c1d0aa91e24b5f7d1e22b9"}},
		Subscriptions: []syncer.Compared{
			{Number: "A-S00000001", Status: "Active", Plans: []string{"UK Monthly"}, Offers: []string{"/offers/Digital Monthly"},
				Zuora: both, Limio: both},
			{Number: "A-S00000002", Status: "Cancelled", Plans: []string{"UK Print"},
				Zuora: &syncer.Side{Status: "cancelled", Plan: "Print", Amount: "17.50", Currency: "GBP"},
				Limio: &syncer.Side{Status: "active", Plan: "Print", Amount: "17.50", Currency: "GBP", Next: "2026-12-01"}},
			{Number: "A-S00000003", Status: "Active", Plans: []string{"Puzzles"}, Zuora: both},
		}}
	cfg := b.config()
	cfg.Catalogue = somePlans()
	b.serve(cfg)
	b.events.accounts[accountOne] = eventstore.AccountState{AccountID: accountOne}
	return b
}

// TestAdminAccessible runs axe-core on every state of the pages of settings, of
// a tried login, of accounts, the catalogue and of erasing, as TestAccessible does;
// with HOTSYNC_SCREENSHOTS it takes their pictures.
func TestAdminAccessible(t *testing.T) {
	t.Parallel()

	source := axe(t)
	for name, settings := range map[string]bool{"settings": true, "people": false} { // a window for each
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			ctx := browser.Start(t)
			b := adminGallery(t)
			screens[0].show(t, ctx, "light", true)
			role := ""
			for i, s := range adminStates(b) {
				if strings.HasPrefix(s.name, "settings") != settings {
					continue
				}
				if s.role != role {
					b.as(ctx, s.role)
					role = s.role
				}
				further := len(s.steps) > 0 || strings.Contains(s.name, "-")
				open := append([]step{chromedp.Navigate(b.server.URL + s.path), there("main h1")}, s.steps...)
				checkAccess(t, ctx, source, s.name, looks(i, further), open...)
			}
		})
	}
}

// TestSettingsWithoutScripts sets a provider up in a browser that runs none.
func TestSettingsWithoutScripts(t *testing.T) {
	t.Parallel()

	ctx := browser.Start(t)
	b := adminGallery(t)
	screens[0].show(t, ctx, "light", false)
	b.as(ctx, "admin")
	do(t, ctx, chromedp.Navigate(b.server.URL+"/settings"), there("#f-hotSync"),
		press(`button[value="add-provider"]`, "#p-3"),
		chromedp.SendKeys("#f-providers-2-name", "partner"), chromedp.SendKeys("#f-providers-2-issuer",
			"https://id.partner.example.com"),
		chromedp.SendKeys("#f-providers-2-audiences", "shop"), press(`button[value="add-claim:2"]`, "#p-3-c-2"),
		chromedp.SendKeys("#f-providers-2-claims-0-claim", "accounts"), chromedp.Click(`button[value="remove:2.1"]`),
		chromedp.WaitNotPresent("#p-3-c-2"), there("#p-3-c-1"))
	// The key Enter in a field leads to the review, whatever buttons are in the form,
	// and Enter in the reason is part of it.
	do(t, ctx, chromedp.SendKeys("#f-providers-2-name", "\r"), there(".review"), chromedp.SendKeys("#note", "a partner\r"))
	if got := b.settings.value.Version; got != 4 {
		t.Fatalf("Enter saved version %d", got)
	}
	do(t, ctx, press(`button[value="save"]`, ".note.good"))
	got := b.settings.value.Providers[2]
	if got.Name != "partner" || got.Issuer != "https://id.partner.example.com" || len(got.Claims) != 1 ||
		got.Claims[0].Claim != "accounts" || !got.Claims[0].NamesZuoraAccount() {
		t.Errorf("saved %+v", got)
	}
}

// TestSetUpOnTheWholeSystem is an administrator's first day on the real
// functions: check the settings, try a login, change something and take it back.
func TestSetUpOnTheWholeSystem(t *testing.T) {
	t.Parallel()

	ctx := browser.Start(t)
	// without the user pool, which is not on this computer
	s := stacktest.Start(t,
		stack.Options{Personas: true, Settings: func(v *hotsync.Settings) { v.Providers = v.Providers[:2] }})
	screens[0].show(t, ctx, "light", true)
	enter(t, ctx, s.URL+"/settings", "admin")
	do(t, ctx, press(`.save-bar button[value="check"]`, "#h-checks"))
	capture(t, ctx, "system-check")
	if got := ask(t, ctx,
		chromedp.Evaluate[[]string](`[...document.querySelectorAll(".checks li:not(.c-good)")].map(e => e.textContent)`)); len(got) > 0 {
		t.Errorf("the local system's settings do not work: %q", got)
	}
	if got := ask(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll(".checks li").length`)); got != 5 {
		t.Errorf("%d things were checked, want 5", got)
	}

	do(t, ctx, chromedp.Navigate(s.URL+"/tryout"), there("#login"), set("login", s.PersonaToken("several")),
		chromedp.Click("[name=dryrun]"), press(".tryout .primary", "#h-targets"))
	capture(t, ctx, "system-tryout")
	if got := find(t, ctx, ".note.good b"); got != "The token is good:" {
		t.Errorf("the page says %q", got)
	}
	if got := ask(t, ctx,
		chromedp.Evaluate[[]string](`[...document.querySelectorAll(".tried .dry > summary")].map(e => e.textContent)`)); len(got) != 3 || !strings.Contains(got[0], "changes") {
		t.Errorf("dry runs say %q, want three with changes", got)
	}
	if got := s.LimioCounts(); len(got.Creates)+got.Updates+got.Links > 0 {
		t.Errorf("trying a login wrote to Limio: %+v", got)
	}

	do(t, ctx, chromedp.Navigate(s.URL+"/settings"), there("#f-timeZone"), set("f-timeZone", "Europe/London"),
		press(`.save-bar button[value="review"]`, ".review"),
		set("note", "tidied up"), press(`.review button[value="save"]`, ".note.good"),
		chromedp.Navigate(s.URL+"/settings/history/1"), there("#note"), set("note", "back again"),
		press("form[action$=restore] button", ".note.good"))
	got, err := s.Settings.Load(t.Context())
	if err != nil || got.TimeZone != "UTC" || got.Version != 3 {
		t.Errorf("settings are version %d with time zone %s, %v; want version 3, UTC", got.Version, got.TimeZone, err)
	}
}
