package hotsync

import (
	"fmt"
	"slices"
)

// Severity says whether somebody has to act on a finding.
type Severity string

// The severities.
const (
	SeverityAttention Severity = "attention" // synced, but somebody has to do something
	SeverityNote      Severity = "note"      // worth knowing; nothing to do
)

// FindingCode names a kind of finding. It is stable: people search by it.
type FindingCode string

// The codes.
const (
	FindingOther     FindingCode = "note"       // has no code of its own
	FindingNotLinked FindingCode = "not_linked" // the login does not see the account, and why

	FindingPlanUnmatched  FindingCode = "plan_unmatched"     // a rate plan has no offer in Limio's catalogue
	FindingPlanAmbiguous  FindingCode = "plan_ambiguous"     // several offers of the catalogue may be meant
	FindingNoBasePlan     FindingCode = "no_base_plan"       // a subscription has nothing that can be its plan
	FindingPriceDiffers   FindingCode = "price_differs"      // the customer pays something else than the catalogue says
	FindingPriceUnknown   FindingCode = "price_unknown"      // what is paid cannot be told, or only in part
	FindingOfferUnmanaged FindingCode = "offer_unmanageable" // an offer lacks what self-service needs
	FindingCatalogueItem  FindingCode = "catalogue_item"     // an item of the catalogue is not as described
	FindingCatalogueOld   FindingCode = "catalogue_old"      // Limio did not give its catalogue; an older copy was used
	FindingCatalogueMap   FindingCode = "catalogue_map"      // the settings name an item that is not published
	FindingSubscription   FindingCode = "subscription_left"  // a subscription was left out
	FindingServedUntil    FindingCode = "served_until"       // a cancelled subscription that still runs
	// the schedules come from the charges, not from Zuora's preview
	FindingScheduleSource   FindingCode = "schedule_source"
	FindingScheduleTax      FindingCode = "schedule_tax"     // Zuora's preview has no tax where tax is added on top
	FindingScheduleItem     FindingCode = "schedule_item"    // something Zuora's preview says was not used
	FindingAccountCRMID     FindingCode = "crm_id"           // the CRM id is of no use as it is
	FindingAddressCountry   FindingCode = "country_unknown"  // a country that has no code
	FindingDefaultPayment   FindingCode = "default_payment"  // the default payment method is none
	FindingSettingNotNeeded FindingCode = "setting_not_used" // a setting that does nothing
	FindingNotReconciled    FindingCode = "not_reconciled"   // a reconcile run that left accounts different from Zuora
)

// Finding is something to say about a sync that did not fail because of it.
type Finding struct {
	Code     FindingCode `json:"code"`
	Severity Severity    `json:"severity"`
	Message  string      `json:"message"`          // a sentence with account data such as numbers, never anything personal
	Hint     string      `json:"hint,omitempty"`   // what to do
	Object   string      `json:"object,omitempty"` // what it is about: a subscription number, a Limio id, an account
}

// Note returns a finding that asks for nothing.
func Note(code FindingCode, object, format string, args ...any) Finding {
	return Finding{Code: code, Severity: SeverityNote, Object: object, Message: fmt.Sprintf(format, args...)}
}

// Attention returns a finding that somebody has to act on; hint says how.
func Attention(code FindingCode, object, hint, format string, args ...any) Finding {
	return Finding{
		Code:     code,
		Severity: SeverityAttention,
		Object:   object,
		Hint:     hint,
		Message:  fmt.Sprintf(format, args...),
	}
}

// AttentionCount returns how many of the findings somebody has to act on.
func AttentionCount(findings []Finding) int {
	n := 0
	for _, f := range findings {
		if f.Severity == SeverityAttention {
			n++
		}
	}
	return n
}

// AddFinding returns the findings with f, once.
func AddFinding(findings []Finding, f Finding) []Finding {
	if slices.Contains(findings, f) {
		return findings
	}
	return append(findings, f)
}

// Messages returns the findings' messages.
func Messages(findings []Finding) []string {
	out := make([]string, len(findings))
	for i, f := range findings {
		out[i] = f.Message
	}
	return out
}
