package console

import (
	"net/http"
	"strconv"

	"hotsync/shared/console/staff"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/syncqueue"
)

func (c *console) routeAPI(mux *http.ServeMux) {
	c.routeAdminAPI(mux)
	mux.HandleFunc("GET /api/events", c.api(Viewer, c.listEvents))
	mux.HandleFunc("GET /api/events/{id}", c.api(Viewer, c.getEvent))
	mux.HandleFunc("POST /api/events/{id}/retry", c.api(Operator, c.retryEvent))
	mux.HandleFunc("POST /api/events/{id}/reveal", c.api(Operator, c.revealEvent))
	mux.HandleFunc("GET /api/catalogue", c.api(Viewer, c.listPlans))
	mux.HandleFunc("GET /api/logins", c.api(Viewer, c.listLogins))
	mux.HandleFunc("GET /api/queue", c.api(Viewer, c.queueDepth))
	mux.HandleFunc("/api/", c.api(Viewer, func(r *http.Request, _ member) (int, any, error) {
		return 0, nil, hotsync.Errorf(hotsync.CodeNotFound, "There is no %s %s.", r.Method, r.URL.Path)
	}))
}

// api serves one operation of the JSON API to whoever has the role.
func (c *console) api(
	need staff.Role,
	serve func(*http.Request, member) (status int, answer any, err error),
) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		m, err := c.Staff.Bearer(r, need)
		if err != nil {
			c.refuse(r.Context(), w, err)
			return
		}
		status, answer, err := serve(r, m)
		if err != nil {
			c.refuse(r.Context(), w, err)
			return
		}
		c.answer(r.Context(), w, status, answer)
	}
}

type eventList struct {
	Events []hotsync.Event `json:"events"`
	Cursor string          `json:"cursor,omitempty"` // of the next page
}

func (c *console) listEvents(r *http.Request, m member) (int, any, error) {
	v := r.URL.Query()
	f, err := parseFilter(v, c.Now())
	if err != nil {
		return 0, nil, err
	}
	limit := 0
	if s := get(v, "limit"); s != "" {
		limit, err = strconv.Atoi(s)
		if err != nil || limit < 1 || limit > eventstore.MaxLimit {
			return 0, nil, hotsync.Errorf(
				hotsync.CodeBadRequest,
				"limit must be a number from 1 to %d.",
				eventstore.MaxLimit,
			)
		}
	}
	page, err := c.search(r.Context(), f, limit, get(v, "cursor"), true)
	if err != nil {
		return 0, nil, err
	}
	if page.Events == nil {
		page.Events = []hotsync.Event{}
	}
	for i, e := range page.Events {
		page.Events[i] = shownTo(m, e)
	}
	return http.StatusOK, eventList{page.Events, page.Cursor}, nil
}

func (c *console) getEvent(r *http.Request, m member) (int, any, error) {
	e, err := c.event(r)
	return http.StatusOK, shownTo(m, e), err
}

func (c *console) retryEvent(r *http.Request, m member) (int, any, error) {
	old, err := c.event(r)
	if err != nil {
		return 0, nil, err
	}
	e, err := c.retry(r.Context(), old, m, "")
	return http.StatusAccepted, e, err
}

func (c *console) queueDepth(r *http.Request, _ member) (int, any, error) {
	d, err := c.Queue.Depth(r.Context())
	return http.StatusOK, struct {
		Queue syncqueue.Depth `json:"queue"`
	}{d}, err
}
