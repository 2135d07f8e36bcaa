package console

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"hotsync/shared/catalogue"
	"hotsync/shared/cataloguestore"
	"hotsync/shared/hotsync"
)

// planList is the mapping of Zuora's rate plans to Limio's catalogue.
type planList struct {
	Plans []cataloguestore.Plan `json:"plans"`
}

// listPlans answers with the rate plans that syncs have seen, whosever they are.
func (c *console) listPlans(r *http.Request, _ member) (int, any, error) {
	if c.Catalogue == nil {
		return http.StatusOK, planList{[]cataloguestore.Plan{}}, nil
	}
	plans, err := c.Catalogue.Plans(r.Context())
	return http.StatusOK, planList{orEmpty(plans)}, err
}

// catalogueView is the page of rate plans and what they stand for.
type catalogueView struct {
	Plans    []cataloguestore.Plan // of the outcome asked for
	Of       map[string]int        // how many have each outcome
	Outcome  string                // asked for; "" for all
	Unused   []override            // of the settings: no sync has seen their rate plan
	Overlaid int                   // overrides in the settings
}

// override is a line of the settings' own table.
type override struct{ RatePlan, Path string }

// cataloguePage shows every rate plan that syncs have seen, its match in Limio's
// catalogue, and what to publish where there is none.
func (c *console) cataloguePage(w http.ResponseWriter, r *http.Request, m member) error {
	page := catalogueView{Of: map[string]int{}, Outcome: get(r.URL.Query(), "outcome")}
	if page.Outcome != "" && !slices.Contains(outcomes, page.Outcome) {
		return hotsync.Errorf(hotsync.CodeBadRequest, "outcome must be one of %s.", strings.Join(outcomes, ", "))
	}
	var plans []cataloguestore.Plan
	if c.Catalogue != nil {
		var err error
		plans, err = c.Catalogue.Plans(r.Context())
		if err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for _, p := range plans {
		seen[p.ProductRatePlanID] = true
		page.Of[string(p.Outcome)]++
		if page.Outcome == "" || page.Outcome == string(p.Outcome) {
			page.Plans = append(page.Plans, p)
		}
	}
	s, err := c.Settings.Load(r.Context())
	if err != nil {
		c.Log.WarnContext(r.Context(), "overrides not read", "error", err)
	}
	page.Overlaid = len(s.CatalogueMap)
	for _, id := range slices.Sorted(maps.Keys(s.CatalogueMap)) {
		if !seen[id] {
			page.Unused = append(page.Unused, override{id, s.CatalogueMap[id]})
		}
	}
	return c.render(w, r, m, "catalogue", view{Title: "Catalogue", Nav: "catalogue", Body: page})
}

var outcomes = []string{string(catalogue.Unmatched), string(catalogue.Ambiguous), string(catalogue.Matched)}
