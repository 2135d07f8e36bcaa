package console

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"hotsync/shared/console/staff"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// A bulk retry goes in three steps: count and sample, reason, progress. Nothing
// runs in the background, for which a Lambda function has no place: the page
// asks for the next few, by itself or by its button, and carries where it stands
// in a sealed field of its form. Each retry gets an event id made of the job and
// the event it retries, so that a step sent twice retries nothing twice.

const (
	bulkLimit   = 5_000 // events of one job
	bulkStep    = 10    // events looked at in one step
	bulkBacklog = 200   // queued messages above which a step waits
	bulkLife    = 24 * time.Hour
	bulkPurpose = "bulk"
	bulkSample  = 10
)

// bulkJob is where a bulk retry stands.
type bulkJob struct {
	ID      string    `json:"id"`
	Actor   string    `json:"actor"` // subject of who began it
	Began   time.Time `json:"began"`
	Filter  string    `json:"filter"`
	Reason  string    `json:"reason"`
	Cursor  string    `json:"cursor,omitempty"`
	Total   int       `json:"total"`
	Seen    int       `json:"seen"`
	Retried int       `json:"retried"`
	Passed  int       `json:"passed"` // left out: a newer sync of the account exists, or it cannot be retried
	Failed  int       `json:"failed"` // could not be queued
	Done    bool      `json:"done"`
}

type bulkView struct {
	Step    int
	Filter  filter
	Total   eventstore.Total
	Limit   int
	Sample  []eventRow
	Reason  string
	Problem *hotsync.Problem
	Job     bulkJob
	Token   string
	Waits   string // why the last step did nothing
	Stopped bool
	Part    float64 // done, of 1000
}

// bulkFilter reads the filter of a bulk retry. Without a status it means failed
// syncs; others than those that have ended are never retried.
func (c *console) bulkFilter(r *http.Request) (filter, error) {
	f, err := parseFilter(r.Form, c.Now())
	if err != nil {
		return f, err
	}
	f.Statuses = slices.DeleteFunc(slices.Clone(f.Statuses), func(s hotsync.Status) bool { return s != hotsync.StatusFailed && s != hotsync.StatusSkipped })
	if len(f.Statuses) == 0 {
		f.Statuses = []hotsync.Status{hotsync.StatusFailed}
	}
	return f, nil
}

// bulkCount is the first step: how many, and the newest of them.
func (c *console) bulkCount(w http.ResponseWriter, r *http.Request, m member) error {
	return c.bulkPrepare(w, r, m, 1, nil)
}

// bulkReason is the second step: why.
func (c *console) bulkReason(w http.ResponseWriter, r *http.Request, m member) error {
	return c.bulkPrepare(w, r, m, 2, nil)
}

func (c *console) bulkPrepare(w http.ResponseWriter, r *http.Request, m member, step int, problem *hotsync.Problem) error {
	err := r.ParseForm()
	if err != nil {
		return hotsync.Errorf(hotsync.CodeBadRequest, "The form could not be read.").Because(err)
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
	status := http.StatusOK
	if problem != nil {
		status = problem.Code.HTTPStatus()
	}
	return c.renderAs(w, r, m, status, "bulk", "layout", view{Title: "Bulk retry", Nav: "events", Body: page})
}

// bulkStart begins a job and shows its progress.
func (c *console) bulkStart(w http.ResponseWriter, r *http.Request, m member) error {
	err := r.ParseForm()
	if err != nil {
		return hotsync.Errorf(hotsync.CodeBadRequest, "The form could not be read.").Because(err)
	}
	reason := clip(strings.TrimSpace(r.Form.Get("why")), maxNote)
	if len([]rune(reason)) < 3 {
		return c.bulkPrepare(w, r, m, 2, hotsync.Errorf(hotsync.CodeBadRequest, "Say why, in a few words: it is kept with every retry.").Problem())
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
	job := bulkJob{ID: rand.Text()[:10], Actor: m.Subject(), Began: now, Filter: f.Encode(), Reason: reason, Total: total.N}
	c.record(r.Context(), m, act{Action: "bulk_retry", Filter: job.Filter, Note: reason, Result: "begun, " + strconv.Itoa(total.N) + " events, job " + job.ID})
	return c.showJob(w, r, m, job, "", false)
}

// job opens the sealed state of a form.
func (c *console) job(r *http.Request, m member) (bulkJob, error) {
	var j bulkJob
	err := c.Staff.Sealer.Open(r.Context(), bulkPurpose, r.FormValue("job"), &j)
	if errors.Is(err, staff.ErrSeal) || err == nil && c.Now().Sub(j.Began) > bulkLife {
		return j, hotsync.Errorf(hotsync.CodeBadRequest, "This bulk retry cannot be continued. Begin it again: what was retried already is left out.")
	}
	if err == nil && j.Actor != m.Subject() {
		return j, hotsync.Errorf(hotsync.CodeForbidden, "Somebody else began this bulk retry.")
	}
	return j, err
}

// bulkNext retries the next few.
func (c *console) bulkNext(w http.ResponseWriter, r *http.Request, m member) error {
	j, err := c.job(r, m)
	if err != nil {
		return err
	}
	if j.Done {
		return c.showJob(w, r, m, j, "", false)
	}
	depth, err := c.Queue.Depth(r.Context())
	switch {
	case err != nil:
		c.Log.WarnContext(r.Context(), "bulk retry waits", "error", err)
		return c.showJob(w, r, m, j, "The queue does not answer at the moment. It goes on when the queue does.", false)
	case depth.Visible > bulkBacklog:
		return c.showJob(w, r, m, j, "The queue holds "+count(depth.Visible)+" syncs. It goes on when there are fewer than "+count(bulkBacklog)+".", false)
	}
	waits, err := c.bulkAdvance(r.Context(), m, &j)
	if err != nil {
		return err
	}
	if j.Done {
		c.record(r.Context(), m, act{Action: "bulk_retry", Filter: j.Filter, Note: j.Reason, Result: "done, " + strconv.Itoa(j.Retried) + " retried, job " + j.ID})
	}
	return c.showJob(w, r, m, j, waits, false)
}

// bulkAdvance makes one step. When the store does not answer it changes nothing
// and says so in waits.
func (c *console) bulkAdvance(ctx context.Context, m member, j *bulkJob) (waits string, err error) {
	v, err := parseFilterText(j.Filter, c.Now())
	if err != nil {
		return "", err
	}
	q := v.query()
	q.Limit, q.Cursor, q.Full = bulkStep, j.Cursor, true
	page, err := c.Events.Search(ctx, q)
	if err != nil {
		c.Log.WarnContext(ctx, "bulk retry waits", "error", err)
		return hotsync.AsError(err).Message + " It goes on when that works again.", nil
	}
	for _, e := range page.Events {
		if v.Reason != "" && e.Reason != v.Reason {
			continue
		}
		j.Seen++
		outcome, err := c.bulkRetry(ctx, m, *j, e)
		switch {
		case err != nil:
			c.Log.ErrorContext(ctx, "bulk retry of an event failed", "event_id", e.ID, "error", err)
			j.Failed++
		case outcome:
			j.Retried++
		default:
			j.Passed++
		}
	}
	j.Cursor = page.Cursor
	j.Done = page.Cursor == "" || j.Seen >= bulkLimit
	return "", nil
}

// bulkRetry retries an event unless it makes no sense: it cannot be retried, or
// somebody's newer sync of the same account tells more than it does.
func (c *console) bulkRetry(ctx context.Context, m member, j bulkJob, e hotsync.Event) (retried bool, err error) {
	request, err := e.Retry()
	if err != nil || !e.Retriable() {
		return false, nil //nolint:nilerror // not an error of the job
	}
	overtaken, err := c.overtaken(ctx, e)
	if err != nil || overtaken {
		return false, err
	}
	request.EventID, request.RequestedAt = hotsync.EventIDFor(j.Began, "bulk", j.ID, e.ID), c.Now().UTC()
	request.Actor, request.Note = m.Name(), j.Reason
	_, err = c.send(ctx, request)
	return err == nil, err
}

// overtaken reports whether the account has a newer sync for the same login's
// person.
func (c *console) overtaken(ctx context.Context, e hotsync.Event) (bool, error) {
	f := filter{Account: e.Account.ID, From: e.RequestedAt}
	if f.Account == "" {
		f.Account = e.Account.Number
	}
	if f.Account == "" {
		f.Subject = e.Subject
	}
	if f.Account == "" && f.Subject == "" {
		return false, nil
	}
	found, err := c.search(ctx, f, 20, "", false)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(found.Events, func(x hotsync.Event) bool {
		return x.RetryOf == e.ID || f.Account != "" && x.ID > e.ID && x.Subject == e.Subject
	}), nil
}

func (c *console) bulkStop(w http.ResponseWriter, r *http.Request, m member) error {
	j, err := c.job(r, m)
	if err != nil {
		return err
	}
	j.Done = true
	c.record(r.Context(), m, act{Action: "bulk_retry", Filter: j.Filter, Note: j.Reason, Result: "stopped, " + strconv.Itoa(j.Retried) + " retried, job " + j.ID})
	return c.showJob(w, r, m, j, "", true)
}

func (c *console) showJob(w http.ResponseWriter, r *http.Request, m member, j bulkJob, waits string, stopped bool) error {
	f, err := parseFilterText(j.Filter, c.Now())
	if err != nil {
		return err
	}
	page := bulkView{Step: 3, Filter: f, Job: j, Reason: j.Reason, Waits: waits, Stopped: stopped, Limit: bulkLimit, Part: barUnits}
	if j.Total > 0 && !j.Done {
		page.Part = min(barUnits, barUnits*float64(j.Seen)/float64(j.Total))
	}
	page.Token, err = c.Staff.Sealer.Seal(r.Context(), bulkPurpose, j)
	if err != nil {
		return err
	}
	part := "layout"
	if staff.IsLive(r) {
		part = "job"
	}
	return c.renderAs(w, r, m, http.StatusOK, "bulk", part, view{Title: "Bulk retry", Nav: "events", Body: page})
}
