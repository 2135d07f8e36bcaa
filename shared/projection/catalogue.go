package projection

import "hotsync/shared/billing"

// Limio matches a rate plan to an offer of its catalogue by name, and shows what
// it cannot match without one. It advises to migrate the catalogue first and not
// to create offers and add-ons during hot sync, so both are off by default. No
// public endpoint creates catalogue entries; what hotsync can do is assumed:
//
//   - CreateOffers puts into an offer the offer it stands for, in the shape of
//     Limio's own samples, made from the rate plan.
//   - CreateAddOns calls every base plan of a subscription but the first an
//     add-on.

const subtypeAddOn = "add_on"

// baseSubtype is the record_subtype of the nth base plan of a subscription.
func (p *projector) baseSubtype(nth int) string {
	if nth > 1 && p.opt.CreateAddOns {
		return subtypeAddOn
	}
	return subtypeBase
}

func (p *projector) addCatalogueOffer(data map[string]any, plan billing.RatePlan) {
	if !p.opt.CreateOffers || isDiscountPlan(plan) {
		return
	}
	data["offer"] = map[string]any{
		"record_type": "offer",
		"service":     serviceLimio,
		"status":      StatusActive,
		"data": map[string]any{
			"name":           plan.Name,
			"attributes":     map[string]any{"display_name__limio": plan.Name},
			"productBundles": []any{map[string]any{"product_path": "/products/" + plan.ProductName, "rate_plan": plan.Name}},
		},
	}
}
