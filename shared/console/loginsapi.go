package console

import (
	"context"
	"net/http"
	"strconv"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// Logins finds records of logins that led to nothing. Errors are *hotsync.Error.
type Logins interface {
	Logins(ctx context.Context, q eventstore.LoginQuery) (eventstore.LoginPage, error)
}

// loginRow is a record with what to do about it.
type loginRow struct {
	hotsync.LoginRecord
	Hint string `json:"hint"`
}

// loginList is an answer of GET /api/logins.
type loginList struct {
	Logins []loginRow `json:"logins"`
	Cursor string     `json:"cursor,omitempty"` // of the next page
}

// listLogins answers with logins that led to nothing, the newest first. A viewer
// sees who it was as on the pages: masked.
func (c *console) listLogins(r *http.Request, m member) (int, any, error) {
	if c.Logins == nil {
		return 0, nil, hotsync.Errorf(hotsync.CodeNotFound, "Logins are not recorded here.")
	}
	v := r.URL.Query()
	q := eventstore.LoginQuery{
		Q:        get(v, "q"),
		Provider: get(v, "provider"),
		Reason:   get(v, "reason"),
		Cursor:   get(v, "cursor"),
	}
	var err error
	q.From, err = parseTime("from", get(v, "from"), false, c.Now())
	if err != nil {
		return 0, nil, err
	}
	q.To, err = parseTime("to", get(v, "to"), true, c.Now())
	if err != nil {
		return 0, nil, err
	}
	if s := get(v, "limit"); s != "" {
		q.Limit, err = strconv.Atoi(s)
		if err != nil || q.Limit < 1 || q.Limit > eventstore.MaxLimit {
			return 0, nil, hotsync.Errorf(
				hotsync.CodeBadRequest,
				"limit must be a number from 1 to %d.",
				eventstore.MaxLimit,
			)
		}
	}
	page, err := c.Logins.Logins(r.Context(), q)
	if err != nil {
		return 0, nil, err
	}
	list := loginList{Logins: []loginRow{}, Cursor: page.Cursor}
	for _, record := range page.Logins {
		if !m.Operator() {
			record.Subject = mask(record.Subject)
		}
		record.Claims, record.Had = orEmpty(record.Claims), orEmpty(record.Had)
		list.Logins = append(list.Logins, loginRow{record, hotsync.LoginHint(record.Reason)})
	}
	return http.StatusOK, list, nil
}
