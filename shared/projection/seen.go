package projection

import (
	"fmt"
	"strings"

	"hotsync/shared/hotsync"
)

// seen is what Limio's pages show of the subscriptions, in a line each.
func (p *projector) seen(subscriptions []subscription) []hotsync.Subscription {
	out := make([]hotsync.Subscription, 0, len(subscriptions))
	for _, s := range subscriptions {
		x := hotsync.Subscription{Number: s.zuora.Number, Plan: displayName(s.main), Status: s.object.Status,
			Currency: s.price.currency, Every: s.price.period.words()}
		if s.price.amount.Valid {
			x.Amount = money(s.price.amount.Decimal, s.price.currency)
		}
		for _, o := range p.objects {
			if o.Kind != Schedule || o.Related != s.object.ID {
				continue
			}
			day, _, _ := strings.Cut(text(o.Data, "date"), "T")
			if day >= p.opt.Today && (x.NextDay == "" || day < x.NextDay) {
				x.NextDay, x.NextAmount = day, text(o.Data, "amount")
			}
		}
		out = append(out, x)
	}
	return out
}

// words says how often a period comes round; "" where it is neither months nor
// weeks.
func (pe period) words() string {
	switch {
	case pe.months == 1:
		return "monthly"
	case pe.months == 3:
		return "quarterly"
	case pe.months == 12:
		return "yearly"
	case pe.months > 0 && pe.months%12 == 0:
		return fmt.Sprintf("every %d years", pe.months/12)
	case pe.months > 0:
		return fmt.Sprintf("every %d months", pe.months)
	case pe.weeks == 1:
		return "weekly"
	case pe.weeks > 0:
		return fmt.Sprintf("every %d weeks", pe.weeks)
	default:
		return ""
	}
}
