package zuora

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
)

const (
	pathSubscriptions = "/v1/subscriptions/accounts/{key}"
	// querySubscriptions asks for pages of 40, the most there is, and for every
	// segment of a charge: by default Zuora sends the last one, which may be next
	// year's price. Source:
	// https://developer.zuora.com/v1-api-reference/api/operation/GET_SubscriptionsByAccount
	querySubscriptions = "page=%d&pageSize=40&charge-detail=all-segments"
	// rereads is how often the list is read when it moves under the reader.
	rereads = 3
)

// errMoved says that a page repeats a subscription of an earlier one: the list
// is sorted by last change, so that a change moves the others down while its own
// subscription comes up to a page that has been read.
var errMoved = errors.New("the list moved")

// subscriptions reads every page: what is missing would read as ended.
func (c *Client) subscriptions(ctx context.Context, accountID string) ([]billing.Subscription, error) {
	for range rereads {
		subs, err := c.subscriptionPages(ctx, accountID)
		if !errors.Is(err, errMoved) {
			return subs, err
		}
	}
	return nil, hotsync.Errorf(hotsync.CodeZuoraAnswer, "The pages of subscriptions repeat themselves.")
}

func (c *Client) subscriptionPages(ctx context.Context, accountID string) ([]billing.Subscription, error) {
	var subs []billing.Subscription
	seen := map[string]bool{}
	for page := 1; page <= c.maxPages; page++ {
		r, err := c.getCall(pathSubscriptions, accountID, fmt.Sprintf(querySubscriptions, page))
		if err != nil {
			return nil, err
		}
		p, err := get(
			ctx,
			c,
			r,
			func(body io.Reader) (subscriptionPage, error) { return readSubscriptions(body, accountID) },
		)
		if err != nil {
			return nil, err
		}
		for _, number := range p.numbers {
			if seen[number] {
				return nil, errMoved
			}
			seen[number] = true
		}
		subs = append(subs, p.subscriptions...)
		if p.next == "" {
			slices.SortFunc(subs, func(a, b billing.Subscription) int { return strings.Compare(a.Number, b.Number) })
			return subs, nil
		}
		// The link only says that there is more, and may name the host of another data
		// centre: the page is asked for by number, of the host that is configured.
		if len(p.numbers) == 0 {
			return nil, hotsync.Errorf(
				hotsync.CodeZuoraAnswer,
				"A page of subscriptions is empty and says that there are more.",
			)
		}
	}
	return nil, hotsync.Errorf(
		hotsync.CodeZuoraAnswer,
		"The account has more than %d pages of subscriptions.",
		c.maxPages,
	)
}

type subscriptionPage struct {
	numbers       []string // of all that are listed
	subscriptions []billing.Subscription
	next          string
}

// readSubscriptions reads a page. A subscription that another account owns, or
// that a later version has replaced, is listed but not taken.
func readSubscriptions(body io.Reader, accountID string) (subscriptionPage, error) {
	var p subscriptionPage
	listed := false
	err := answer(body, true, func(d decoder, name string) error {
		switch name {
		case "nextPage":
			return d.value(&p.next)
		case "subscriptions":
			listed = true
			return d.list(func(d decoder) error {
				var s subscription
				err := d.value(&s)
				if err != nil {
					return err
				}
				if s.Number == "" {
					return errors.New("a subscription has no number")
				}
				p.numbers = append(p.numbers, s.Number)
				foreign := s.AccountID != "" && s.AccountID != accountID
				replaced := s.Latest != nil && !*s.Latest
				if foreign || replaced {
					return nil
				}
				err = s.whole()
				if err != nil {
					return err
				}
				p.subscriptions = append(p.subscriptions, s.plain())
				return nil
			})
		default:
			return d.skip()
		}
	})
	if err == nil && !listed {
		err = &memberError{"subscriptions", errNoList}
	}
	return p, err
}

type subscription struct {
	ID                string     `json:"id"`
	Number            string     `json:"subscriptionNumber"`
	Version           integer    `json:"version"`
	Latest            *bool      `json:"isLatestVersion"`
	Status            string     `json:"status"`
	AccountID         string     `json:"accountId"`
	Currency          string     `json:"currency"`
	TermType          string     `json:"termType"`
	ContractEffective date       `json:"contractEffectiveDate"`
	Start             date       `json:"subscriptionStartDate"`
	End               date       `json:"subscriptionEndDate"`
	TermStart         date       `json:"termStartDate"`
	TermEnd           date       `json:"termEndDate"`
	ScheduledCancel   date       `json:"scheduledCancelDate"`
	AutoRenew         bool       `json:"autoRenew"`
	RatePlans         []ratePlan `json:"ratePlans"`
}

// whole makes sure that no list is missing: what is not listed would be ended.
func (s *subscription) whole() error {
	if s.RatePlans == nil {
		return &memberError{"ratePlans", errNoList}
	}
	for i := range s.RatePlans {
		if s.RatePlans[i].Charges == nil {
			return &memberError{"ratePlans.ratePlanCharges", errNoList}
		}
	}
	return nil
}

func (s *subscription) plain() billing.Subscription {
	out := billing.Subscription{
		ID:                s.ID,
		Number:            s.Number,
		Version:           int(s.Version),
		Status:            s.Status,
		TermType:          s.TermType,
		ContractEffective: string(s.ContractEffective),
		Start:             string(s.Start),
		End:               string(s.End),
		TermStart:         string(s.TermStart),
		TermEnd:           string(s.TermEnd),
		AutoRenew:         s.AutoRenew,
		Currency:          s.Currency,
		ScheduledCancel:   string(s.ScheduledCancel),
		RatePlans:         make([]billing.RatePlan, 0, len(s.RatePlans)),
	}
	for i := range s.RatePlans {
		out.RatePlans = append(out.RatePlans, s.RatePlans[i].plain(s.Currency))
	}
	slices.SortFunc(out.RatePlans, func(a, b billing.RatePlan) int {
		return cmp.Or(
			strings.Compare(a.Number, b.Number),
			strings.Compare(firstCharge(a), firstCharge(b)),
			strings.Compare(a.ID, b.ID),
		)
	})
	return out
}

// firstCharge returns the one name of a rate plan that outlives a version where
// Zuora sends no rate-plan number.
func firstCharge(p billing.RatePlan) string {
	if len(p.Charges) == 0 {
		return ""
	}
	return p.Charges[0].Number
}

type ratePlan struct {
	ID                string   `json:"id"`
	Number            string   `json:"subscriptionRatePlanNumber"`
	Name              string   `json:"ratePlanName"`
	ProductName       string   `json:"productName"`
	ProductSKU        string   `json:"productSku"`
	ProductID         string   `json:"productId"`
	ProductRatePlanID string   `json:"productRatePlanId"`
	LastChangeType    string   `json:"lastChangeType"`
	Charges           []charge `json:"ratePlanCharges"`
}

func (p *ratePlan) plain(currency string) billing.RatePlan {
	out := billing.RatePlan{
		ID:                p.ID,
		Number:            p.Number,
		Name:              p.Name,
		ProductName:       p.ProductName,
		ProductSKU:        p.ProductSKU,
		ProductID:         p.ProductID,
		ProductRatePlanID: p.ProductRatePlanID,
		LastChangeType:    p.LastChangeType,
		Charges:           make([]billing.Charge, 0, len(p.Charges)),
	}
	for i := range p.Charges {
		out.Charges = append(out.Charges, p.Charges[i].plain(currency))
	}
	slices.SortFunc(out.Charges, func(a, b billing.Charge) int {
		return cmp.Or(strings.Compare(a.Number, b.Number), strings.Compare(a.Name, b.Name))
	})
	return out
}

type charge struct {
	Number                string    `json:"number"`
	Name                  string    `json:"name"`
	Type                  string    `json:"type"`
	Model                 string    `json:"model"`
	Currency              string    `json:"currency"`
	UOM                   string    `json:"uom"`
	BillingPeriod         string    `json:"billingPeriod"`
	SpecificBillingPeriod integer   `json:"specificBillingPeriod"`
	ListPriceBase         string    `json:"listPriceBase"`
	SpecificListPriceBase integer   `json:"specificListPriceBase"`
	BillingTiming         string    `json:"billingTiming"`
	EndDateCondition      string    `json:"endDateCondition"`
	DiscountLevel         string    `json:"discountLevel"`
	UpToPeriods           integer   `json:"upToPeriods"`
	UpToPeriodsType       string    `json:"upToPeriodsType"`
	Segments              []segment `json:"chargeSegments"`
	segment                         // the charge itself tells its last segment
}

func (c *charge) plain(currency string) billing.Charge {
	out := billing.Charge{
		Number:                c.Number,
		Name:                  c.Name,
		Type:                  c.Type,
		Model:                 c.Model,
		Currency:              cmp.Or(c.Currency, currency),
		UOM:                   c.UOM,
		BillingPeriod:         c.BillingPeriod,
		SpecificBillingPeriod: int(c.SpecificBillingPeriod),
		ListPriceBase:         c.ListPriceBase,
		SpecificListPriceBase: int(c.SpecificListPriceBase),
		BillingTiming:         c.BillingTiming,
		EndDateCondition:      c.EndDateCondition,
		DiscountLevel:         c.DiscountLevel,
		UpToPeriods:           int(c.UpToPeriods),
		UpToPeriodsType:       c.UpToPeriodsType,
	}
	if len(c.Segments) == 0 {
		out.Segments = []billing.Segment{c.segment.plain()}
		return out
	}
	out.Segments = make([]billing.Segment, 0, len(c.Segments))
	for i := range c.Segments {
		out.Segments = append(out.Segments, c.Segments[i].plain())
	}
	slices.SortStableFunc(out.Segments, func(a, b billing.Segment) int { return strings.Compare(a.From, b.From) })
	return out
}

type segment struct {
	From               date   `json:"effectiveStartDate"`
	Until              date   `json:"effectiveEndDate"`
	ChargedThrough     date   `json:"chargedThroughDate"`
	Price              amount `json:"price"`
	Quantity           amount `json:"quantity"`
	DiscountAmount     amount `json:"discountAmount"`
	DiscountPercentage amount `json:"discountPercentage"`
	Tiers              []tier `json:"tiers"`
}

func (s *segment) plain() billing.Segment {
	out := billing.Segment{
		From:               string(s.From),
		Until:              string(s.Until),
		ChargedThrough:     string(s.ChargedThrough),
		Price:              s.Price.NullDecimal,
		Quantity:           s.Quantity.NullDecimal,
		DiscountAmount:     s.DiscountAmount.NullDecimal,
		DiscountPercentage: s.DiscountPercentage.NullDecimal,
	}
	for _, t := range s.Tiers {
		out.Tiers = append(
			out.Tiers,
			billing.Tier{
				StartingUnit: t.StartingUnit.Decimal,
				EndingUnit:   t.EndingUnit.NullDecimal,
				Price:        t.Price.Decimal,
				FlatFee:      strings.EqualFold(strings.ReplaceAll(t.PriceFormat, " ", ""), "FlatFee"),
			},
		)
	}
	slices.SortStableFunc(out.Tiers, func(a, b billing.Tier) int { return a.StartingUnit.Cmp(b.StartingUnit) })
	return out
}

type tier struct {
	StartingUnit amount `json:"startingUnit"`
	EndingUnit   amount `json:"endingUnit"`
	Price        amount `json:"price"`
	PriceFormat  string `json:"priceFormat"`
}
