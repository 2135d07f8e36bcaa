package limio

import (
	"context"
	"net/http"
)

// Limio documents 200, 401 and 502 for a read by id and nothing for an id that
// does not exist. Where that is 502, a first sync could never succeed if it were
// taken for an outage, and an outage must not be taken for an absence: the
// account would be made a second time beside what Limio has.
//
// So a 502 is believed to be an absence only when everything else speaks for it:
// the documented list of customers answers; a customer of that list, if there is
// any, is read by its id; an account that cannot exist gets the same 502; and the
// account itself gets it once more. The same goes for a customer by Limio's id.

var (
	customerByID = operation{http.MethodGet, "/objects/limio/customers/{id}"}

	// noAccount is formed as Zuora's account ids are, and is none.
	noAccount  = "00000000000000000000000000000000"
	noCustomer = "cus-" + noAccount

	customerByMadeID = operation{http.MethodGet, "/objects/limio/customers/{made}"}
)

// absentOr reads a customer again that was answered with 502, by op and id; none is
// an id that nobody has. It returns nil with the answer read into out, an error that
// isNotFound when Limio does not have the customer, and refused, the error of the
// first read, in doubt.
func (c *Client) absentOr(ctx context.Context, op operation, id, none string, refused error, out *object) error {
	var customers struct {
		Items *[]object `json:"items"`
	}
	err := c.call(ctx, listCustomers, nil, nil, &customers)
	if err != nil || customers.Items == nil {
		return refused
	}
	for _, one := range *customers.Items {
		err = c.call(ctx, customerByID, []string{string(one.ID)}, nil, new(object))
		if err != nil {
			return refused
		}
	}
	err = c.call(ctx, op, []string{none}, nil, new(object))
	if !hasStatus(err, http.StatusBadGateway) {
		return refused
	}
	err = c.call(ctx, op, []string{id}, nil, out)
	if hasStatus(err, http.StatusBadGateway) {
		return &refusal{status: http.StatusNotFound}
	}
	return err
}
