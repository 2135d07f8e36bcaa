package console

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hotsync/shared/console/staff"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
	"hotsync/shared/zuora"
)

// A job is work that goes on without the page: functions advance it, and these pages
// show and steer it. Whoever may retry may stop and resume what others began.

const (
	jobsShown   = 50      // jobs of a page of the list
	jobProblems = 20      // accounts of a job's page that did not succeed
	jobLook     = 200     // chunks of accounts that are looked through for them
	maxUpload   = 4 << 20 // of a list of accounts: a request to a function has at most 6 MB
)

func (c *console) routeJobs(mux *http.ServeMux) {
	mux.HandleFunc("GET /jobs", c.page(Viewer, c.jobsPage))
	mux.HandleFunc("GET /jobs/new", c.page(Operator, c.newJobPage))
	mux.HandleFunc("POST /jobs", c.page(Operator, c.beginBackfill))
	mux.HandleFunc("GET /jobs/{id}", c.page(Viewer, c.jobPage))
	mux.HandleFunc("GET /jobs/{id}/result.csv", c.page(Viewer, c.jobResult))
	mux.HandleFunc("POST /jobs/{id}/stop", c.page(Operator, c.stopJob))
	mux.HandleFunc("POST /jobs/{id}/resume", c.page(Operator, c.resumeJob))
	mux.HandleFunc("POST /jobs/{id}/rate", c.page(Operator, c.changeRate))
}

// jobView is a job as the list and its page show it.
type jobView struct {
	jobs.Job
	Counts  []jobCount
	Ended   int
	Of      int     // accounts, as far as is known
	Part    float64 // ended, of barUnits
	Waiting string  // why nothing is sent, in words
	Left    time.Duration

	CanSteer bool
	Live     bool
	Troubles []trouble
	MaxRate  int
}

// jobCount is how many accounts had an outcome.
type jobCount struct {
	Outcome jobs.Outcome
	Label   string
	N       int
}

// trouble is an account that did not succeed.
type trouble struct {
	Item  jobs.Item
	Label string
	Event string
}

// outcomeLabels are the outcomes in words.
var outcomeLabels = map[jobs.Outcome]string{
	jobs.Changed:   "Written to Limio",
	jobs.Unchanged: "Already right",
	jobs.Covered:   "Synced by another",
	jobs.Passed:    "Left out",
	jobs.Skipped:   "Skipped",
	jobs.Unknown:   "Not in Zuora",
	jobs.Refused:   "Bad row",
	jobs.Failed:    "Failed",
	jobs.Lost:      "Lost",
	jobs.Sent:      "Under way",
	jobs.Waiting:   "Waiting",
}

// waitWords say why a job sends nothing.
var waitWords = map[jobs.Wait]string{
	jobs.WaitLogins: "Logins wait, and they go first. It goes on by itself.",
	jobs.WaitZuora:  "Calls to Zuora are paused. It goes on when Zuora answers again.",
	jobs.WaitLimio:  "Calls to Limio are paused. It goes on when Limio answers again.",
	jobs.WaitOff:    "Hot sync is switched off. It goes on when it is switched on.",
	jobs.WaitQueue:  "The queue does not answer at the moment. It goes on when the queue does.",
	jobs.WaitStore:  "DynamoDB does not answer at the moment. It goes on when it does.",
	jobs.WaitSource: "The accounts cannot be listed at the moment. It is tried again by itself.",

	jobs.WaitRefused: "Zuora refused to list the accounts, so the job was stopped. Look at the condition in a new job, " +
		"or at the credentials and resume it.",
}

// kindTitles name the kinds of jobs.
var kindTitles = map[jobs.Kind]string{
	jobs.Backfill:  "Backfill",
	jobs.Retry:     "Bulk retry",
	jobs.Reconcile: "Reconcile run",
}

// Name is what the job is called.
func (v jobView) Name() string { return kindTitles[v.Kind] }

// State is the job's status in words.
func (v jobView) State() string {
	switch {
	case v.Status == jobs.Running && v.Waiting != "":
		return "Waiting"
	case v.Status == jobs.Loading:
		return "Being loaded"
	default:
		return strings.ToUpper(string(v.Status[:1])) + string(v.Status[1:])
	}
}

// Tone is the look of the job's status: that of an event's status.
func (v jobView) Tone() hotsync.Status {
	c := v.Job.Counts()
	switch {
	case v.Status == jobs.Stopped:
		return hotsync.StatusSkipped
	case v.Status == jobs.Done && c[jobs.Failed]+c[jobs.Lost] > 0:
		return hotsync.StatusFailed
	case v.Status == jobs.Done:
		return hotsync.StatusSucceeded
	case v.Waiting != "":
		return hotsync.StatusRetrying
	default:
		return hotsync.StatusRunning
	}
}

func (c *console) viewJob(j jobs.Job, m member) jobView {
	v := jobView{
		Job:      j,
		Ended:    j.Ended(),
		Of:       max(j.Total, j.Expected),
		Part:     barUnits,
		Waiting:  waitWords[j.Waits],
		CanSteer: m.Operator(),
		Live:     j.Status != jobs.Done && !(j.Status == jobs.Stopped && j.InFlight() == 0),
		MaxRate:  jobs.MaxRate,
	}
	if j.Status == jobs.Done {
		v.Of = j.Total
	}
	if v.Of > 0 && v.Ended < v.Of {
		v.Part = barUnits * float64(v.Ended) / float64(v.Of)
	}
	if v.Of == 0 && j.Status != jobs.Done {
		v.Part = 0
	}
	counts := j.Counts()
	for _, o := range jobs.Outcomes {
		if counts[o] > 0 {
			v.Counts = append(v.Counts, jobCount{o, outcomeLabels[o], counts[o]})
		}
	}
	if gone := c.Now().
		Sub(j.CreatedAt); j.Status == jobs.Running && v.Ended > 0 && v.Of > v.Ended &&
		gone > 5*time.Second {
		v.Left = time.Duration(float64(gone) / float64(v.Ended) * float64(v.Of-v.Ended)).Round(time.Second)
	}
	return v
}

type jobsView struct {
	Jobs     []jobView
	Next     string
	CanSteer bool
}

// jobsPage lists jobs, the newest first.
func (c *console) jobsPage(w http.ResponseWriter, r *http.Request, m member) error {
	cursor := r.URL.Query().Get("cursor")
	if cursor != "" && !jobs.IsID(cursor) {
		return hotsync.Errorf(hotsync.CodeBadRequest, "The cursor is not one that this list gave.")
	}
	found, next, err := c.Jobs.Jobs(r.Context(), jobsShown, cursor)
	if err != nil {
		return err
	}
	page := jobsView{Next: next, CanSteer: m.Operator()}
	for _, j := range found {
		page.Jobs = append(page.Jobs, c.viewJob(j, m))
	}
	return c.renderAs(w, r, m, http.StatusOK, "jobs", "layout", view{Title: "Jobs", Nav: "jobs", Body: page})
}

func (c *console) findJob(r *http.Request) (jobs.Job, error) {
	id := r.PathValue("id")
	if !jobs.IsID(id) {
		return jobs.Job{}, jobs.ErrNotFound
	}
	return c.Jobs.Job(r.Context(), id)
}

// errEnough ends a walk through a job's accounts.
var errEnough = errors.New("enough")

// jobPage shows how a job stands.
func (c *console) jobPage(w http.ResponseWriter, r *http.Request, m member) error {
	j, err := c.findJob(r)
	if err != nil {
		return err
	}
	page := c.viewJob(j, m)
	counts := j.Counts()
	if counts[jobs.Failed]+counts[jobs.Lost]+counts[jobs.Unknown]+counts[jobs.Refused]+counts[jobs.Skipped] > 0 {
		page.Troubles, err = c.troubles(r.Context(), j)
		if err != nil {
			return err
		}
	}
	part := "layout"
	if staff.IsLive(r) {
		part = "job"
	}
	return c.renderAs(w, r, m, http.StatusOK, "job", part, view{Title: page.Name(), Nav: "jobs", Body: page})
}

// troubles are the first accounts that did not succeed.
func (c *console) troubles(ctx context.Context, j jobs.Job) (found []trouble, err error) {
	j.Chunks = min(j.Chunks, jobLook)
	err = jobs.Items(ctx, c.Jobs, j, func(ch jobs.Chunk, i jobs.Item) error {
		switch i.Outcome {
		case jobs.Failed, jobs.Lost, jobs.Unknown, jobs.Refused, jobs.Skipped:
		default:
			return nil
		}
		t := trouble{Item: i, Label: outcomeLabels[i.Outcome]}
		if i.Outcome != jobs.Refused && !i.Erased && !ch.Begun.IsZero() {
			t.Event = ch.EventID(i)
		}
		found = append(found, t)
		if len(found) == jobProblems {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return found, nil
	}
	return found, err
}

// jobResult returns what became of each account.
func (c *console) jobResult(w http.ResponseWriter, r *http.Request, m member) error {
	j, err := c.findJob(r)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	err = jobs.WriteResults(r.Context(), c.Jobs, j, &out)
	if err != nil {
		return err
	}
	c.record(r.Context(), m, act{Action: "export", Result: j.ID})
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+j.ID+`.csv"`)
	_, err = w.Write(out.Bytes())
	return err
}

// steer changes a job and shows it.
func (c *console) steer(
	w http.ResponseWriter,
	r *http.Request,
	m member,
	action string,
	change func(*jobs.Job) error,
) error {
	j, err := c.findJob(r)
	if err != nil {
		return err
	}
	j, err = jobs.Change(r.Context(), c.Jobs, j.ID, change)
	if err != nil {
		return err
	}
	c.record(r.Context(), m, act{Action: action, Note: j.Note, Result: j.ID})
	c.kick(r.Context())
	http.Redirect(w, r, "/jobs/"+j.ID, http.StatusSeeOther)
	return nil
}

func (c *console) stopJob(w http.ResponseWriter, r *http.Request, m member) error {
	return c.steer(w, r, m, "stop_job", func(j *jobs.Job) error { return j.Stop(m.Name()) })
}

func (c *console) resumeJob(w http.ResponseWriter, r *http.Request, m member) error {
	return c.steer(w, r, m, "resume_job", func(j *jobs.Job) error { return j.Resume(m.Name()) })
}

func (c *console) changeRate(w http.ResponseWriter, r *http.Request, m member) error {
	rate, err := strconv.Atoi(r.FormValue("rate"))
	if err != nil {
		rate = 0
	}
	return c.steer(w, r, m, "change_rate", func(j *jobs.Job) error { return j.SetRate(rate) })
}

// kick has jobs advanced now; their minute makes up for it.
func (c *console) kick(ctx context.Context) {
	if c.Kick == nil {
		return
	}
	err := c.Kick(ctx)
	if err != nil {
		c.Log.WarnContext(ctx, "jobs are advanced within a minute", "error", err)
	}
}

// begin keeps a new job and has it advanced.
func (c *console) begin(ctx context.Context, m member, request jobs.Request) (jobs.Job, error) {
	request.Actor = m.Name()
	j, err := jobs.New(request, c.Now(), rand.Read)
	if err != nil {
		return j, err
	}
	return c.Jobs.SaveJob(ctx, j)
}

type newJobView struct {
	Accounts, ZOQL, Since, Note string
	Rate                        int
	Problem                     *hotsync.Problem
	Bad                         []jobs.Row // rows that name no account
}

// newJobPage is the form of a backfill.
func (c *console) newJobPage(w http.ResponseWriter, r *http.Request, m member) error {
	return c.showNewJob(w, r, m, newJobView{Rate: jobs.DefaultRate})
}

func (c *console) showNewJob(w http.ResponseWriter, r *http.Request, m member, page newJobView) error {
	status := http.StatusOK
	if page.Problem != nil {
		status = page.Problem.Code.HTTPStatus()
	}
	return c.renderAs(w, r, m, status, "newjob", "layout", view{Title: "New backfill", Nav: "jobs", Body: page})
}

// beginBackfill begins a backfill of pasted or uploaded accounts, or of those that
// Zuora lists.
func (c *console) beginBackfill(w http.ResponseWriter, r *http.Request, m member) error {
	page, list, err := readNewJob(r)
	if err != nil {
		return err
	}
	request, rows, problem := page.request(list)
	if problem != "" {
		page.Problem = hotsync.Errorf(hotsync.CodeBadRequest, "%s", problem).Problem()
		return c.showNewJob(w, r, m, page)
	}
	j, err := c.begin(r.Context(), m, request)
	if err == nil && request.Source.File != "" {
		j, err = c.load(r.Context(), j, rows)
	}
	if err != nil {
		return err
	}
	c.record(r.Context(), m, act{Action: "begin_job", Note: j.Note, Result: j.ID})
	c.kick(r.Context())
	http.Redirect(w, r, "/jobs/"+j.ID, http.StatusSeeOther)
	return nil
}

// readNewJob reads the form of a backfill, and the list of accounts that was pasted
// or uploaded.
func readNewJob(r *http.Request) (page newJobView, list string, err error) {
	err = r.ParseMultipartForm(maxUpload)
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return page, "", hotsync.Errorf(hotsync.CodeBadRequest, "The form could not be read.").Because(err)
	}
	page = newJobView{
		Accounts: r.FormValue("accounts"),
		ZOQL:     strings.TrimSpace(r.FormValue("zoql")),
		Since:    r.FormValue("since"),
		Note:     noteOf(r.FormValue("note")),
	}
	page.Rate, err = strconv.Atoi(r.FormValue("rate"))
	if err != nil {
		page.Rate = 0 // which no job has
	}
	file, _, err := r.FormFile("file")
	if err != nil { // none was sent
		return page, page.Accounts, nil
	}
	raw, err := io.ReadAll(file)
	if err != nil {
		return page, "", hotsync.Errorf(hotsync.CodeBadRequest, "The file could not be read.").Because(err)
	}
	if len(raw) == 0 {
		return page, page.Accounts, nil
	}
	return page, string(raw), nil
}

// request returns what a form asks for, with the rows of its list, or what is wrong
// with it, in words.
func (page newJobView) request(list string) (request jobs.Request, rows []jobs.Row, problem string) {
	ways := 0
	for _, s := range []string{strings.TrimSpace(list), page.ZOQL, page.Since} {
		if s != "" {
			ways++
		}
	}
	request = jobs.Request{Kind: jobs.Backfill, Rate: page.Rate, Note: page.Note}
	switch {
	case page.Rate < 1 || page.Rate > jobs.MaxRate:
		return request, nil, fmt.Sprintf("The rate must be between 1 and %d accounts a minute.", jobs.MaxRate)
	case ways != 1:
		return request, nil, "Name the accounts in one way: a list, a day, or a condition."
	case len([]rune(page.Note)) < 3:
		return request, nil, "Say why, in a few words: it is kept with every sync."
	case len(list) > maxUpload:
		return request, nil, fmt.Sprintf("A list here has at most %d MB: split it, or use hotsync backfill.", maxUpload>>20)
	case strings.TrimSpace(list) == "":
		problem = page.listedByZuora(&request)
		return request, nil, problem
	}
	err := jobs.ReadAccounts(strings.NewReader(list), false, func(row jobs.Row) error {
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		return request, nil, strings.ToUpper(err.Error()[:1]) + err.Error()[1:] + "."
	}
	request.Source.File, request.Expected = "console", len(rows)
	request.Title = "Accounts of a list, " + plural(len(rows), "row", "rows")
	return request, rows, ""
}

// load gives a job the accounts of a list.
func (c *console) load(ctx context.Context, j jobs.Job, rows []jobs.Row) (jobs.Job, error) {
	l := jobs.NewLoader(ctx, c.Jobs, j)
	for _, row := range rows {
		err := l.Add(row)
		if err != nil {
			return j, err
		}
	}
	return l.Close()
}

// listedByZuora has Zuora list the accounts of a request. It returns what is wrong
// with the day or the condition, in words, or "".
func (page newJobView) listedByZuora(request *jobs.Request) (problem string) {
	request.Source.ZOQL, request.Title = page.ZOQL, "Accounts that Zuora lists"
	if page.Since != "" {
		at, err := time.Parse(time.DateOnly, page.Since)
		if err != nil {
			return fmt.Sprintf("%.20q is no day; want one such as 2026-11-01.", page.Since)
		}
		request.Source.ZOQL = "UpdatedDate >= '" + at.Format("2006-01-02T15:04:05.000-07:00") + "'"
		request.Title = "Accounts changed in Zuora since " + page.Since
	}
	err := zuora.CheckCondition(request.Source.ZOQL)
	if err != nil {
		return hotsync.AsError(err).Message
	}
	return ""
}

// beginRetry begins a bulk retry of what a filter finds.
func (c *console) beginRetry(
	ctx context.Context,
	m member,
	f filter,
	total eventstore.Total,
	reason string,
) (jobs.Job, error) {
	q := f.query()
	j, err := c.begin(
		ctx,
		m,
		jobs.Request{
			Kind:     jobs.Retry,
			Source:   jobs.Source{Events: &q},
			Title:    maskFilter(f.Encode(), c.Now()),
			Reason:   f.Reason,
			Note:     reason,
			Limit:    bulkLimit,
			Expected: total.N,
		},
	)
	if err == nil {
		c.record(
			ctx,
			m,
			act{
				Action: "bulk_retry",
				Filter: f.Encode(),
				Note:   reason,
				Result: "begun, " + strconv.Itoa(total.N) + " events, " + j.ID,
			},
		)
	}
	return j, err
}
