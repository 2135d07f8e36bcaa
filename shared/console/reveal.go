package console

import (
	"net/http"
	"strings"

	"hotsync/shared/hotsync"
)

// revealView asks why somebody wants to see who signed in.
type revealView struct {
	Event   hotsync.Event // masked
	Problem *hotsync.Problem
}

// revealPage asks for the reason without which nobody is revealed.
func (c *console) revealPage(w http.ResponseWriter, r *http.Request, m member) error {
	return c.askWhy(w, r, m, http.StatusOK, nil)
}

func (c *console) askWhy(w http.ResponseWriter, r *http.Request, m member, status int, problem *hotsync.Problem) error {
	e, err := c.event(r)
	if err != nil {
		return err
	}
	page := revealView{Problem: problem}
	page.Event, _ = masked(e)
	return c.renderAs(
		w,
		r,
		m,
		status,
		"reveal",
		"layout",
		view{Title: "Reveal who signed in", Nav: "events", Body: page},
	)
}

// reveal shows an event with the personal data that it otherwise masks. It is
// an act of its own, so that looking at many people's data can be noticed.
func (c *console) reveal(w http.ResponseWriter, r *http.Request, m member) error {
	why, err := reasonOf(r.FormValue("note"))
	if err != nil {
		e := hotsync.AsError(err)
		return c.askWhy(w, r, m, e.Code.HTTPStatus(), e.Problem())
	}
	e, err := c.event(r)
	if err != nil {
		return err
	}
	c.record(r.Context(), m, act{Action: "reveal", Event: e.ID, Account: e.Account.ID, Note: why})
	return c.showEvent(w, r, m, true)
}

// noteOf returns a reason as it is kept: by the audit log, by the history of the
// settings and by jobs, all of which outlive the erasure of a person. So it masks
// e-mail addresses, which staff paste whatever the form says.
func noteOf(text string) string {
	return clip(strings.TrimSpace(hotsync.MaskAddresses(text)), maxNote)
}

// reasonOf returns the reason that somebody gives for an act that needs one.
func reasonOf(text string) (string, error) {
	why := noteOf(text)
	if why == "" {
		return "", hotsync.Errorf(hotsync.CodeBadRequest, "Say why: it is recorded with your name.")
	}
	return why, nil
}

// revealed is what the API answers to who asks who signed in.
type revealed struct {
	Event    string           `json:"event"`
	Identity hotsync.Identity `json:"identity"`
	Provider string           `json:"provider,omitempty"`
	Lookup   *hotsync.Lookup  `json:"lookup,omitempty"` // what the account was looked up by
}

// revealEvent tells who signed in, for a reason that is recorded.
func (c *console) revealEvent(r *http.Request, m member) (int, any, error) {
	var body struct {
		Reason string `json:"reason"`
	}
	err := readBody(r, &body)
	if err != nil {
		return 0, nil, err
	}
	why, err := reasonOf(body.Reason)
	if err != nil {
		return 0, nil, err
	}
	e, err := c.event(r)
	if err != nil {
		return 0, nil, err
	}
	c.record(r.Context(), m, act{Action: "reveal", Event: e.ID, Account: e.Account.ID, Note: why})
	who := e.Request.Identity
	who.Subject = e.Subject
	return http.StatusOK, revealed{Event: e.ID, Identity: who, Provider: e.Provider, Lookup: e.Request.Lookup}, nil
}

// shownTo is an event as the API shows it to a member: a viewer sees no more of
// a person than on the pages.
func shownTo(m member, e hotsync.Event) hotsync.Event {
	e = settled(e)
	if !m.Operator() {
		e, _ = masked(e)
	}
	return e
}
