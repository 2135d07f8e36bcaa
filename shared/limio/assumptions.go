package limio

// Limio publishes no way to create most objects, nor how it keeps the identity
// of a Zuora account. What hotsync assumes instead is listed here, the part that
// is package projection's included, and in docs/limits.md with what follows when
// it does not hold. `hotsync check` tells which hold, as far as reading can.
//
//  1. The Zuora account of a subscription. Limio's pages change a subscription
//     through Limio, which has to find its account in Zuora. Where Limio keeps
//     that is not known; hotsync leaves an identity (zuora, zuora, account) with
//     the customer, and the subscription's number. Check: change the payment
//     method of a test subscription in Limio's pages. Where it fails, use the
//     creationStrategy "plugin", with which Limio makes the subscription itself.
//  2. Creation. POST /objects/{service}/{path_type} creates objects of every
//     kind, with an id chosen by the caller, as public code does for promo codes
//     (promo_codes_v2). Check: create a customer with a made-up id and read it
//     back. Refused with 404 or 405, it is limio_creation_refused; the setting
//     creationStrategy "plugin" then does without it.
//  3. The envelope. Next to the observed members id, name and data such a POST
//     takes the other members Limio shows of its objects: owner, customer,
//     service, status, type, reference, related, start, relationship_type.
//     Check: the object that was read back has them.
//  4. A repeated POST. For an id that exists Limio answers 409, or 400 saying
//     so. Check: send the POST twice.
//  5. The customer of an account. GET /objects/zuora/customers/{Zuora account
//     id} finds the customer by its account identity (zuora, zuora, account):
//     service zuora is documented, the meaning of the id there is not. Check:
//     read it for an account whose customer is known. Where it answers 404 for
//     all, every sync writes the whole account: the ids are the same each time,
//     so nothing that hotsync made is duplicated.
//  6. Status by PUT. The documented update takes name and data; hotsync also
//     sends status, and only when it changes. Check: update the status of a
//     test subscription. Refused, it is limio_request_refused.
//  7. Path types. Those of customers, subscriptions, offers, payment methods,
//     addresses, identities and schedules are documented; that they are the ones
//     to create under follows from assumption 2. That of add-ons,
//     subscription_add_ons, is not. Check: their lists answer.
//  8. An object that is not there is answered with 404, or with the documented
//     502 in a way that other reads tell from an outage: see absent.go.
//  9. Data by PUT. Objects are merged member by member, lists are replaced, and
//     null empties a member.
//  10. Identities. The account identity has data {service, issuer, type, value,
//     accountNumber}, one of a CRM id likewise, and their value may be any id of
//     that system.
//  11. Ties. An address and a payment method are tied to subscriptions by
//     data.relationships, and Limio shows each tie as a row; one object may be
//     tied to many subscriptions.
//  12. data.zuora.refId. Limio keeps and shows a member of hotsync's own, by
//     which offers, add-ons, schedules and payment methods are found again; and
//     data.hotsync.accounts of an owner identity likewise, which a customer's
//     related objects include.
//  13. Copies of the catalogue. An offer or add-on written with the published
//     item in data.offer (data.add_on) is shown and managed as one that Limio
//     sold; a stand-in without id and path is shown.
//  14. Schedules. The Objects API takes them; status pending-external means that
//     payment is taken elsewhere, and Limio's own scheduler leaves them alone.
//  15. The catalogue. GET /published_catalog_items has the parameters and the
//     answer of the older GET /offers and GET /add_ons, to which hotsync falls
//     back on 404, and the OAuth client's token reads it.
//  16. Amounts. An offer's price is that of one unit, a subscription's the sum.
//  17. A subscription that is cancelled to a later day has status cancelled and
//     is served by the ends of its offers until then.
//
// The shape of data for addresses, offers and identities is package
// projection's.

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

var (
	createObject      = operation{http.MethodPost, "/objects/{service}/{path_type}"}
	customerByAccount = operation{http.MethodGet, "/objects/zuora/customers/{account}"}
)

// pathType is the kind's name in a path.
func pathType(kind projection.Kind) (string, error) {
	switch kind {
	case projection.Customer:
		return "customers", nil
	case projection.Subscription:
		return "subscriptions", nil
	case projection.SubscriptionOffer:
		return "subscription_offers", nil
	case projection.SubscriptionAddOn:
		return "subscription_add_ons", nil
	case projection.Schedule:
		return "schedules", nil
	case projection.PaymentMethod:
		return "payment_methods", nil
	case projection.Address:
		return "address", nil
	case projection.Identity:
		return "identities", nil
	default:
		return "", hotsync.Errorf(hotsync.CodeInternal, "Limio has no path for objects of kind %q.", kind)
	}
}

// createBody is the assumed envelope of a POST.
type createBody struct {
	ID               string         `json:"id"`
	Name             string         `json:"name"`
	Owner            string         `json:"owner,omitempty"`
	Customer         string         `json:"customer,omitempty"`
	Service          string         `json:"service"`
	Status           string         `json:"status,omitempty"`
	Type             string         `json:"type,omitempty"`
	Reference        string         `json:"reference,omitempty"`
	Related          string         `json:"related,omitempty"`
	Start            string         `json:"start,omitempty"`
	RelationshipType string         `json:"relationship_type,omitempty"`
	Data             map[string]any `json:"data"`
}

// Create makes an object under the id it has. When Limio already has it, it is
// brought to the same content, so that a repeat after a lost answer neither
// duplicates nor fails.
func (c *Client) Create(ctx context.Context, o projection.Object) error {
	made, err := c.CreateNew(ctx, o)
	if err != nil || made {
		return err
	}
	return c.Update(ctx, o.Kind, serviceOr(o.Service), o.ID, o.Status, o.Data)
}

// CreateNew makes an object under the id it has. It reports false, and changes
// nothing, when Limio already has it.
func (c *Client) CreateNew(ctx context.Context, o projection.Object) (made bool, err error) {
	defer hotsync.In(&err, "limio.Create(%s, %q)", o.Kind, o.ID)
	pathType, err := pathType(o.Kind)
	if err != nil {
		return false, err
	}
	service := serviceOr(o.Service)
	err = c.call(ctx, createObject, []string{service, pathType}, createBodyOf(o, service), nil)
	var r *refusal
	switch {
	case err == nil:
		return true, nil
	case !errors.As(err, &r):
		return false, err
	case r.exists():
		return false, nil
	case r.status == http.StatusNotFound, r.status == http.StatusMethodNotAllowed:
		return false, hotsync.Errorf(hotsync.CodeLimioCreation, "%d: Limio did not take a new %s.", r.status, o.Kind).
			Because(err)
	default:
		return false, err
	}
}

func createBodyOf(o projection.Object, service string) createBody {
	b := createBody{
		ID: o.ID, Name: o.Name, Owner: o.Owner, Customer: o.Customer, Service: service, Status: o.Status,
		Type: o.Type, Reference: o.Reference, Related: o.Related, Data: orEmpty(o.Data),
	}
	switch o.Kind {
	case projection.Subscription:
		b.Start, _ = o.Data["startDate"].(string)
	case projection.SubscriptionOffer, projection.SubscriptionAddOn:
		b.Start, _ = o.Data["start"].(string)
	case projection.Address:
		b.RelationshipType = o.Key // billing or delivery, see projection.KeyOf
	}
	return b
}

// exists reports whether a POST was refused because the id is taken.
func (r *refusal) exists() bool {
	return r.status == http.StatusConflict || r.status == http.StatusBadRequest && r.taken
}

// updateBody is the body of a PUT, with the assumed status.
func updateBody(status string, data map[string]any) map[string]any {
	body := map[string]any{"data": orEmpty(data)}
	if status != "" {
		body["status"] = status
	}
	return body
}

// orEmpty keeps a required member from being null.
func orEmpty(data map[string]any) map[string]any {
	if data == nil {
		return map[string]any{}
	}
	return data
}

// customerOfAccount finds the customer of a Zuora account. That there is none is
// said by 404, or by 502 when other reads say that Limio is well: see absent.go.
func (c *Client) customerOfAccount(ctx context.Context, accountID string) (_ projection.Object, found bool, err error) {
	var answer object
	err = c.call(ctx, customerByAccount, []string{accountID}, nil, &answer)
	if hasStatus(err, http.StatusBadGateway) {
		err = c.absentOr(ctx, customerByAccount, accountID, noAccount, err, &answer)
	}
	if isNotFound(err) {
		return projection.Object{}, false, nil
	}
	if err != nil {
		return projection.Object{}, false, err
	}
	if projection.Kind(answer.RecordType) != projection.Customer || !strings.HasPrefix(string(answer.ID), "cus-") {
		return projection.Object{}, false, hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio's answer is no customer.")
	}
	o, err := answer.decode()
	return o, err == nil, err
}
