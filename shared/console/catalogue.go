package console

import (
	"net/http"

	"hotsync/shared/cataloguestore"
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
