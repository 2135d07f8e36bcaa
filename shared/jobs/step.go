package jobs

import (
	"time"

	"hotsync/shared/hotsync"
)

// Bounds of what is under way of a job.
const (
	// maxInFlight accounts are queued or under way at a time: what a stopped job
	// still does, and what the second lane holds when logins come.
	maxInFlight = 40
	// maxWindow chunks are begun and not settled: one account that waits for hours
	// does not hold the others back.
	maxWindow = 8
	// burst is for how long unused rate can be saved up.
	burst = 3 * time.Second
	// lostAfter is when an account counts as lost whose event nobody has seen end:
	// the queue keeps a message for four days, and a sync waits for one at most.
	lostAfter = 6 * 24 * time.Hour
)

// earn credits the job with the accounts that its rate allows since it last did.
func (j *Job) earn(now time.Time) {
	if j.CreditAt.IsZero() || now.Before(j.CreditAt) {
		j.CreditAt = now
		j.Credit = max(j.Credit, 1)
		return
	}
	perSecond := float64(j.Rate) / 60
	j.Credit = min(j.Credit+now.Sub(j.CreditAt).Seconds()*perSecond, max(1, perSecond*burst.Seconds()))
	j.CreditAt = now
}

// allowed is how many accounts may be begun now.
func (j Job) allowed(inFlight int) int { return max(0, min(int(j.Credit), maxInFlight-inFlight)) }

// outcomeOf says what an event means for the account of a job.
func outcomeOf(e hotsync.Event) (Outcome, string) {
	switch e.Status {
	case hotsync.StatusSucceeded:
		if e.Reason == hotsync.ReasonChanged {
			return Changed, ""
		}
		return Unchanged, ""
	case hotsync.StatusSkipped:
		if e.Reason == hotsync.ReasonCoalesced {
			return Covered, ""
		}
		return Skipped, e.Reason
	case hotsync.StatusFailed:
		if e.Reason == string(hotsync.CodeZuoraNotFound) {
			return Unknown, e.Reason
		}
		return Failed, e.Reason
	default:
		return Sent, ""
	}
}

// collect takes over how syncs ended and reports whether anything changed. events
// has those that exist by their ids.
func (c *Chunk) collect(events map[string]hotsync.Event, now time.Time) (changed bool) {
	for n := range c.Items {
		i := &c.Items[n]
		if i.Outcome != Sent {
			continue
		}
		o, why := Sent, ""
		e, known := events[c.EventID(*i)]
		switch {
		case known:
			o, why = outcomeOf(e)
		case now.Sub(c.Begun) > lostAfter:
			o = Lost
		}
		if o.Final() {
			c.end(n, o, why)
			changed = true
		}
	}
	return changed
}

// end gives an item its outcome. Who signed in is then not needed any more.
func (c *Chunk) end(n int, o Outcome, why string) {
	i := &c.Items[n]
	i.Outcome, i.Reason, i.Issuer, i.Subject = o, why, "", ""
}

// settle counts the chunks of the window, in which the job's first unsettled chunk
// is the first, and takes those over that are settled. It is made of nothing but
// what stands in the chunks: counting again gives the same.
func (j *Job) settle(window []Chunk) {
	for len(window) > 0 && window[0].N == j.Settled && window[0].settled() {
		j.Final = j.Final.add(window[0].counts())
		j.Settled++
		window = window[1:]
	}
	j.Window = Counts{}
	for _, c := range window {
		if c.N >= j.Settled {
			j.Window = j.Window.add(c.counts())
		}
	}
	delete(j.Window, Waiting)
	delete(j.Final, Waiting)
}

// conclude ends the job when nothing is left to do.
func (j *Job) conclude(now time.Time) {
	switch {
	case j.Status == Running && j.Listed && j.Settled == j.Chunks:
		j.Status, j.EndedAt, j.Waits = Done, now.UTC(), ""
		j.Source.forget()
	case j.Status != Running && j.Waits != WaitRefused:
		j.Waits = ""
	}
}

// Stop stops a job that runs; what is under way ends.
func (j *Job) Stop(by string) error {
	if j.Status != Running && j.Status != Loading {
		return hotsync.Errorf(hotsync.CodeConflict, "The job is not running.")
	}
	j.Status, j.By, j.Waits = Stopped, by, ""
	return nil
}

// Resume lets a stopped job go on.
func (j *Job) Resume(by string) error {
	if j.Status != Stopped {
		return hotsync.Errorf(hotsync.CodeConflict, "The job is not stopped.")
	}
	j.Status, j.By = Running, by
	if j.Source.File != "" && !j.Listed {
		j.Status = Loading
	}
	return nil
}

// SetRate changes the rate of a job.
func (j *Job) SetRate(rate int) error {
	if rate < 1 || rate > MaxRate {
		return hotsync.Errorf(hotsync.CodeBadRequest, "The rate must be between 1 and %d accounts a minute.", MaxRate)
	}
	j.Rate, j.Credit = rate, 0
	return nil
}
