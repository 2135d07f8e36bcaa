package console_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/console"
	"hotsync/shared/hotsync"
	"hotsync/shared/settingstore"
)

// twoProviders are valid settings with a provider for each way to name an account.
func twoProviders() hotsync.Settings {
	account := func(claim string) hotsync.IdentityClaim {
		return hotsync.IdentityClaim{Claim: claim, Service: "zuora", Issuer: "zuora", Type: "account"}
	}
	lookup := account("sub")
	lookup.AccountLookup, lookup.AccountLookupField = true, "LimioExternalId__c"
	s := hotsync.DefaultSettings()
	s.Version, s.HotSync, s.UpdatedBy, s.UpdatedAt = 4, true, "Ada", start.Add(-3600e9)
	s.Providers = []hotsync.Provider{
		{Name: "direct", Issuer: "https://login.example.com/direct", Audiences: []string{"shop", "app"},
			Claims: []hotsync.IdentityClaim{account("zuora_account_ids")}},
		{Name: "lookup", Issuer: "https://login.example.com/lookup", Audiences: []string{"shop"},
			Claims: []hotsync.IdentityClaim{lookup}},
	}
	return s
}

func setupSettings(t *testing.T) *bundle {
	t.Helper()
	b := setup(t)
	b.settings.value = twoProviders()
	return b
}

// logged starts the bundle's console again with a log that can be searched.
func (b *bundle) logged() *bytes.Buffer {
	b.t.Helper()
	log := &bytes.Buffer{}
	cfg := b.config()
	cfg.Log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.serve(cfg)
	return log
}

// serve starts the bundle's console again with another configuration.
func (b *bundle) serve(cfg console.Config) {
	b.server.Close()
	b.server = httptest.NewServer(console.New(cfg))
	b.t.Cleanup(b.server.Close)
}

// form is what a browser would send of the page's form of settings.
func (a answer) form(t *testing.T) url.Values {
	t.Helper()
	v := url.Values{}
	for _, kind := range []string{`input[type="hidden"]`, `input:not([type])`, `input[type="checkbox"][checked]`} {
		names, values := a.Attrs("form.settings "+kind, "name"), a.Attrs("form.settings "+kind, "value")
		if len(names) != len(values) {
			t.Fatalf("%s: %d names, %d values", kind, len(names), len(values))
		}
		for i := range names {
			v.Add(names[i], values[i])
		}
	}
	for _, name := range a.Attrs("form.settings select", "name") {
		chosen := a.Attrs(fmt.Sprintf("form.settings select[name=%q] option[selected]", name), "value")
		v.Set(name, strings.Join(chosen, "")) // none: the first, which is empty
	}
	texts := a.Texts("form.settings textarea")
	for i, name := range a.Attrs("form.settings textarea", "name") {
		v.Set(name, texts[i])
	}
	return v
}

func with(v url.Values, pairs ...string) url.Values {
	out := url.Values{}
	for name, values := range v {
		out[name] = values
	}
	for i := 0; i < len(pairs); i += 2 {
		out.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			out.Del(pairs[i])
		}
	}
	return out
}

func TestSettingsFormHoldsTheSettings(t *testing.T) {
	t.Parallel()

	b := setupSettings(t)
	c := b.signIn("admin")
	a := c.get("/settings")
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	labels := a.Texts("#p-2-c-1 label") // hotsync's own comes after them
	if diff := cmp.Diff([]string{"Claim", "Service", "Issuer", "Type", "Account Lookup", "Account Lookup Field",
		"Allow Unverified"}, labels); diff != "" {
		t.Errorf("labels of a claim differ from Limio's field names (-want +got):\n%s", diff)
	}
	if got := a.Texts(".tag"); !cmp.Equal(got, []string{"not recommended", "not recommended"}) {
		t.Errorf("tags = %q", got)
	}
	// Sent back as it came, the form changes nothing but the version.
	before := b.settings.value
	a = c.post("/settings", with(a.form(t), "do", "save", "note", "tidied up"))
	a.wantStatus(t, http.StatusOK)
	if got := a.Text(".note.good"); !strings.Contains(got, "Saved as version 5") {
		t.Errorf("the page says %q", got)
	}
	after := b.settings.value
	if after.Version != 5 || after.UpdatedBy != "Member admin" {
		t.Errorf("saved version %d by %q", after.Version, after.UpdatedBy)
	}
	after.Version, after.UpdatedAt, after.UpdatedBy, after.UpdatedFor = before.Version, before.UpdatedAt, before.UpdatedBy,
		before.UpdatedFor
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the form changed the settings (-before +after):\n%s", diff)
	}
	if got := b.acts.list[len(b.acts.list)-1]; got.Action != "settings" || got.Result != "version 5" ||
		got.Role != "admin" {
		t.Errorf("recorded %+v", got)
	}
}

func TestSettingsSave(t *testing.T) {
	t.Parallel()

	b := setupSettings(t)
	c := b.signIn("admin")
	form := c.get("/settings").form(t)
	a := c.post("/settings", with(form, "do", "save", "note", "tidied up", "hotSync", "", "zuoraPlan", "V",
		"providers[0].audiences", " web\r\n\r\napp, shop ",
		"createOffers", "on", "providers[1].claims[0].claim", "email"))
	a.wantStatus(t, http.StatusOK)
	got := b.settings.value
	if got.HotSync || got.ZuoraPlan != "V" || !got.CreateOffers || got.Providers[1].Claims[0].Claim != "email" ||
		!cmp.Equal(got.Providers[0].Audiences, []string{"web", "app", "shop"}) {
		t.Errorf("saved %+v", got)
	}
	if says := a.Text(".k-check .finding.warn"); !strings.Contains(says, "this does nothing") {
		t.Errorf("the warning says %q", says)
	}
	if note := b.acts.list[len(b.acts.list)-1].Note; !strings.Contains(note, "Zuora plan") ||
		!strings.Contains(note, "direct: Audiences") {
		t.Errorf("the act says %q", note)
	}
}

func TestSettingsValidationIsBesideTheField(t *testing.T) {
	t.Parallel()

	b := setupSettings(t)
	c := b.signIn("admin")
	form := c.get("/settings").form(t)
	a := c.post("/settings", with(form, "do", "save", "note", "tidied up", "timeZone", "Mars/Olympus",
		"providers[0].issuer", "http://login.example.com", "providers[0].audiences", "",
		"providers[1].claims[0].type", "acount", "providers[1].claims[0].accountLookupField", "Name", "salesforceId", "lead",
		"providers[1].name", "<script>alert(1)</script>"))
	a.wantStatus(t, http.StatusUnprocessableEntity)
	a.Sound()
	a.wantNoHTML(t)
	if b.settings.value.Version != 4 {
		t.Error("invalid settings were saved")
	}
	for id, says := range map[string]string{
		"f-timeZone":                                "is not a time zone",
		"f-providers-0-issuer":                      "must be reached by https",
		"f-providers-0-audiences":                   "Name at least one client id",
		"f-providers-1-claims-0-accountLookupField": "Give the API name",
		"f-salesforceId":                            `"lead" is not one of`,
	} {
		if got := a.Attrs("#"+id, "aria-invalid"); !cmp.Equal(got, []string{"true"}) {
			t.Errorf("%s: aria-invalid = %q", id, got)
		}
		if got := a.Text("#" + id + "-says-0"); !strings.Contains(got, says) {
			t.Errorf("%s says %q, want %q", id, got, says)
		}
		if a.Count(`[role=alert] a[href="#`+id+`"]`) != 1 {
			t.Errorf("the summary does not lead to %s", id)
		}
	}
	if got := a.Attrs("#f-providers-1-claims-0-type", "aria-invalid"); len(got) != 0 {
		t.Error("a warning marks its field as invalid")
	}
	if got := a.Attrs("#f-timeZone", "value"); !cmp.Equal(got, []string{"Mars/Olympus"}) {
		t.Errorf("what was typed became %q", got)
	}
	if got := a.form(t); got.Get("salesforceId") != "lead" || got.Get("version") != "4" {
		t.Errorf("the form came back as %v", got)
	}
}

func TestSettingsAddAndRemoveWithoutScript(t *testing.T) {
	t.Parallel()

	b := setupSettings(t)
	c := b.signIn("admin")
	a := c.post("/settings", with(c.get("/settings").form(t), "do", "add-provider", "timeZone", "Europe/London"))
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Attrs("[autofocus]", "name"); !cmp.Equal(got, []string{"providers[2].name"}) {
		t.Errorf("focus is on %q", got)
	}
	if got := a.Text(".note[role=status]"); !strings.Contains(got, "Nothing is saved yet") {
		t.Errorf("the page says %q", got)
	}
	a = c.post("/settings", with(a.form(t), "do", "add-claim:2", "providers[2].name", "new"))
	if got := a.Attrs(`#p-3 .claim [name$="service"]`, "value"); !cmp.Equal(got, []string{"zuora", "zuora"}) {
		t.Errorf("services of the new claims = %q", got)
	}
	a = c.post("/settings", with(a.form(t), "do", "remove:2.0"))
	if got := a.Count("#p-3 .claim"); got != 1 {
		t.Errorf("provider 3 has %d claims, want 1", got)
	}
	a = c.post("/settings", with(a.form(t), "do", "remove:0"))
	a.Sound()
	form := a.form(t)
	if form.Get("providers[0].name") != "lookup" || form.Get("providers[1].name") != "new" ||
		form.Has("providers[2].name") || form.Get("timeZone") != "Europe/London" {
		t.Errorf("the form holds %v", form)
	}
	if b.settings.value.Version != 4 || len(b.settings.value.Providers) != 2 {
		t.Error("something was saved")
	}
	for _, do := range []string{"", "remove:9", "remove:0.9", "remove:-1", "add-claim:x", "add-claim:0.0", "<script>"} {
		a := c.post("/settings", with(form, "do", do))
		a.wantStatus(t, http.StatusBadRequest)
		a.Sound()
	}
	c.post("/settings", url.Values{"do": {"save"}}).wantStatus(t, http.StatusBadRequest)
	c.post("/settings", url.Values{"version": {"4"}, "do": {"save"}, "timeZone": {strings.Repeat("x", 2<<20)}}).wantStatus(
		t, http.StatusBadRequest)
}

func TestSettingsConflict(t *testing.T) {
	t.Parallel()

	b := setupSettings(t)
	mine := b.signIn("admin").get("/settings").form(t)
	c := b.signIn("admin")
	// Meanwhile somebody changes the plan, the time zone and a provider, and adds one.
	theirs := twoProviders()
	theirs.ZuoraPlan, theirs.TimeZone, theirs.Providers[1].Audiences = "V", "Europe/Paris", []string{"kiosk"}
	theirs.Providers = append(theirs.Providers,
		hotsync.Provider{Name: "third", Issuer: "https://third.example.com", Audiences: []string{"x"},
			Claims: theirs.Providers[0].Claims})
	_, err := b.settings.Save(t.Context(), theirs, "Grace <b>")
	if err != nil {
		t.Fatal(err)
	}
	a := c.post("/settings",
		with(mine, "do", "save", "note", "tidied up", "timeZone", "Europe/London", "createAddOns", "on"))
	a.wantStatus(t, http.StatusConflict)
	a.Sound()
	if b.settings.value.Version != 5 {
		t.Fatal("the conflict was saved over")
	}
	if got := a.Text(".note.warn > p > b"); !strings.Contains(got, "Grace <b> saved version 5,") ||
		!strings.Contains(got, "you were changing version 4") {
		t.Errorf("the page says %q", got)
	}
	rows := map[string]string{}
	what, mark := a.Texts(".note.warn tbody th"), a.Texts(".note.warn tbody td:last-child")
	for i := range what {
		rows[what[i]] = mark[i]
	}
	for setting, want := range map[string]string{"Zuora plan": "theirs", "Time zone": "yours",
		"lookup: Audiences": "theirs", "Create missing add-ons": "yours", "third: Issuer": "theirs"} {
		if rows[setting] != want {
			t.Errorf("%s is marked %q, want %q", setting, rows[setting], want)
		}
	}
	form := a.form(t)
	if form.Get("version") != "5" || form.Get("zuoraPlan") != "V" || form.Get("timeZone") != "Europe/London" ||
		form.Get("providers[1].audiences") != "kiosk" ||
		form.Get("createAddOns") != "on" || form.Get("providers[2].name") != "third" {
		t.Errorf("the form holds %v", form)
	}
	a = c.post("/settings", with(form, "do", "save", "note", "tidied up"))
	a.wantStatus(t, http.StatusOK)
	if got := b.settings.value; got.Version != 6 || got.TimeZone != "Europe/London" || got.ZuoraPlan != "V" ||
		!got.CreateAddOns {
		t.Errorf("saved %+v", got)
	}
}

func TestSettingsRoles(t *testing.T) {
	t.Parallel()

	b := setupSettings(t)
	form := b.signIn("admin").get("/settings").form(t)
	for _, group := range []string{"viewer", "operator"} {
		c := b.signIn(group)
		a := c.get("/settings")
		a.wantStatus(t, http.StatusOK)
		a.Sound()
		if got := a.Count("main input, main select, main textarea"); got != 0 {
			t.Errorf("%s sees %d controls", group, got)
		}
		if got := a.Texts(".provider h3"); !cmp.Equal(got, []string{"direct", "lookup"}) {
			t.Errorf("%s reads the providers %q", group, got)
		}
		c.post("/settings", with(form, "do", "save", "note", "tidied up")).wantStatus(t, http.StatusForbidden)
		c.post("/settings/history/4/restore", url.Values{"over": {"4"}}).wantStatus(t, http.StatusForbidden)
		c.get("/settings/history").wantStatus(t, http.StatusOK)
		if got, want := a.Count("form[action='/settings/check']"), map[string]int{"operator": 1}[group]; got != want {
			t.Errorf("%s sees %d check buttons, want %d", group, got, want)
		}
	}
	b.signIn("viewer").post("/settings/check", nil).wantStatus(t, http.StatusForbidden)
	admin := b.signIn("admin")
	for _, path := range []string{"/settings", "/settings/check", "/settings/history/4/restore", "/tryout", "/erase",
		"/erase/confirm"} {
		a := admin.do(http.MethodPost, path, with(form, "do", "save", "note", "tidied up"), "Sec-Fetch-Site", "cross-site",
			"Content-Type", "application/x-www-form-urlencoded")
		a.wantStatus(t, http.StatusForbidden)
		a = admin.do(http.MethodPost, path, with(form, "do", "save", "note", "tidied up"), "Origin",
			"https://evil.example.com", "Content-Type", "application/x-www-form-urlencoded")
		a.wantStatus(t, http.StatusForbidden)
	}
	if b.settings.value.Version != 4 {
		t.Error("somebody who may not saved")
	}
}

func TestSettingsStates(t *testing.T) {
	t.Parallel()

	t.Run("nothing saved", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.settings.value = hotsync.DefaultSettings()
		a := b.signIn("admin").get("/settings")
		a.Sound()
		if got := a.Text(".under"); !strings.Contains(got, "Nobody has saved settings yet") {
			t.Errorf("the page says %q", got)
		}
		a = b.signIn("viewer").get("/settings")
		a.Sound()
	})
	t.Run("store down", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.settings.fail = down
		c := b.signIn("admin")
		for _, path := range []string{"/settings", "/settings/history"} {
			a := c.get(path)
			a.wantStatus(t, http.StatusServiceUnavailable)
			a.Sound()
		}
		s := twoProviders()
		b.settings.value = s
		b.settings.fail = nil
		form := c.get("/settings").form(t)
		b.settings.fail = down
		a := c.post("/settings", with(form, "do", "save", "note", "tidied up", "timeZone", "Europe/Rome"))
		a.wantStatus(t, http.StatusServiceUnavailable)
		if got := a.Attrs("#f-timeZone", "value"); !cmp.Equal(got, []string{"Europe/Rome"}) {
			t.Errorf("what was typed became %q", got)
		}
	})
	t.Run("in force but broken", func(t *testing.T) {
		t.Parallel()

		b := setupSettings(t)
		b.settings.value.TimeZone = "Gone/Away"
		b.settings.fail = hotsync.Errorf(hotsync.CodeSettingsInvalid, "The settings are not valid. timeZone: <i>")
		c := b.signIn("admin")
		a := c.get("/settings")
		a.wantStatus(t, http.StatusOK)
		a.Sound()
		if got := a.Text("[role=alert]"); !strings.Contains(got, "The settings are not valid. timeZone: <i>") {
			t.Errorf("the page says %q", got)
		}
		a = c.post("/settings", with(a.form(t), "do", "save", "note", "tidied up", "timeZone", "UTC"))
		a.wantStatus(t, http.StatusOK)
		if b.settings.value.TimeZone != "UTC" || b.settings.value.Version != 5 {
			t.Errorf("settings are %+v", b.settings.value)
		}
	})
}

func TestSettingsHistoryAndRestore(t *testing.T) {
	t.Parallel()

	b := setupSettings(t)
	c := b.signIn("admin")
	save := func(change func(*hotsync.Settings)) {
		s := b.settings.value
		change(&s)
		_, err := b.settings.Save(t.Context(), s, "Grace <script>alert(1)</script>")
		if err != nil {
			t.Fatal(err)
		}
	}
	save(func(s *hotsync.Settings) { s.HotSync = false })
	save(func(s *hotsync.Settings) { s.Providers = s.Providers[:1]; s.TimeZone = "Europe/London" })
	a := c.get("/settings/history")
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	a.wantNoHTML(t)
	if got := a.Texts(".version h2"); !cmp.Equal(got, []string{"Version 6 in force", "Version 5", "Version 4"}) {
		t.Errorf("versions = %q", got)
	}
	if got := a.Texts("#version-5 tbody tr"); !cmp.Equal(got, []string{"Hot syncon" + "off"}) {
		t.Errorf("version 5 changed %q", got)
	}
	if got := a.Texts("#version-6 tbody th"); len(got) == 0 || got[0] != "lookup: Name" || got[len(got)-1] != "Time zone" {
		t.Errorf("version 6 changed %q", got)
	}
	// The page of a version says what restoring it would change.
	a = c.get("/settings/history/4")
	a.Sound()
	if got := a.Count("form[action$=restore]"); got != 1 {
		t.Errorf("%d forms to restore, want 1", got)
	}
	if got := a.Texts("#main .sheet tbody tr:first-child"); got[0] != "Hot syncoffon" {
		t.Errorf("restoring would change %q", got)
	}
	if b.settings.value.Version != 6 {
		t.Fatal("looking at a version restored it")
	}
	a = c.post("/settings/history/4/restore", url.Values{"over": a.Attrs("[name=over]", "value"), "note": {"was better"}})
	a.wantStatus(t, http.StatusOK)
	if got := b.settings.value; got.Version != 7 || !got.HotSync || len(got.Providers) != 2 ||
		got.UpdatedBy != "Member admin" {
		t.Errorf("restored %+v", got)
	}
	if got := b.acts.list[len(b.acts.list)-1]; got.Action != "restore_settings" || got.Result != "version 7" {
		t.Errorf("recorded %+v", got)
	}
	// Somebody saved between the page and the button.
	a = c.post("/settings/history/5/restore", url.Values{"over": {"6"}, "note": {"x"}})
	a.wantStatus(t, http.StatusConflict)
	a.Sound()
	if got := a.Text(".note.warn b"); !strings.Contains(got, "Not restored") {
		t.Errorf("the page says %q", got)
	}
	for path, status := range map[string]int{"/settings/history/99": 404, "/settings/history/x": 404,
		"/settings/history?cursor=x": 400} {
		a := c.get(path)
		a.wantStatus(t, status)
		a.Sound()
	}
	b.settings.earlier[0].Err = hotsync.Errorf(hotsync.CodeSettingsInvalid,
		"Version 6 of the settings cannot be read: it is damaged.")
	a = c.get("/settings/history")
	a.Sound()
	if got := a.Text("#version-6 .finding.bad"); !strings.Contains(got, "damaged") {
		t.Errorf("version 6 says %q", got)
	}
	a = c.get("/settings/history/6")
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if a.Count("form[action$=restore]") != 0 {
		t.Error("a damaged version can be restored")
	}
}

func TestSettingsHistoryPages(t *testing.T) {
	t.Parallel()

	b := setupSettings(t)
	for n := range 30 {
		s := b.settings.value
		s.TimeZone = []string{"Europe/London", "Europe/Paris"}[n%2]
		_, err := b.settings.Save(t.Context(), s, "Ada")
		if err != nil {
			t.Fatal(err)
		}
	}
	c := b.signIn("viewer")
	a := c.get("/settings/history")
	if got := a.Count(".version"); got != settingstore.DefaultLimit {
		t.Errorf("the first page has %d versions, want %d", got, settingstore.DefaultLimit)
	}
	if got := a.Texts(".version:last-of-type tbody th"); !cmp.Equal(got, []string{"Time zone"}) {
		t.Errorf("the last version of the page changed %q", got)
	}
	a = c.get(a.Attrs("[rel=next]", "href")[0])
	a.Sound()
	if got := a.Texts(".version h2"); len(got) != 11 || got[10] != "Version 4" || got[0] != "Version 14" {
		t.Errorf("the second page has %q", got)
	}
}

// issuerServer publishes an issuer's documents.
func issuerServer(t *testing.T, discovery func(base string) string, jwks string) string {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_, err := io.WriteString(w, discovery(server.URL))
		if err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		_, err := io.WriteString(w, jwks)
		if err != nil {
			t.Error(err)
		}
	})
	mux.Handle("GET /elsewhere", http.RedirectHandler("http://169.254.169.254/latest/meta-data/", http.StatusFound))
	return server.URL
}

// p256 is the example key of RFC 7517, appendix A.1.
const p256 = `{"keys":[{"kty":"EC","crv":"P-256","kid":"1","use":"sig","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`

func TestSettingsCheck(t *testing.T) {
	t.Parallel()

	good := func(base string) string { return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, base, base+"/jwks") }
	b := setupSettings(t)
	s := twoProviders()
	provider := func(name, issuer string) {
		p := s.Providers[0]
		p.Name, p.Issuer = name, issuer
		s.Providers = append(s.Providers, p)
	}
	s.Providers[0].Issuer = issuerServer(t, good, p256)
	s.Providers[1].Issuer = issuerServer(t, func(base string) string {
		return fmt.Sprintf(`{"issuer":"https://other.example.com","jwks_uri":%q}`, base+"/jwks")
	}, p256)
	provider("no keys", issuerServer(t, good, `{"keys":[]}`))
	provider("leads away", issuerServer(t,
		func(base string) string { return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, base, base+"/elsewhere") }, p256))
	provider("metadata", "https://169.254.169.254")
	provider("private", "https://10.0.0.1")
	provider("not json", issuerServer(t, func(string) string { return "<html>" }, p256))
	provider("metadata by jwks_uri", issuerServer(t, func(base string) string {
		return fmt.Sprintf(`{"issuer":%q,"jwks_uri":"https://169.254.169.254/jwks"}`, base)
	}, p256))
	b.settings.value = s
	b.sides.fields = map[string]bool{"LimioExternalId__c": false}
	b.sides.limio = hotsync.Errorf(hotsync.CodeLimioUnauthorized, "Limio refused the credentials.")
	a := b.signIn("operator").post("/settings/check", nil)
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	state, says := map[string]string{}, map[string]string{}
	names, verdicts, texts := a.Texts(".checks li b"), a.Attrs(".checks li", "class"), a.Texts(".checks li")
	for i := range names {
		state[names[i]], says[names[i]] = verdicts[i], texts[i]
	}
	for _, tc := range []struct{ what, state, says string }{
		{"Identity provider direct", "c-good", "publishes 1 key for ES256"},
		{"Identity provider lookup", "c-bad", `names another issuer: "https://other.example.com"`},
		{"Identity provider no keys", "c-bad", "holds no key"},
		{"Identity provider leads away", "c-bad", "keys (JWKS) could not be read"},
		{"Identity provider metadata", "c-bad", "private network"},
		{"Identity provider private", "c-bad", "private network"},
		{"Identity provider not json", "c-bad", "is not JSON"},
		{"Identity provider metadata by jwks_uri", "c-bad", "private network"},
		{"Zuora", "c-good", "takes the credentials"},
		{"Lookup field LimioExternalId__c", "c-bad", "not indexed"},
		{"Limio", "c-bad", "Limio refused the credentials."},
	} {
		if state[tc.what] != tc.state || !strings.Contains(says[tc.what], tc.says) {
			t.Errorf("%s is %s: %q, want %s: %q", tc.what, state[tc.what], says[tc.what], tc.state, tc.says)
		}
	}
	// An administrator checks what is in the form, before it is saved.
	b.settings.value = twoProviders()
	c := b.signIn("admin")
	a = c.post("/settings", with(c.get("/settings").form(t), "do", "check", "providers[0].issuer", s.Providers[0].Issuer,
		"providers[1].issuer", "http://127.0.0.1:1", "providers[1].claims[0].accountLookupField", "Missing__c"))
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Texts(".checks .c-good b"); !cmp.Equal(got, []string{"Identity provider direct", "Zuora"}) {
		t.Errorf("good are %q", got)
	}
	if got := strings.Join(a.Texts(".checks .c-bad"), "\n"); !strings.Contains(got, "no such custom field") {
		t.Errorf("bad are %q", got)
	}
	if b.settings.value.Version != 4 || len(b.settings.earlier) != 0 {
		t.Error("a check saved something")
	}
}
