package frontdoor

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hotsync/shared/gateway"
	"hotsync/shared/hotsync"
)

// syncsRoute is the path by which the person who signed in asks how it went, and
// syncsPath what is before the event.
const syncsRoute = "/syncs/{event}"

var syncsPath = strings.TrimSuffix(syncsRoute, "{event}")

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
	Visible bool           `json:"visible"` // the account can be seen in Limio by this person
	Changes int            `json:"changes"`
	Tries   int            `json:"tries"`
}

// syncID returns the event that a request asks about.
func syncID(r *gateway.Event) (string, bool) {
	id, ok := strings.CutPrefix(r.EventPath(), syncsPath)
	return id, ok && !strings.Contains(id, "/")
}

// progress serves GET /syncs/{event}. An event of somebody else is none: who may
// not see it learns nothing by asking. With ?wait=20 the answer comes when the
// sync has ended, or after that many seconds.
func (h *Handler) progress(ctx context.Context, r *gateway.Event, id string) (progress, error) {
	settings, err := h.settings(ctx, loginDeadline-recordReserve)
	if err != nil {
		return progress{}, err
	}
	token, err := h.authenticate(ctx, r, settings)
	if err != nil {
		h.Log.WarnContext(ctx, "question refused", "code", hotsync.AsError(err).Code, "error", err)
		return progress{}, err
	}
	me := hotsync.Identity{Issuer: token.Issuer, Subject: token.Subject}
	wait, err := strconv.Atoi(r.Parameter("wait"))
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
	return progress{Event: e.ID, Status: e.Status, Done: e.Status.Final(), Visible: visible(e),
		Changes: e.Counted().ChangeCount, Tries: e.Tries()}, nil
}

// visible reports whether the person of an event sees its account in Limio. A sync
// can succeed and link nobody, which a finding of the decision on ownership says; a
// request is coalesced only when its person is linked already.
func visible(e hotsync.Event) bool {
	switch {
	case e.Status == hotsync.StatusSkipped:
		return e.Reason == hotsync.ReasonCoalesced
	case e.Status != hotsync.StatusSucceeded:
		return false
	}
	return !slices.ContainsFunc(e.Findings, func(f hotsync.Finding) bool { return f.Code == hotsync.FindingNotLinked })
}

// serveSyncs answers GET /syncs/{event}.
func (h *Handler) serveSyncs(ctx context.Context, r *gateway.Event, id string) gateway.Answer {
	if r.Method() != http.MethodGet {
		return wrongMethod(http.MethodGet)
	}
	p, err := h.progress(ctx, r, id)
	if err != nil {
		return refusal(hotsync.AsError(err))
	}
	return gateway.JSON(http.StatusOK, p)
}
