package limio

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// The documented operations:
// https://api.limio.com/tag/Get-Objects (related: documented, its path as seen
// in public clients), https://api.limio.com/tag/Update-Objects,
// https://api.limio.com/tag/Identities, https://docs.limio.com/api-docs/zuora-sync
var (
	listCustomers        = operation{http.MethodGet, "/objects/limio/customers?limit=1"}
	listObjects          = operation{http.MethodGet, "/objects/limio/{path_type}?limit=1"}
	relatedToCustomer    = operation{http.MethodGet, "/objects/limio/customer/{id}/related"}
	identityByID         = operation{http.MethodGet, "/objects/limio/identities/{id}"}
	updateObject         = operation{http.MethodPut, "/objects/{service}/{path_type}/{id}"}
	linkExternalIdentity = operation{http.MethodPost, "/objects/externalidentity/{owner}"}
	transferOwner        = operation{http.MethodPost, "/objects/owner_change"}
	syncSubscription     = operation{http.MethodPost, "/plugins/zuora/sync/subscription/{id}"}
)

// Check makes sure that Limio accepts the credentials: it asks for a token and
// reads one summary.
func (c *Client) Check(ctx context.Context) (err error) {
	defer hotsync.In(&err, "limio.Check")
	var answer struct {
		Items []json.RawMessage `json:"items"`
	}
	return c.call(ctx, listCustomers, nil, nil, &answer)
}

// CheckKind makes sure that Limio has a list of objects of that kind.
func (c *Client) CheckKind(ctx context.Context, kind projection.Kind) (err error) {
	defer hotsync.In(&err, "limio.CheckKind(%s)", kind)
	path, err := pathType(kind)
	if err != nil {
		return err
	}
	var answer struct {
		Items []json.RawMessage `json:"items"`
	}
	return c.call(ctx, listObjects, []string{path}, nil, &answer)
}

// Account reads what Limio has of a Zuora account: its customer first, then
// what is related to it, of the kinds hotsync knows, each object once. It is
// nil when Limio has no such customer. It takes two requests, or one for nil.
func (c *Client) Account(ctx context.Context, accountID string) (_ []projection.Object, err error) {
	defer hotsync.In(&err, "limio.Account(%q)", accountID)
	customer, found, err := c.customerOfAccount(ctx, accountID)
	if err != nil || !found {
		return nil, err
	}
	related, err := c.related(ctx, customer.ID)
	if err != nil {
		return nil, err
	}
	related = slices.DeleteFunc(related, func(o projection.Object) bool { return o.ID == customer.ID })
	return append([]projection.Object{customer}, related...), nil
}

// Customer reads what Limio has of one of its customers, by its own id, as Account
// does. It is nil when there is none.
func (c *Client) Customer(ctx context.Context, id string) (_ []projection.Object, err error) {
	defer hotsync.In(&err, "limio.Customer(%q)", id)
	var answer object
	err = c.call(ctx, customerByMadeID, []string{id}, nil, &answer)
	if hasStatus(err, http.StatusBadGateway) {
		err = c.absentOr(ctx, customerByMadeID, id, noCustomer, err, &answer)
	}
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return c.related(ctx, id)
}

// Identity reads an identity that Limio has.
func (c *Client) Identity(ctx context.Context, id string) (_ projection.Object, err error) {
	defer hotsync.In(&err, "limio.Identity(%q)", id)
	var answer object
	err = c.call(ctx, identityByID, []string{id}, nil, &answer)
	if err != nil {
		return projection.Object{}, err
	}
	return answer.decode()
}

func (c *Client) related(ctx context.Context, customerID string) ([]projection.Object, error) {
	var answer related
	err := c.call(ctx, relatedToCustomer, []string{customerID}, nil, &answer)
	if err != nil {
		return nil, err
	}
	return answer.objects()
}

// Update merges data into the data of an object and, unless it is "", sets the
// status. Members of data that are left out stay as they are. The name is never
// sent: a changed name may break a merchant's integrations.
func (c *Client) Update(
	ctx context.Context,
	kind projection.Kind,
	service, id, status string,
	data map[string]any,
) (err error) {
	defer hotsync.In(&err, "limio.Update(%s, %q)", kind, id)
	pathType, err := pathType(kind)
	if err != nil {
		return err
	}
	return c.call(ctx, updateObject, []string{serviceOr(service), pathType, id}, updateBody(status, data), nil)
}

// LinkExternalIdentity lets the login see what owner owns. A repeat changes
// nothing.
func (c *Client) LinkExternalIdentity(ctx context.Context, owner string, identity hotsync.Identity) (err error) {
	defer hotsync.In(&err, "limio.LinkExternalIdentity(%q)", owner)
	if identity.Issuer == "" || identity.Subject == "" {
		return hotsync.Errorf(hotsync.CodeInternal, "A login without issuer or subject cannot be linked.")
	}
	body := map[string]any{"id_token": identity}
	return c.call(ctx, linkExternalIdentity, []string{owner}, body, nil)
}

// TransferOwner returns everything that one owner identity has to another. Logins
// stay linked to the owner they were linked to:
// https://limio.zendesk.com/hc/en-gb/articles/10622544240797
func (c *Client) TransferOwner(ctx context.Context, from, to string) (err error) {
	defer hotsync.In(&err, "limio.TransferOwner(%q, %q)", from, to)
	body := map[string]any{"sourceId": from, "destinationId": to, "message": "Hotsync: the account's login signed in"}
	var answer struct {
		Success *bool `json:"success"`
	}
	err = c.call(ctx, transferOwner, nil, body, &answer)
	if err == nil && answer.Success != nil && !*answer.Success {
		return hotsync.Errorf(hotsync.CodeLimioUnavailable, "Limio did not complete the transfer of the owner.")
	}
	return err
}

// SyncSubscription lets Limio itself read a subscription from Zuora, by number,
// and create it and its customer when they are absent. It gives Limio's ids of
// the subscription and of its owner.
func (c *Client) SyncSubscription(ctx context.Context, number string) (subscriptionID, owner string, err error) {
	defer hotsync.In(&err, "limio.SyncSubscription(%q)", number)
	var answer struct {
		Success *bool  `json:"success"`
		ID      string `json:"id"`
		Owner   string `json:"owner"`
	}
	err = c.call(ctx, syncSubscription, []string{number}, nil, &answer)
	switch {
	case err != nil:
		return "", "", err
	case answer.Success != nil && !*answer.Success:
		return "", "", hotsync.Errorf(
			hotsync.CodeLimioUnavailable,
			"Limio did not complete its sync of subscription %s.",
			number,
		)
	case !strings.HasPrefix(answer.ID, "sub-") || !strings.HasPrefix(answer.Owner, "id-"):
		return "", "", hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio's answer names no subscription and owner.")
	}
	return answer.ID, answer.Owner, nil
}

// serviceOr returns the owning system as a path has it.
func serviceOr(service string) string {
	if service == "" {
		return "limio"
	}
	return service
}

// isNotFound reports whether Limio answered 404.
func isNotFound(err error) bool { return hasStatus(err, http.StatusNotFound) }

// isRefused reports whether Limio does not have what was asked for: 404, or 400
// for a parameter it does not know.
func isRefused(err error) bool { return hasStatus(err, http.StatusNotFound, http.StatusBadRequest) }

func hasStatus(err error, statuses ...int) bool {
	var r *refusal
	return errors.As(err, &r) && slices.Contains(statuses, r.status)
}
