package console

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// A bulk retry goes in three steps: count and sample, reason, and the page of the job
// that it then is.

const (
	bulkLimit  = 5_000 // events of one job
	bulkSample = 10
)

type bulkView struct {
	Step    int
	Filter  filter
	Chosen  []string // events that were ticked; nil where the filter says which
	Total   eventstore.Total
	Limit   int
	Sample  []eventRow
	Reason  string
	Problem *hotsync.Problem
}

// At is the address of a step about the same syncs.
func (v bulkView) At(path string) string { return withQuery(path, v.Values()) }

// Values are the syncs, for the hidden fields of a form.
func (v bulkView) Values() url.Values {
	if v.Chosen == nil {
		return v.Filter.values()
	}
	return url.Values{"chosen": {"yes"}, "id": v.Chosen}
}

// IsChosen reports whether the syncs were ticked.
func (v bulkView) IsChosen() bool { return v.Chosen != nil }

// Back is the address that the syncs were chosen at.
func (v bulkView) Back() string {
	if v.Chosen == nil {
		return v.Filter.Path()
	}
	return "/open"
}

// bulkFilter reads the filter of a bulk retry, with the statuses that it means.
func (c *console) bulkFilter(r *http.Request) (filter, error) {
	f, err := parseFilter(r.Form, c.here(r))
	if err == nil {
		f.Statuses = bulkStatuses(f)
	}
	return f, err
}

// bulkStatuses are the statuses that a bulk retry of a list means: those of its filter
// that have ended badly, else failed; with a reason, or of what is open, also skipped,
// since the list then has what it is about and nothing else.
func bulkStatuses(f filter) []hotsync.Status {
	meant := slices.DeleteFunc(
		slices.Clone(f.Statuses),
		func(s hotsync.Status) bool { return s != hotsync.StatusFailed && s != hotsync.StatusSkipped },
	)
	switch {
	case len(meant) > 0:
		return meant
	case len(f.Statuses) == 0 && (f.Open || f.Reason != ""):
		return []hotsync.Status{hotsync.StatusFailed, hotsync.StatusSkipped}
	default:
		return []hotsync.Status{hotsync.StatusFailed}
	}
}

// bulkCount is the first step: how many, and the newest of them.
func (c *console) bulkCount(w http.ResponseWriter, r *http.Request, m member) error {
	return c.bulkPrepare(w, r, m, 1, nil)
}

// bulkReason is the second step: why.
func (c *console) bulkReason(w http.ResponseWriter, r *http.Request, m member) error {
	return c.bulkPrepare(w, r, m, 2, nil)
}

func (c *console) bulkPrepare(
	w http.ResponseWriter,
	r *http.Request,
	m member,
	step int,
	problem *hotsync.Problem,
) error {
	err := r.ParseForm()
	if err != nil {
		return hotsync.Errorf(hotsync.CodeBadRequest, "The form could not be read.").Because(err)
	}
	if r.Form.Has("chosen") {
		return c.chosenPrepare(w, r, m, step, problem)
	}
	f, err := c.bulkFilter(r)
	if err != nil {
		return err
	}
	page := bulkView{Step: step, Filter: f, Limit: bulkLimit, Problem: problem, Reason: r.Form.Get("why")}
	page.Total, err = c.countMatching(r.Context(), f, bulkLimit)
	if err != nil {
		return err
	}
	if step == 1 {
		found, err := c.search(r.Context(), f, bulkSample, "", false)
		if err != nil {
			return err
		}
		page.Sample = rows(found.Events[:min(len(found.Events), bulkSample)], c.Now(), member{})
	}
	return c.showBulk(w, r, m, page)
}

func (c *console) showBulk(w http.ResponseWriter, r *http.Request, m member, page bulkView) error {
	status, problem := http.StatusOK, page.Problem
	if problem != nil {
		status = problem.Code.HTTPStatus()
	}
	return c.renderAs(w, r, m, status, "bulk", "layout", view{Title: "Bulk retry", Nav: "events", Body: page})
}

// bulkStart begins a job and leads to its page.
func (c *console) bulkStart(w http.ResponseWriter, r *http.Request, m member) error {
	err := r.ParseForm()
	if err != nil {
		return hotsync.Errorf(hotsync.CodeBadRequest, "The form could not be read.").Because(err)
	}
	reason := noteOf(r.Form.Get("why"))
	if len([]rune(reason)) < 3 {
		return c.bulkPrepare(
			w,
			r,
			m,
			2,
			hotsync.Errorf(hotsync.CodeBadRequest, "Say why, in a few words: it is kept with every retry.").Problem(),
		)
	}
	if r.Form.Has("chosen") {
		return c.chosenStart(w, r, m, reason)
	}
	f, err := c.bulkFilter(r)
	if err != nil {
		return err
	}
	now := c.Now().UTC()
	if f.To.IsZero() || f.To.After(now) {
		f.To, f.to = now, now.Format(time.RFC3339Nano) // what comes in from now on is not meant
	}
	total, err := c.countMatching(r.Context(), f, bulkLimit)
	if err != nil {
		return err
	}
	j, err := c.beginRetry(r.Context(), m, f, total, reason)
	if err != nil {
		return err
	}
	c.kick(r.Context())
	http.Redirect(w, r, "/jobs/"+j.ID, http.StatusSeeOther)
	return nil
}
