package frontdoor

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hotsync/shared/hotsync"
)

// syncsRoute is the path by which the person who signed in asks how it went, and
// syncsPath what is before the event.
const (
	syncsRoute = "/syncs/{event}"
	syncsPath  = "/syncs/"

	defaultRoute = "$default"
)

const (
	maxWait   = 20 * time.Second
	syncsTime = 22 * time.Second // an answer is due by then, waited for or not
	lookAgain = time.Second      // between two readings of an event while somebody waits
)

// progress is all that a person is told of their own sync.
type progress struct {
	Event   string         `json:"event"`
	Status  hotsync.Status `json:"status"`
	Done    bool           `json:"done"`
	Visible bool           `json:"visible"` // it succeeded, so that the account can be seen in Limio
	Changes int            `json:"changes"`
	Tries   int            `json:"tries"`
}

// syncID gives the event that a request asks about.
func (r *request) syncID() (string, bool) {
	if r.RouteKey != "" && r.RouteKey != http.MethodGet+" "+syncsRoute && r.RouteKey != defaultRoute {
		return "", false
	}
	_, id, ok := strings.Cut(r.path(), syncsPath)
	return id, ok && !strings.Contains(id, "/")
}

// progress serves GET /syncs/{event}. An event of somebody else is none: who may
// not see it learns nothing by asking. With ?wait=20 the answer comes when the
// sync has ended, or after that many seconds.
func (h *Handler) progress(ctx context.Context, r *request, id string) (progress, error) {
	settings, err := h.settings(ctx, loginDeadline-recordReserve)
	if err != nil {
		return progress{}, err
	}
	token, err := h.authenticate(ctx, r, settings)
	if err != nil {
		h.refused(ctx, err)
		return progress{}, err
	}
	me := hotsync.Identity{Issuer: token.Issuer, Subject: token.Subject}
	wait, err := strconv.Atoi(r.Query["wait"])
	if err != nil || wait < 0 {
		wait = 0
	}
	until := h.Now().Add(min(time.Duration(wait)*time.Second, maxWait))
	for {
		p, err := h.look(ctx, id, me)
		left := until.Sub(h.Now())
		unknown := err != nil && hotsync.AsError(err).Code == hotsync.CodeNotFound // its record may be on its way
		if left < lookAgain || p.Done || err != nil && !unknown {
			return p, err
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return p, err
		}
	}
}

// look reads the event once.
func (h *Handler) look(ctx context.Context, id string, me hotsync.Identity) (progress, error) {
	none := hotsync.Errorf(hotsync.CodeNotFound, "You have no sync of this id.")
	if !hotsync.IsEventID(id) || h.Event == nil {
		return progress{}, none
	}
	e, err := h.Event(ctx, id)
	if err != nil {
		return progress{}, err
	}
	if e.Request.Identity != me || me.IsZero() {
		return progress{}, none
	}
	return progress{Event: e.ID, Status: e.Status, Done: e.Status.Final(), Visible: e.Status == hotsync.StatusSucceeded,
		Changes: len(e.Changes), Tries: len(e.Attempts)}, nil
}

// serveSyncs answers GET /syncs/{event}.
func (h *Handler) serveSyncs(ctx context.Context, r *request, id string) answer {
	if r.method() != http.MethodGet {
		a := respond(http.StatusMethodNotAllowed, map[string]*hotsync.Problem{
			"error": {Code: hotsync.CodeBadRequest, Message: "Use GET.", Hint: hotsync.CodeBadRequest.Hint()}})
		a.Headers["Allow"] = http.MethodGet
		return a
	}
	p, err := h.progress(ctx, r, id)
	if err != nil {
		return refusal(hotsync.AsError(err))
	}
	return respond(http.StatusOK, p)
}
