package zuora

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode"

	"hotsync/shared/hotsync"
)

const pathQueryMore = "/v1/action/queryMore"

// AllAccounts is the condition of List that every account fulfils.
const AllAccounts = "*"

// maxCondition bounds a condition, in characters.
const maxCondition = 2000

// CheckCondition says in one line what is wrong with a condition of List, or
// returns nil. Whether Zuora takes it only Zuora knows.
func CheckCondition(where string) error {
	switch {
	case strings.TrimSpace(where) == "":
		return hotsync.Errorf(hotsync.CodeBadRequest, "The condition is empty. Give %q for all accounts.", AllAccounts)
	case len(where) > maxCondition:
		return hotsync.Errorf(hotsync.CodeBadRequest, "The condition may have %d characters.", maxCondition)
	case strings.ContainsFunc(where, unicode.IsControl):
		return hotsync.Errorf(hotsync.CodeBadRequest, "The condition has line breaks or other control characters.")
	default:
		return nil
	}
}

// List lists the ids of accounts that fulfil a condition of ZOQL (what follows
// where), at most limit of them, and the cursor of the next ones, "" at the end. A
// cursor holds for some minutes:
// https://developer.zuora.com/v1-api-reference/api/operation/Action_POSTqueryMore/
func (c *Client) List(
	ctx context.Context,
	where, cursor string,
	limit int,
) (_ []hotsync.AccountRef, next string, err error) {
	defer hotsync.In(&err, "zuora.List")
	err = CheckCondition(where)
	if err != nil {
		return nil, "", err
	}
	query := "select Id, AccountNumber from Account"
	if where != AllAccounts {
		query += " where " + where
	}
	path, message := pathQuery, any(map[string]any{"queryString": query, "conf": map[string]int{"batchSize": limit}})
	if cursor != "" {
		path, message = pathQueryMore, map[string]string{"queryLocator": cursor}
	}
	body, err := json.Marshal(message)
	if err != nil {
		return nil, "", err
	}
	r := call{
		method:      http.MethodPost,
		template:    path,
		path:        path,
		contentType: "application/json",
		body:        string(body),
		pool:        c.defaults,
	}
	type page struct {
		refs []hotsync.AccountRef
		next string
	}
	found, err := get(ctx, c, r, func(body io.Reader) (out page, err error) {
		var listed candidates
		done := false
		err = answer(body, false, func(d decoder, name string) error {
			switch name {
			case "records":
				err := listed.read(d, "", "Id", "AccountNumber")
				if errors.Is(err, errNoList) { // no record at all
					err = nil
				}
				return err
			case "done":
				return d.value(&done)
			case "queryLocator":
				return d.value(&out.next)
			default:
				return d.skip()
			}
		})
		switch {
		case err != nil:
			return page{}, err
		case done:
			out.next = ""
		case out.next == "":
			return page{}, errors.New("the answer is not the last and says not where to go on")
		}
		for _, a := range listed.list {
			out.refs = append(out.refs, a.ref)
		}
		return out, nil
	})
	return found.refs, found.next, err
}
