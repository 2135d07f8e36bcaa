package zuora

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
)

const (
	pathPreview = "/v1/operations/billing-preview"
	// previewMonths is how far a preview looks: a plan that is billed once a year
	// may show nothing within twelve months.
	previewMonths = 13
	// maxPreviewItems is above what any account that is synced at login has: 60
	// subscriptions of three charges that are billed every week have 10,260.
	maxPreviewItems = 20_000
)

// Why there is no preview: values of billing.Preview.Missing.
const (
	previewOff     = "off"     // it was not asked for
	previewRefused = "refused" // Zuora does not do it for this client or this account
	previewSlow    = "slow"    // it did not come in time, or not now
	previewInvalid = "invalid" // what came cannot be read
)

// preview asks Zuora what it would bill next on the account. It never fails:
// an account without one is worth syncing, and is told so. It ends with ctx, and
// after c.previewTimeout at the latest. Source:
// https://developer.zuora.com/v1-api-reference/api/operation/POST_BillingPreview
func (c *Client) preview(ctx context.Context, accountID, today string) billing.Preview {
	ctx, cancel := context.WithTimeout(ctx, c.previewTimeout)
	defer cancel()
	target, err := previewTarget(today, c.now())
	if err != nil {
		return billing.Preview{Missing: previewInvalid}
	}
	body, err := json.Marshal(map[string]any{"accountId": accountID, "targetDate": target, "assumeRenewal": "Autorenew",
		"chargeTypeToExclude": "OneTime,Usage", "includingEvergreenSubscription": true})
	if err != nil {
		return billing.Preview{Missing: previewInvalid}
	}
	items, err := get(
		ctx,
		c,
		call{method: http.MethodPost, template: pathPreview, path: pathPreview, contentType: "application/json",
			body: string(body), pool: c.defaults, optional: true},
		readPreview,
	)
	if err != nil {
		return billing.Preview{Missing: previewMissing(err)}
	}
	return billing.Preview{Items: items}
}

// previewTarget is the day that a preview looks ahead to.
func previewTarget(today string, now time.Time) (string, error) {
	day, err := time.Parse(time.DateOnly, cmp.Or(today, now.UTC().Format(time.DateOnly)))
	return day.AddDate(0, previewMonths, 0).Format(time.DateOnly), err
}

// previewMissing returns the word for why a preview could not be had.
func previewMissing(err error) string {
	switch e := hotsync.AsError(err); {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return previewSlow
	case e.Code == hotsync.CodeZuoraAnswer:
		return previewInvalid
	case e.Code.Transient():
		return previewSlow
	default:
		return previewRefused
	}
}

// readPreview reads the answer, which has no pages and no order: items of
// several subscriptions come mixed, and their ids are no key. The items are
// sorted by subscription, day and charge. Where a tenant has credit memos, what it
// would give back comes in a list of its own.
func readPreview(body io.Reader) ([]billing.PreviewItem, error) {
	var items []billing.PreviewItem
	add := func(i billing.PreviewItem) error {
		if len(items) >= maxPreviewItems {
			return errors.New("too many items")
		}
		items = append(items, i)
		return nil
	}
	listed := false
	err := answer(body, true, func(d decoder, name string) error {
		switch name {
		case "invoiceItems":
			listed = true
			return d.list(func(d decoder) error {
				var i previewItem
				err := d.value(&i)
				if err == nil && !i.Amount.Valid {
					err = &memberError{"chargeAmount", errNoAmount}
				}
				if err != nil {
					return err
				}
				return add(i.plain())
			})
		case "creditMemoItems":
			return d.arrayIfAny(func(d decoder) error {
				var i creditItem
				err := d.value(&i)
				if err == nil && !i.Net.Valid && !i.Gross.Valid {
					err = &memberError{"amountWithoutTax", errNoAmount}
				}
				if err != nil {
					return err
				}
				return add(i.plain())
			})
		default:
			return d.skip()
		}
	})
	if err == nil && !listed {
		err = &memberError{"invoiceItems", errNoList}
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(items, func(a, b billing.PreviewItem) int {
		return cmp.Or(
			strings.Compare(a.SubscriptionNumber, b.SubscriptionNumber),
			strings.Compare(a.ServiceStart, b.ServiceStart),
			strings.Compare(a.ChargeNumber, b.ChargeNumber),
			strings.Compare(a.ProcessingType, b.ProcessingType),
			strings.Compare(a.ServiceEnd, b.ServiceEnd),
			a.Amount.Cmp(b.Amount),
			strings.Compare(a.ChargeName, b.ChargeName),
		)
	})
	return items, nil
}

var errNoAmount = errors.New("the amount is missing")

// creditItem is a line of the credit memo that Zuora would write. Whether what it
// gives back has a sign is not documented; it is taken for less to pay either
// way. Source:
// https://developer.zuora.com/v1-api-reference/api/operation/POST_BillingPreview
type creditItem struct {
	SubscriptionNumber string `json:"subscriptionNumber"`
	ChargeNumber       string `json:"chargeNumber"`
	Name               string `json:"skuName"`
	ServiceStart       date   `json:"serviceStartDate"`
	ServiceEnd         date   `json:"serviceEndDate"`
	Gross              amount `json:"amount"`
	Net                amount `json:"amountWithoutTax"`
	Quantity           amount `json:"quantity"`
}

func (i *creditItem) plain() billing.PreviewItem {
	gross, net := i.Gross.Decimal.Abs(), i.Net.Decimal.Abs()
	if !i.Net.Valid {
		net = gross
	}
	if !i.Gross.Valid {
		gross = net
	}
	return billing.PreviewItem{
		SubscriptionNumber: i.SubscriptionNumber,
		ChargeNumber:       i.ChargeNumber,
		ChargeName:         i.Name,
		ProcessingType:     "Discount",
		ServiceStart:       string(i.ServiceStart),
		ServiceEnd:         string(i.ServiceEnd),
		Amount:             net.Neg(),
		Tax:                net.Sub(gross),
		Quantity:           i.Quantity.NullDecimal,
	}
}

// previewItem is a line of the invoice that Zuora would write. Its amount is
// without tax.
type previewItem struct {
	SubscriptionNumber string `json:"subscriptionNumber"`
	SubscriptionName   string `json:"subscriptionName"` // the number too
	ChargeNumber       string `json:"chargeNumber"`
	ChargeName         string `json:"chargeName"`
	ProductName        string `json:"productName"`
	Description        string `json:"chargeDescription"`
	ProcessingType     string `json:"processingType"`
	ServiceStart       date   `json:"serviceStartDate"`
	ServiceEnd         date   `json:"serviceEndDate"`
	Amount             amount `json:"chargeAmount"`
	Tax                amount `json:"taxAmount"`
	Quantity           amount `json:"quantity"`
	UnitPrice          amount `json:"unitPrice"`
}

func (i *previewItem) plain() billing.PreviewItem {
	return billing.PreviewItem{
		SubscriptionNumber: cmp.Or(i.SubscriptionNumber, i.SubscriptionName),
		ChargeNumber:       i.ChargeNumber,
		ChargeName:         i.ChargeName,
		ProductName:        i.ProductName,
		Description:        i.Description,
		ProcessingType:     i.ProcessingType,
		ServiceStart:       string(i.ServiceStart),
		ServiceEnd:         string(i.ServiceEnd),
		Amount:             i.Amount.Decimal,
		Tax:                i.Tax.Decimal,
		Quantity:           i.Quantity.NullDecimal,
		UnitPrice:          i.UnitPrice.NullDecimal,
	}
}
