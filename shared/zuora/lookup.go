package zuora

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"hotsync/shared/hotsync"
)

const (
	pathObjectAccounts = "/object-query/accounts"
	pathQuery          = "/v1/action/query"
	pathSubscription   = "/v1/subscriptions/{key}"
	pathDescribe       = "/v1/describe/Account"

	// maxLookupValue is what a text field of Zuora holds.
	maxLookupValue = 255
	// handful is how many accounts a search names: beyond one they are only shown.
	handful = 10
	// maxZOQL is how many records one answer of a query holds.
	maxZOQL = 2000
)

// Resolve finds the account with that number, in one call. It returns an error
// with CodeZuoraNotFound when there is none.
func (c *Client) Resolve(ctx context.Context, number string) (_ hotsync.AccountRef, err error) {
	defer hotsync.In(&err, "zuora.Resolve") // the number is a claim's value: it may be anything
	a, err := c.account(ctx, number, nil)
	if err != nil {
		return hotsync.AccountRef{}, err
	}
	if !hotsync.IsAccountID(a.ID) || !strings.EqualFold(a.Number, number) && a.ID != number {
		return hotsync.AccountRef{}, hotsync.Errorf(
			hotsync.CodeZuoraAnswer,
			"Zuora answered with another account than the one asked for.",
		)
	}
	return hotsync.AccountRef{ID: a.ID, Number: a.Number}, nil
}

// SubscriptionAccount finds the account that owns a subscription, given by
// number or id. It returns an error with CodeZuoraNotFound when there is no such
// subscription.
func (c *Client) SubscriptionAccount(ctx context.Context, subscriptionKey string) (_ hotsync.AccountRef, err error) {
	defer hotsync.In(&err, "zuora.SubscriptionAccount")
	r, err := c.getCall(pathSubscription, subscriptionKey, "")
	if err != nil {
		return hotsync.AccountRef{}, err
	}
	return get(ctx, c, r, func(body io.Reader) (ref hotsync.AccountRef, err error) {
		err = answer(body, true, func(d decoder, name string) error {
			switch name {
			case "accountId":
				return d.value(&ref.ID)
			case "accountNumber":
				return d.value(&ref.Number)
			default:
				return d.skip()
			}
		})
		if err == nil && !hotsync.IsAccountID(ref.ID) {
			err = errors.New("the subscription has no account id")
		}
		return ref, err
	})
}

// Find returns the accounts whose custom field has exactly that value, byte for
// byte, sorted by number: none, one, or up to a handful of several; Count says
// how many they stand for. It returns an error with CodeLookupAmbiguous when one
// answer of Zuora does not hold all that it has to be decided among.
//
// A value that cannot stand in a query is refused with CodeLookupValue, a field
// that Zuora cannot search by with CodeLookupField.
func (c *Client) Find(
	ctx context.Context,
	field, value string,
	plan hotsync.ZuoraPlan,
) (_ []hotsync.AccountRef, err error) {
	defer hotsync.In(&err, "zuora.Find(%q)", field)
	err = checkLookup(field, value)
	if err != nil {
		return nil, err
	}
	search := c.findByFilter
	if plan == hotsync.PlanV {
		search = c.findByZOQL
	}
	found, err := search(ctx, field, value)
	if err != nil {
		return nil, fieldRefused(err, field)
	}
	return found.refs(value)
}

// Count says how many accounts share a value that Find gave refs for: a handful
// may be the beginning of many.
func Count(refs []hotsync.AccountRef) string {
	if len(refs) >= handful {
		return fmt.Sprintf("At least %d", len(refs))
	}
	return strconv.Itoa(len(refs))
}

// checkLookup refuses what would change the meaning of a query. "null" asks
// Object Query for the accounts without the field, which are strangers'; two
// quotes and control characters are operators of its own; and Zuora's text
// fields hold no character of four bytes. Source:
// https://developer.zuora.com/docs/guides/query-guide
func checkLookup(field, value string) error {
	if !hotsync.IsLookupField(field) {
		return hotsync.Errorf(hotsync.CodeLookupField, "%q is no API name of a custom field.", field)
	}
	reason := ""
	switch trimmed := strings.TrimSpace(value); {
	case trimmed == "":
		reason = "is empty"
	case strings.EqualFold(trimmed, "null"), trimmed == "''", trimmed == `""`:
		reason = "is null"
	case len(value) > maxLookupValue:
		reason = "is too long"
	case !utf8.ValidString(value) || strings.ContainsRune(value, utf8.RuneError):
		reason = "is not valid text"
	case strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) || r > 0xffff }):
		reason = "has a character that no field of Zuora holds"
	default:
		return nil
	}
	return hotsync.Errorf(hotsync.CodeLookupValue, "The claim's value %s, so no account was looked up by it.", reason)
}

// fieldRefused makes a settings fault of an error that is one: it must not read
// as an account that was not found.
func fieldRefused(err error, field string) error {
	f, ok := said(err)
	if !ok || f.status != http.StatusBadRequest && f.status != http.StatusOK ||
		!f.has(codeBadFilter) && !f.has("INVALID_FIELD") {
		return err
	}
	return hotsync.Errorf(hotsync.CodeLookupField,
		"Zuora cannot search accounts by %s: it does not exist there or is not indexed.", field).
		Because(err)
}

// candidate is an account of a search's answer with its value of the field.
type candidate struct {
	ref   hotsync.AccountRef
	value string
}

// candidates is what one answer of a search holds.
type candidates struct {
	list []candidate
	more bool
}

// refs keeps the exact matches: Zuora ignores case, and some identity providers
// do not.
func (c candidates) refs(value string) ([]hotsync.AccountRef, error) {
	var exact []hotsync.AccountRef
	for _, found := range c.list {
		if found.value == value {
			exact = append(exact, found.ref)
		}
	}
	if c.more && len(exact) < handful {
		return nil, hotsync.Errorf(
			hotsync.CodeLookupAmbiguous,
			"More Zuora accounts than one answer of Zuora holds may have this value, so none was chosen.",
		)
	}
	exact = exact[:min(len(exact), handful)]
	slices.SortFunc(exact, func(a, b hotsync.AccountRef) int { return strings.Compare(a.Number, b.Number) })
	return exact, nil
}

// findByFilter searches by Object Query. The answer is not cut down to a few
// fields: how a custom field is to be named there is not documented.
func (c *Client) findByFilter(ctx context.Context, field, value string) (candidates, error) {
	r, err := c.getCall(pathObjectAccounts, "", fmt.Sprintf("pageSize=%d&%s", objectPage, filterQuery(field, value)))
	if err != nil {
		return candidates{}, err
	}
	return get(ctx, c, r, func(body io.Reader) (out candidates, err error) {
		listed := false
		err = answer(body, false, func(d decoder, name string) error {
			switch name {
			case "data":
				listed = true
				return out.read(d, field, "id", "accountNumber")
			case "nextPage":
				var next string
				err := d.value(&next)
				out.more = out.more || next != ""
				return err
			default:
				return d.skip()
			}
		})
		if err == nil && !listed {
			err = errors.New("no list of accounts")
		}
		return out, err
	})
}

// findByZOQL searches by query, for fields and tenants that Object Query cannot
// search. Zuora leaves records out when there is none.
func (c *Client) findByZOQL(ctx context.Context, field, value string) (candidates, error) {
	body, err := json.Marshal(map[string]string{"queryString": zoqlQuery(field, value)})
	if err != nil {
		return candidates{}, err
	}
	r := call{
		method:      http.MethodPost,
		template:    pathQuery,
		path:        pathQuery,
		contentType: "application/json",
		body:        string(body),
		pool:        c.defaults,
	}
	return get(ctx, c, r, func(body io.Reader) (out candidates, err error) {
		var size *integer
		done := false
		err = answer(body, false, func(d decoder, name string) error {
			switch name {
			case "records":
				err := out.read(d, field, "Id", "AccountNumber")
				if errors.Is(err, errNoList) { // size says whether there are any
					err = nil
				}
				return err
			case "size":
				return d.value(&size)
			case "done":
				return d.value(&done)
			default:
				return d.skip()
			}
		})
		switch {
		case err != nil:
			return out, err
		case size == nil:
			return out, errors.New("no size")
		case int(*size) != len(out.list) && done:
			return out, errors.New("size and records differ")
		}
		out.more = !done
		return out, nil
	})
}

// read reads a list of accounts.
func (c *candidates) read(d decoder, field, id, number string) error {
	return d.list(func(d decoder) error {
		var found candidate
		err := d.object(func(d decoder, name string) error {
			switch {
			case name == id:
				return d.value(&found.ref.ID)
			case name == number:
				return d.value(&found.ref.Number)
			case sameField(field, name):
				return d.value((*scalar)(&found.value))
			default:
				return d.skip()
			}
		})
		switch {
		case err != nil:
			return err
		case !hotsync.IsAccountID(found.ref.ID):
			return errors.New("an account has no id")
		case len(c.list) >= maxZOQL:
			return errors.New("too many accounts")
		}
		c.list = append(c.list, found)
		return nil
	})
}

// filterQuery is the query of an Object Query filter for exactly that value. A
// blank is %20, since not everything that reads a query takes + for one.
func filterQuery(field, value string) string {
	return "filter%5B%5D=" + strings.ReplaceAll(url.QueryEscape(field+".EQ:"+value), "+", "%20")
}

// zoqlQuery is the ZOQL query for the same. The field's name cannot be escaped:
// it must have passed hotsync.IsLookupField.
func zoqlQuery(field, value string) string {
	return "select Id, AccountNumber, " + field + " from Account where " + field + " = '" + escapeZOQL(value) + "'"
}

// escapeZOQL escapes with backslashes. Escaping quotes alone would let
// x\' or Id != ' out of the literal.
func escapeZOQL(value string) string {
	return zoqlEscapes.Replace(value)
}

var zoqlEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`)

// LookupFieldStatus says whether the account has a custom field of that name,
// and whether Object Query can search by it (indexed). It is for checking the
// settings, and takes two calls.
func (c *Client) LookupFieldStatus(ctx context.Context, field string) (exists, indexed bool, err error) {
	defer hotsync.In(&err, "zuora.LookupFieldStatus(%q)", field)
	if !hotsync.IsLookupField(field) {
		return false, false, hotsync.Errorf(hotsync.CodeLookupField, "%q is no API name of a custom field.", field)
	}
	r, err := c.getCall(pathDescribe, "", "")
	if err != nil {
		return false, false, err
	}
	exists, err = get(ctx, c, r, func(body io.Reader) (bool, error) { return readDescribe(body, field) })
	if err != nil || !exists {
		return false, false, err
	}
	_, err = c.findByFilter(ctx, field, "hotsync settings check")
	err = fieldRefused(err, field)
	switch {
	case err == nil:
		return true, true, nil
	case hotsync.AsError(err).Code == hotsync.CodeLookupField:
		return true, false, nil
	default:
		return true, false, err
	}
}

// readDescribe looks for a field in the XML that describes an object:
// object / fields / field / name.
func readDescribe(body io.Reader, field string) (bool, error) {
	const want, maxDepth = "object/fields/field/name", 32
	var path []string
	var text strings.Builder
	found, root := false, false
	d := xml.NewDecoder(body)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && root {
			return found, nil
		}
		if err != nil {
			return false, errors.New("not the XML of an object")
		}
		switch t := token.(type) {
		case xml.StartElement:
			path = append(path, t.Name.Local)
			root = root || t.Name.Local == "object"
			if len(path) > maxDepth || !root {
				return false, errors.New("not the XML of an object")
			}
			text.Reset()
		case xml.CharData:
			if text.Len() < 256 {
				text.Write(t[:min(len(t), 256)])
			}
		case xml.EndElement:
			found = found || strings.Join(path, "/") == want && strings.TrimSpace(text.String()) == field
			path = path[:len(path)-1]
		}
	}
}
