package console_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"hotsync/shared/catalogue"
	"hotsync/shared/cataloguestore"
	"hotsync/shared/console/internal/sample"
	"hotsync/shared/hotsync"
)

// seenPlans is a catalogue whose syncs have seen these rate plans.
type seenPlans struct {
	plans []cataloguestore.Plan
	fail  error
}

func (s seenPlans) Plans(context.Context) ([]cataloguestore.Plan, error) { return s.plans, s.fail }

func somePlans() seenPlans {
	return seenPlans{plans: []cataloguestore.Plan{
		{ProductRatePlanID: strings.Repeat("a", 32), RatePlan: "UK Monthly", Product: sample.Hostile, SKU: "SKU-1",
			Currency: "GBP", Outcome: catalogue.Unmatched,
			Subscriptions: 50, More: true, LastSeen: "2026-11-22", Candidates: []string{"/offers/Other"}},
		{ProductRatePlanID: strings.Repeat("b", 32), RatePlan: "Yearly", Product: "Print", Currency: "EUR",
			Outcome: catalogue.Ambiguous, Path: "/offers/Print",
			Candidates: []string{"/offers/Print", "/offers/Print 2"}, LastSeen: "2026-11-21"},
		{ProductRatePlanID: strings.Repeat("c", 32), RatePlan: "Digital", Product: "Digital", Outcome: catalogue.Matched,
			Path: "/offers/Digital", ByTable: true},
	}}
}

func TestCataloguePage(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.settings.value.CatalogueMap = map[string]string{strings.Repeat("c", 32): "/offers/Digital",
		strings.Repeat("d", 32): "/offers/Old"}
	cfg := b.config()
	cfg.Catalogue = somePlans()
	b.serve(cfg)
	c := b.signIn("viewer")
	a := c.get("/catalogue")
	a.wantStatus(t, http.StatusOK)
	a.Sound()
	a.wantNoHTML(t)
	rows := a.Texts(".plans tbody tr")
	for i, want := range []string{"a product with the code “SKU-1”, priced in GBP", "/offers/Print 2", "by the settings"} {
		if i >= len(rows) || !strings.Contains(rows[i], want) {
			t.Errorf("row %d of %q does not say %q", i, rows, want)
		}
	}
	if !strings.Contains(rows[0], "50+") {
		t.Errorf("the first row says %q", rows[0])
	}
	if got := a.Text("#h-unused ~ ul"); !strings.Contains(got, "/offers/Old") || strings.Contains(got, "/offers/Digital") {
		t.Errorf("unused are %q", got)
	}
	for i, href := range a.Attrs(".presets a", "href") {
		a := c.get(href)
		a.wantStatus(t, http.StatusOK)
		a.Sound()
		if got, want := a.Count(".plans tbody tr"), []int{3, 1, 1, 1}[i]; got != want {
			t.Errorf("%s shows %d rate plans, want %d", href, got, want)
		}
	}
	c.get("/catalogue?outcome=x").wantStatus(t, http.StatusBadRequest)

	cfg.Catalogue = seenPlans{}
	b.serve(cfg)
	a = b.signIn("viewer").get("/catalogue")
	a.Sound()
	if !slices.Contains(a.Texts(".empty h2"), "No rate plan was seen yet") {
		t.Errorf("without plans the page says %q", a.Text("main"))
	}
	cfg.Catalogue = seenPlans{fail: hotsync.Errorf(hotsync.CodeStoreUnavailable, "down")}
	b.serve(cfg)
	b.signIn("viewer").get("/catalogue").wantStatus(t, http.StatusServiceUnavailable)
}
