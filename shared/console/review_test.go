package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hidden is what the form of a review, or of a sign-in in mid-form, sends again.
func (a answer) hidden(t *testing.T) url.Values {
	t.Helper()
	v := url.Values{}
	names, values := a.Attrs(`main form input[type="hidden"]`, "name"), a.Attrs(`main form input[type="hidden"]`, "value")
	for i := range names {
		v.Add(names[i], values[i])
	}
	return v
}

func TestSettingsReview(t *testing.T) {
	t.Parallel()

	b := setupSettings(t)
	b.settings.value.CatalogueMap = map[string]string{strings.Repeat("a", 32): "/offers/Digital = 1"}
	c := b.signIn("admin")
	form := c.get("/settings").form(t)

	a := c.post("/settings", with(form, "do", "review"))
	a.wantStatus(t, http.StatusOK)
	if got := a.Text(".note[role=status]"); !strings.Contains(got, "in force already") {
		t.Errorf("without a change the page says %q", got)
	}

	a = c.post("/settings",
		with(form, "do", "review", "hotSync", "", "providers[0].name", "customers", "timeZone", "Europe/Rome"))
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if diff := cmp.Diff([]string{"Hot sync", "customers: Name", "Time zone"}, a.Texts("tbody th")); diff != "" {
		t.Errorf("the review tells (-want +got):\n%s", diff)
	}
	if got := strings.Join(a.Texts(".note.warn"), " "); !strings.Contains(got, "Hot sync is switched off") ||
		!strings.Contains(got, "direct is called customers") {
		t.Errorf("the review warns of %q", got)
	}
	sent := a.hidden(t)

	// Without a reason nothing is saved, and nothing is lost.
	a = c.post("/settings", with(sent, "do", "save", "note", " "))
	a.wantStatus(t, http.StatusBadRequest)
	a.Sound()
	if b.settings.value.Version != 4 || !cmp.Equal(a.hidden(t), sent) {
		t.Errorf("without a reason version %d is in force, and the form became %v", b.settings.value.Version, a.hidden(t))
	}
	a = c.post("/settings", with(sent, "do", "edit"))
	if got := a.form(t); got.Get("timeZone") != "Europe/Rome" || got.Get("providers[0].name") != "customers" ||
		got.Has("hotSync") {
		t.Errorf("back in the form: %v", got)
	}
	a = c.post("/settings", with(sent, "do", "save", "note", "Summer <b>"))
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	got := b.settings.value
	if got.Version != 5 || got.UpdatedFor != "Summer <b>" || got.TimeZone != "Europe/Rome" || len(got.CatalogueMap) != 1 {
		t.Errorf("saved %+v", got)
	}
	if note := b.acts.list[len(b.acts.list)-1].Note; note != "Summer <b> (Hot sync; customers: Name; Time zone)" {
		t.Errorf("recorded %q", note)
	}
	for _, path := range []string{"/settings", "/settings/history", "/settings/history/5"} {
		a := c.get(path)
		a.Sound()
		if !strings.Contains(strings.Join(a.Texts("q"), ""), "Summer <b>") {
			t.Errorf("%s does not say why", path)
		}
	}
}

// TestSessionEndsInMidForm: what was typed comes back after the sign-in, and is
// saved as it was meant.
func TestSessionEndsInMidForm(t *testing.T) {
	t.Parallel()

	b := setupSettings(t)
	c := b.signIn("admin")
	form := c.get("/settings").form(t)
	b.pass(31 * time.Minute)
	a := c.post("/settings", with(form, "do", "review", "timeZone", "Europe/Rome", "test[0]", "secret token"))
	a.wantStatus(t, http.StatusUnauthorized)
	a.Sound()
	if strings.Contains(a.body, "secret token") {
		t.Error("a pasted token came back")
	}
	if got := a.Attrs("main form", "action"); !cmp.Equal(got, []string{"/settings"}) {
		t.Fatalf("the form is sent to %q", got)
	}
	again := a.hidden(t)
	b.provider.Next(map[string]any{"sub": "staff-admin", "name": "Member admin", "groups": []any{"admin"}})
	c.get(a.Attrs("main ol a", "href")[0]).wantStatus(t, http.StatusOK)
	a = c.post("/settings", again)
	a.wantStatus(t, http.StatusOK)
	if diff := cmp.Diff([]string{"Time zone"}, a.Texts("tbody th")); diff != "" {
		t.Errorf("after signing in again the review tells (-want +got):\n%s", diff)
	}
}

func TestProviderIsTestedBesideIt(t *testing.T) {
	t.Parallel()

	b := setupSettings(t)
	b.sides.numbers = map[string]string{"A00000001": accountOne}
	c := b.signIn("admin")
	form := c.get("/settings").form(t)
	// The claim has another name in the form than in what is in force.
	a := c.post("/settings", with(form, "do", "test:0", "providers[0].claims[0].claim", "accounts", "test[0]",
		`{"sub": "person-4711", "accounts": "A00000001"}`))
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	if got := a.Text("#p-1 .test [role=status]"); !strings.Contains(got, "A00000001") ||
		!strings.Contains(got, "which Zuora knows") {
		t.Errorf("the test says %q", got)
	}
	if strings.Contains(a.body, "person-4711") {
		t.Error("what was pasted came back")
	}
	a = c.post("/settings", with(form, "do", "test:1", "test[1]", "nonsense"))
	if got := a.Text("#p-2 .test [role=alert]"); !strings.Contains(got, "neither a JSON object nor a token") {
		t.Errorf("the test says %q", got)
	}
	c.post("/settings", with(form, "do", "test:9")).wantStatus(t, http.StatusBadRequest)
	if b.settings.value.Version != 4 {
		t.Error("a test saved something")
	}
}

func TestProviderPresets(t *testing.T) {
	t.Parallel()

	b := setupSettings(t)
	c := b.signIn("admin")
	form := c.get("/settings")
	ids := form.Attrs("#preset option", "value")
	if len(ids) < 5 {
		t.Fatalf("presets: %q", ids)
	}
	for _, id := range ids[1:] {
		a := c.post("/settings", with(form.form(t), "do", "add-provider", "preset", id))
		a.wantStatus(t, http.StatusOK)
		a.Sound()
		if a.Count("#p-3") != 1 || a.Attrs("#f-providers-2-claims-0-claim", "value")[0] == "" {
			t.Errorf("%s: the provider has no claim", id)
		}
		// What is in braces has to be filled in first.
		c.post("/settings", with(a.form(t), "do", "review", "providers[2].audiences", "web")).wantStatus(t,
			http.StatusUnprocessableEntity)
	}
}
