package zuora

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
)

const (
	// objectPage is the largest page of Object Query. Lists inside an expanded
	// object are cut at it without a word.
	objectPage = 99
	// queryAccount asks Object Query for an account, its contacts and its payment
	// methods. Subscriptions would come in all their versions, so they are not
	// asked for here.
	queryAccount = "pageSize=99&expand%5B%5D=billto&expand%5B%5D=soldto&expand%5B%5D=shipto&expand%5B%5D=paymentmethods"

	pathObjectAccount  = "/object-query/accounts/{key}"
	pathAccount        = "/v1/accounts/{key}"
	pathPaymentMethods = "/v1/accounts/{key}/payment-methods"
)

// ReadOptions says how an account is read.
type ReadOptions struct {
	Plan hotsync.ZuoraPlan // PlanH when empty
	// CustomFields are the API names (X__c) of the account's custom fields to read;
	// no other is.
	CustomFields []string
	// Preview asks for what Zuora would bill next, beside the other reads; Today is
	// the day it looks ahead from (YYYY-MM-DD), the client's own when empty.
	Preview bool
	Today   string
}

// Read returns the account with that id and everything on it: contacts, payment
// methods of every status but Scrubbed, and the latest version of every
// subscription. Both plans give the same value. Payment methods are sorted by
// id, subscriptions by number, rate plans and charges by number.
//
// A billing preview that Zuora refuses, or does not give in its own time limit,
// is no error: the account says why it is missing.
//
// The reads of a plan run at the same time and are not one moment: a change in
// between shows at the next sync.
func (c *Client) Read(ctx context.Context, accountID string, opt ReadOptions) (_ billing.Account, err error) {
	defer hotsync.In(&err, "zuora.Read(%q)", accountID)
	if !hotsync.IsAccountID(accountID) {
		return billing.Account{}, hotsync.Errorf(hotsync.CodeBadRequest, "This is no account id of Zuora.")
	}
	var account billing.Account
	var methods []billing.PaymentMethod
	var subscriptions []billing.Subscription
	preview := billing.Preview{Missing: previewOff}
	g, gctx := errgroup.WithContext(ctx)
	if opt.Plan == hotsync.PlanV {
		g.Go(func() (err error) {
			account, err = c.account(gctx, accountID, opt.CustomFields)
			return err
		})
		g.Go(func() (err error) {
			methods, err = c.paymentMethods(gctx, accountID)
			return err
		})
	} else {
		g.Go(func() (err error) {
			account, methods, err = c.objectAccount(gctx, accountID, opt.CustomFields)
			return err
		})
	}
	g.Go(func() (err error) {
		subscriptions, err = c.subscriptions(gctx, accountID)
		return err
	})
	if opt.Preview {
		g.Go(func() error {
			preview = c.preview(gctx, accountID, opt.Today)
			return nil
		})
	}
	err = g.Wait()
	if err != nil {
		return billing.Account{}, err
	}
	if account.ID != accountID {
		return billing.Account{}, hotsync.Errorf(
			hotsync.CodeZuoraAnswer,
			"Zuora answered with another account than the one asked for.",
		)
	}
	account.PaymentMethods, account.Subscriptions, account.Preview = methods, subscriptions, preview
	return account, nil
}

// objectAccount is the account part of plan H.
func (c *Client) objectAccount(
	ctx context.Context,
	accountID string,
	custom []string,
) (billing.Account, []billing.PaymentMethod, error) {
	r, err := c.getCall(pathObjectAccount, accountID, queryAccount)
	if err != nil {
		return billing.Account{}, nil, err
	}
	var methods []billing.PaymentMethod
	whole := false
	account, err := get(ctx, c, r, func(body io.Reader) (billing.Account, error) {
		var a billing.Account
		var listed int
		a, methods, listed, err = readObjectAccount(body, custom)
		whole = listed >= 0 && listed < objectPage
		return a, err
	})
	if err != nil || whole {
		return account, methods, err
	}
	methods, err = c.paymentMethods(ctx, accountID)
	return account, methods, err
}

// account and paymentMethods are plan V.
func (c *Client) account(ctx context.Context, key string, custom []string) (billing.Account, error) {
	r, err := c.getCall(pathAccount, key, "")
	if err != nil {
		return billing.Account{}, err
	}
	return get(ctx, c, r, func(body io.Reader) (billing.Account, error) { return readAccount(body, custom) })
}

func (c *Client) paymentMethods(ctx context.Context, key string) ([]billing.PaymentMethod, error) {
	r, err := c.getCall(pathPaymentMethods, key, "")
	if err != nil {
		return nil, err
	}
	return get(ctx, c, r, readPaymentMethods)
}

// readObjectAccount reads the answer of Object Query. listed counts the payment
// methods in it, with those that are left out; it is -1 when there is no list of
// them, which is no proof that there are none.
func readObjectAccount(
	body io.Reader,
	custom []string,
) (a billing.Account, methods []billing.PaymentMethod, listed int, err error) {
	into := map[string]any{
		"id":                     &a.ID,
		"accountNumber":          &a.Number,
		"name":                   &a.Name,
		"status":                 &a.Status,
		"crmId":                  &a.CRMID,
		"currency":               &a.Currency,
		"defaultPaymentMethodId": &a.DefaultPaymentMethodID,
	}
	contacts := map[string]**billing.Contact{"billTo": &a.BillTo, "soldTo": &a.SoldTo, "shipTo": &a.ShipTo}
	listed = -1
	err = answer(body, false, func(d decoder, name string) error {
		if to, ok := into[name]; ok {
			return d.value(to)
		}
		if to, ok := contacts[name]; ok {
			return readContact(d, to)
		}
		if name == "paymentMethods" {
			listed = 0
			err := d.list(func(d decoder) error {
				var m objectPaymentMethod
				err := d.value(&m)
				listed++
				methods = appendMethod(methods, m.plain())
				return err
			})
			if errors.Is(err, errNoList) {
				listed, err = -1, nil
			}
			return err
		}
		return readCustom(d, &a, name, custom)
	})
	if err == nil && a.ID == "" {
		err = errors.New("the account has no id")
	}
	return a, sortMethods(methods), listed, err
}

// readAccount reads the answer of v1.
func readAccount(body io.Reader, custom []string) (a billing.Account, err error) {
	basic := map[string]any{
		"id":            &a.ID,
		"accountNumber": &a.Number,
		"name":          &a.Name,
		"status":        &a.Status,
		"crmId":         &a.CRMID,
	}
	paying := map[string]any{"currency": &a.Currency, "defaultPaymentMethodId": &a.DefaultPaymentMethodID}
	contacts := map[string]**billing.Contact{
		"billToContact": &a.BillTo,
		"soldToContact": &a.SoldTo,
		"shipToContact": &a.ShipTo,
	}
	err = answer(body, true, func(d decoder, name string) error {
		if to, ok := contacts[name]; ok {
			return readContact(d, to)
		}
		switch name {
		case "basicInfo":
			return d.object(func(d decoder, name string) error {
				if to, ok := basic[name]; ok {
					return d.value(to)
				}
				return readCustom(d, &a, name, custom)
			})
		case "billingAndPayment":
			return d.object(func(d decoder, name string) error {
				if to, ok := paying[name]; ok {
					return d.value(to)
				}
				return d.skip()
			})
		}
		return d.skip()
	})
	if err == nil && a.ID == "" {
		err = errors.New("the account has no id")
	}
	return a, err
}

// readCustom reads a custom field that is wanted, and skips every other member.
// An empty field is as good as none: v1 sends "" where Object Query leaves it out.
func readCustom(d decoder, a *billing.Account, name string, wanted []string) error {
	i := slices.IndexFunc(wanted, func(w string) bool { return sameField(w, name) })
	if i < 0 {
		return d.skip()
	}
	var value scalar
	err := d.value(&value)
	if err != nil || value == "" {
		return err
	}
	if a.CustomFields == nil {
		a.CustomFields = map[string]string{}
	}
	a.CustomFields[wanted[i]] = string(value)
	return nil
}

// sameField compares the API name of a field with the name in an answer, where
// Object Query has put the first letter in lower case.
func sameField(api, answered string) bool {
	return len(api) == len(answered) && api != "" && api[1:] == answered[1:] && strings.EqualFold(api[:1], answered[:1])
}

// contact has the members of both v1 (zipCode) and Object Query (postalCode).
type contact struct {
	ID            string `json:"id"`
	FirstName     string `json:"firstName"`
	LastName      string `json:"lastName"`
	WorkEmail     string `json:"workEmail"`
	PersonalEmail string `json:"personalEmail"`
	Address1      string `json:"address1"`
	Address2      string `json:"address2"`
	City          string `json:"city"`
	State         string `json:"state"`
	ZipCode       string `json:"zipCode"`
	PostalCode    string `json:"postalCode"`
	Country       string `json:"country"`
}

// readContact reads a contact; an absent or empty one is nil.
func readContact(d decoder, to **billing.Contact) error {
	var c contact
	err := d.value(&c)
	if err != nil || c == (contact{}) {
		return err
	}
	if c.PostalCode == "" {
		c.PostalCode = c.ZipCode
	}
	*to = &billing.Contact{
		ID:         c.ID,
		FirstName:  c.FirstName,
		LastName:   c.LastName,
		WorkEmail:  c.WorkEmail,
		HomeEmail:  c.PersonalEmail,
		Address1:   c.Address1,
		Address2:   c.Address2,
		City:       c.City,
		State:      c.State,
		PostalCode: c.PostalCode,
		Country:    c.Country,
	}
	return nil
}
