package jobs_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
	"hotsync/shared/pause"
	"hotsync/shared/syncer"
	"hotsync/shared/syncqueue"
)

// TestNew: what makes no job says why, and a job begins as it was asked for.
func TestNew(t *testing.T) {
	t.Parallel()

	known := jobs.Source{Known: true}
	for _, tc := range []struct {
		name string
		r    jobs.Request
		says string // "" for a job
		rate int
	}{
		{"no rate", jobs.Request{Source: known}, "", jobs.DefaultRate},
		{"the least", jobs.Request{Source: known, Rate: 1}, "", 1},
		{"the most", jobs.Request{Source: known, Rate: jobs.MaxRate}, "", jobs.MaxRate},
		{"less than nothing", jobs.Request{Source: known, Rate: -1}, "rate", 0},
		{"too much", jobs.Request{Source: known, Rate: jobs.MaxRate + 1}, "rate", 0},
		{"no source", jobs.Request{}, "one source", 0},
		{"two sources", jobs.Request{Source: jobs.Source{Known: true, ZOQL: "*"}}, "one source", 0},
		{"of events", jobs.Request{Source: jobs.Source{Events: &eventstore.Query{}}}, "", jobs.DefaultRate},
		{"of a file", jobs.Request{Source: jobs.Source{File: "digest"}}, "", jobs.DefaultRate},
		{"a file and events", jobs.Request{Source: jobs.Source{File: "digest", Events: &eventstore.Query{}}},
			"one source", 0},
		{"as many issuers as may be", jobs.Request{Source: known, Issuers: make([]string, jobs.MaxIssuers)}, "",
			jobs.DefaultRate},
		{"more issuers", jobs.Request{Source: known, Issuers: make([]string, jobs.MaxIssuers+1)}, "issuers", 0},
		{"as long a note as may be", jobs.Request{Source: known, Note: strings.Repeat("n", 500)}, "", jobs.DefaultRate},
		{"a longer note", jobs.Request{Source: known, Note: strings.Repeat("n", 501)}, "reason", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			j, err := jobs.New(tc.r, time.Now(), rand.Read)
			if tc.says != "" {
				if err == nil || hotsync.AsError(err).Code != hotsync.CodeBadRequest || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("New = %v, want a refusal that speaks of the %s", err, tc.says)
				}
				return
			}
			status := jobs.Running
			if tc.r.Source.File != "" {
				status = jobs.Loading
			}
			if err != nil || j.Rate != tc.rate || j.Status != status || !jobs.IsID(j.ID) {
				t.Errorf("New = %+v, %v; want it %s at %d a minute", j, err, status, tc.rate)
			}
		})
	}
	for id, want := range map[string]bool{"job-0123456789ab0123456789ab": true, "job-0123456789ab0123456789a": false,
		"job-0123456789AB0123456789ab": false, "xjob-0123456789ab0123456789ab": false} {
		if jobs.IsID(id) != want {
			t.Errorf("IsID(%q) = %t", id, !want)
		}
	}
}

// load makes a job of a file, and loads these rows.
func load(t *testing.T, s jobs.Store, rows ...jobs.Row) jobs.Job {
	t.Helper()
	j, err := jobs.New(jobs.Request{Kind: jobs.Backfill, Source: jobs.Source{File: "digest"}}, time.Now(), rand.Read)
	if err == nil {
		j, err = s.SaveJob(t.Context(), j)
	}
	if err != nil {
		t.Fatal(err)
	}
	l := jobs.NewLoader(t.Context(), s, j)
	for _, r := range rows {
		err = l.Add(r)
		if err != nil {
			t.Fatal(err)
		}
	}
	j, err = l.Close()
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func rowsOf(from, to int) (out []jobs.Row) {
	for n := from; n < to; n++ {
		out = append(out, jobs.Row{Line: n + 2, Account: fmt.Sprintf("A%03d", n)})
	}
	return out
}

// TestLoader: the rows of a file become chunks, and the job runs once all are there.
func TestLoader(t *testing.T) {
	t.Parallel()

	who := hotsync.Identity{Issuer: "i", Subject: "s"}
	for _, tc := range []struct{ rows, chunks int }{{0, 0}, {1, 1}, {49, 1}, {50, 1}, {51, 2}, {120, 3}} {
		var s jobs.Memory
		j := load(t, &s, rowsOf(0, tc.rows)...)
		if j.Status != jobs.Running || !j.Listed || j.Total != tc.rows || j.Chunks != tc.chunks || len(j.Overlaps) > 0 {
			t.Errorf("%d rows: the job is %s with %d accounts in %d chunks, overlaps %v", tc.rows, j.Status, j.Total, j.Chunks,
				j.Overlaps)
		}
		n := 0
		err := jobs.Items(t.Context(), &s, j, func(_ jobs.Chunk, i jobs.Item) error {
			if want := rowsOf(n, n+1)[0]; i.Line != want.Line || i.Account != want.Account || i.Outcome != jobs.Waiting {
				t.Errorf("account %d is %+v", n, i)
			}
			n++
			return nil
		})
		if err != nil || n != tc.rows {
			t.Errorf("%d rows: Items = %d, %v", tc.rows, n, err)
		}
	}

	var s jobs.Memory
	j := load(t, &s, jobs.Row{Line: 2, Account: "A1", Login: who}, jobs.Row{Line: 3, Problem: "has no account"})
	chunks, err := s.Chunks(t.Context(), j.ID, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := []jobs.Item{{Line: 2, Account: "A1", Issuer: "i", Subject: "s", Login: eventstore.IdentityHash(who)},
		{Line: 3, Outcome: jobs.Refused, Reason: "has no account"}}
	if diff := cmp.Diff(want, chunks[0].Items); diff != "" {
		t.Errorf("items mismatch (-want +got):\n%s", diff)
	}

	// A loader that died has written some of it; the job was stopped meanwhile.
	j, err = jobs.New(jobs.Request{Kind: jobs.Retry, Source: jobs.Source{File: "digest"}}, time.Now(), rand.Read)
	if err == nil {
		j, err = s.SaveJob(t.Context(), j)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l := jobs.NewLoader(t.Context(), &s, j)
		for n := range 60 {
			err = l.Retry(fmt.Sprint("event-", n))
			if err != nil {
				t.Fatal(err)
			}
		}
		_, err = jobs.Change(t.Context(), &s, j.ID, func(j *jobs.Job) error {
			if j.Status == jobs.Loading {
				return j.Stop("Mia")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Close()
		if err != nil || got.Total != 60 || got.Chunks != 2 || got.Status != jobs.Stopped || !got.Listed {
			t.Errorf("Close = %+v, %v", got, err)
		}
	}
	resumed, err := jobs.Change(t.Context(), &s, j.ID, func(j *jobs.Job) error { return j.Resume("Ben") })
	if err != nil || resumed.Status != jobs.Running {
		t.Errorf("Resume of what is loaded = %s, %v", resumed.Status, err)
	}
	j, err = jobs.New(jobs.Request{Source: jobs.Source{File: "digest"}}, time.Now(), rand.Read)
	if err == nil {
		err = j.Stop("Mia")
	}
	if err == nil {
		err = j.Resume("Ben")
	}
	if err != nil || j.Status != jobs.Loading || !j.Idle() {
		t.Errorf("Resume of what is not loaded = %s, %v, idle: %t", j.Status, err, j.Idle())
	}
}

// TestOverlaps: a job says which others have its accounts; those that have ended, and reconcile runs, do not count.
func TestOverlaps(t *testing.T) {
	t.Parallel()

	var s jobs.Memory
	first := load(t, &s, rowsOf(0, 10)...)
	_, err := jobs.BeginReconcile(t.Context(), &s, 10, time.Now(), rand.Read)
	if err != nil {
		t.Fatal(err)
	}
	load(t, &s, rowsOf(50, 60)...)
	done := load(t, &s, rowsOf(0, 10)...)
	_, err = jobs.Change(t.Context(), &s, done.ID, func(j *jobs.Job) error {
		j.Status = jobs.Done
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := load(t, &s, rowsOf(5, 15)...)
	if diff := cmp.Diff([]jobs.Overlap{{Job: first.ID, Share: 0.5}}, got.Overlaps); diff != "" {
		t.Errorf("overlaps mismatch (-want +got):\n%s", diff)
	}
	// One that lists by a query of Zuora's compares once it has listed all.
	d := newDesk(t, jobs.Request{Kind: jobs.Backfill, Source: jobs.Source{ZOQL: "*"}}, accountsNamed(10))
	other := load(t, &d.Memory, rowsOf(0, 20)...)
	d.wait = jobs.WaitOff
	if diff := cmp.Diff([]jobs.Overlap{{Job: other.ID, Share: 1}}, d.step(t).Overlaps); diff != "" {
		t.Errorf("overlaps of a query (-want +got):\n%s", diff)
	}
	load(t, &d.Memory, rowsOf(0, 20)...) // which says so itself
	if j := d.step(t); len(j.Overlaps) != 1 {
		t.Errorf("overlaps %v after another job began, want the one that was there", j.Overlaps)
	}
	for _, tc := range []struct {
		source   jobs.Source
		accounts int
	}{{jobs.Source{Known: true}, 10}, {jobs.Source{ZOQL: "*"}, 2000}} {
		d := newDesk(t, jobs.Request{Kind: jobs.Backfill, Source: tc.source}, accountsNamed(tc.accounts))
		d.wait = jobs.WaitOff
		d.step(t)
		sketch, err := d.Sketch(t.Context(), d.job.ID)
		if err != nil || sketch.Revision > 0 {
			t.Errorf("a job of %+v that is listed or not is compared: %v", tc.source, err)
		}
	}
}

// TestWriteResults: what became of each account, as a table.
func TestWriteResults(t *testing.T) {
	t.Parallel()

	var s jobs.Memory
	begun := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	for _, kind := range []jobs.Kind{jobs.Backfill, jobs.Reconcile} {
		items := []jobs.Item{
			{Line: 1, Account: "A1", Outcome: jobs.Changed}, {Account: "A2", Outcome: jobs.Unchanged},
			{Account: "A3", Outcome: jobs.Failed, Reason: "timeout"}, {Account: "A4", Outcome: jobs.Sent}, {Account: "A5"},
			{Line: 7, Outcome: jobs.Refused, Reason: "has no account"}, {Account: "A6", Outcome: jobs.Passed},
			{Account: "A7", Outcome: jobs.Changed, Erased: true}, {Account: "-A8", Outcome: jobs.Changed},
			{Account: "=A9"}, {Account: "+A10"}, {Account: "@A11"},
		}
		j := jobs.Job{ID: "job-" + string(kind), Kind: kind, Chunks: 2}
		first, err := s.SaveChunk(t.Context(), jobs.Chunk{Job: j.ID, Items: items, Begun: begun})
		if err == nil {
			_, err = s.SaveChunk(t.Context(), jobs.Chunk{Job: j.ID, N: 1, Items: []jobs.Item{{Account: "A12"}}})
		}
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		err = jobs.WriteResults(t.Context(), &s, j, &out)
		if err != nil {
			t.Fatal(err)
		}
		event := func(n int) string { return first.EventID(items[n]) }
		same := event(1)
		if kind == jobs.Reconcile { // which has no event
			same = ""
		}
		want := strings.ReplaceAll("line,account,outcome,reason,event\n1,A1,changed,,"+event(0)+"\n,A2,unchanged,,"+same+
			"\n,A3,failed,timeout,"+event(2)+"\n,A4,sent,,"+event(3)+"\n,A5,waiting,,\n7,,refused,has no account,\n"+
			",A6,passed,,\n"+
			",A7,changed,,\n,'-A8,changed,,"+event(8)+"\n,'=A9,waiting,,\n,'+A10,waiting,,\n,'@A11,waiting,,\n,A12,waiting,,\n",
			"\n", "\r\n")
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s: results mismatch (-want +got):\n%s", kind, diff)
		}
	}
	for want, c := range map[string]jobs.Counts{
		"nothing yet":         {jobs.Waiting: 3, jobs.Sent: 2},
		"3 changed, 1 failed": {jobs.Failed: 1, jobs.Changed: 3, jobs.Waiting: 1},
		"1 unchanged":         {jobs.Unchanged: 1},
	} {
		if got := c.String(); got != want {
			t.Errorf("%v is said as %q, want %q", map[jobs.Outcome]int(c), got, want)
		}
	}
}

// TestReconcileRuns: one at a time, and each leaves one event that says what it found.
func TestReconcileRuns(t *testing.T) {
	t.Parallel()

	var s jobs.Memory
	at := time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)
	load(t, &s, rowsOf(0, 1)...)
	_, ok, err := jobs.LastReconcile(t.Context(), &s)
	if ok || err != nil {
		t.Errorf("LastReconcile of none = %t, %v", ok, err)
	}
	first, err := jobs.BeginReconcile(t.Context(), &s, 60, at, rand.Read)
	if err != nil || first.Kind != jobs.Reconcile || first.Rate != 60 || !first.Source.Known || first.Actor != "schedule" {
		t.Fatalf("BeginReconcile = %+v, %v", first, err)
	}
	again, err := jobs.BeginReconcile(t.Context(), &s, 60, at.Add(time.Hour), rand.Read)
	if err != nil || again.ID != first.ID {
		t.Errorf("BeginReconcile while one is under way = %s, %v, want %s", again.ID, err, first.ID)
	}
	_, ok, err = jobs.LastReconcile(t.Context(), &s)
	if ok || err != nil {
		t.Errorf("LastReconcile while the first is under way = %t, %v", ok, err)
	}
	ended, err := jobs.Change(t.Context(), &s, first.ID, func(j *jobs.Job) error {
		j.Status, j.EndedAt, j.Total = jobs.Done, at.Add(time.Minute), 10
		j.Final = jobs.Counts{jobs.Unchanged: 10}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	last, ok, err := jobs.LastReconcile(t.Context(), &s)
	if !ok || err != nil || last.ID != first.ID {
		t.Errorf("LastReconcile = %s, %t, %v", last.ID, ok, err)
	}
	next, err := jobs.BeginReconcile(t.Context(), &s, 60, at.Add(24*time.Hour), rand.Read)
	if err != nil || next.ID == first.ID {
		t.Errorf("BeginReconcile after the first = %s, %v", next.ID, err)
	}

	for _, tc := range []struct {
		final    jobs.Counts
		reason   string
		detail   string
		findings string
	}{
		{jobs.Counts{jobs.Unchanged: 10}, hotsync.ReasonUnchanged, "10 accounts, 0 had drifted, 0 brought in line", ""},
		{jobs.Counts{jobs.Unchanged: 7, jobs.Changed: 2, jobs.Failed: 1}, hotsync.ReasonChanged,
			"10 accounts, 3 had drifted, 2 brought in line", "1 accounts could not be brought in line."},
		{jobs.Counts{jobs.Unchanged: 9, jobs.Changed: 1}, hotsync.ReasonChanged,
			"10 accounts, 1 had drifted, 1 brought in line", ""},
		{jobs.Counts{jobs.Unchanged: 9, jobs.Lost: 1}, hotsync.ReasonUnchanged,
			"10 accounts, 0 had drifted, 0 brought in line",
			"1 accounts could not be brought in line."},
		{jobs.Counts{jobs.Unchanged: 7, jobs.Lost: 1, jobs.Failed: 2}, hotsync.ReasonChanged,
			"10 accounts, 2 had drifted, 0 brought in line", "3 accounts could not be brought in line."},
	} {
		ended.Final = tc.final
		e := jobs.Summary(ended)
		if e.Status != hotsync.StatusSucceeded || e.Reason != tc.reason || len(e.Steps) != 1 ||
			e.Steps[0].Detail != tc.detail ||
			e.Steps[0].MS != 60_000 || strings.Join(hotsync.Messages(e.Findings), " ") != tc.findings {
			t.Errorf("the summary of %v is %s %s with %+v and %q", map[jobs.Outcome]int(tc.final), e.Status, e.Reason, e.Steps,
				hotsync.Messages(e.Findings))
		}
		if !e.StartedAt.Equal(at) || !e.FinishedAt.Equal(at.Add(time.Minute)) || e.Job != first.ID ||
			e.ID != jobs.Summary(ended).ID {
			t.Errorf("the summary is %+v", e)
		}
	}
}

// listed is what accounts are listed from.
type listed struct {
	q     eventstore.Query
	where string
	limit int
	next  string
	err   error
}

func (l *listed) List(_ context.Context, where, _ string, limit int) ([]hotsync.AccountRef, string, error) {
	l.where, l.limit = where, limit
	return []hotsync.AccountRef{{ID: "z1"}, {ID: "z2"}}, l.next, l.err
}

func (l *listed) Search(_ context.Context, q eventstore.Query) (eventstore.Page, error) {
	l.q = q
	return eventstore.Page{Events: []hotsync.Event{{ID: "e1", Reason: "timeout"}, {ID: "e2", Reason: "gave_up"}},
		Cursor: l.next}, l.err
}

func (l *listed) KnownAccounts(
	_ context.Context,
	_ time.Time,
	limit int,
	_ string,
) ([]eventstore.Known, string, error) {
	l.limit = limit
	return []eventstore.Known{{ID: "k1"}}, l.next, l.err
}

// TestSources: where the accounts of a job come from, a page at a time.
func TestSources(t *testing.T) {
	t.Parallel()

	for _, next := range []string{"", "more"} {
		for _, tc := range []struct {
			name string
			job  jobs.Job
			want []jobs.Item
		}{
			{"a query of Zuora's", jobs.Job{Source: jobs.Source{ZOQL: "x = 1"}}, []jobs.Item{{Account: "z1"}, {Account: "z2"}}},
			{"events", jobs.Job{Source: jobs.Source{Events: &eventstore.Query{Q: "q", Full: true, Limit: 7}}},
				[]jobs.Item{{Retries: "e1"}, {Retries: "e2"}}},
			{"events of a reason", jobs.Job{Reason: "gave_up", Source: jobs.Source{Events: &eventstore.Query{Q: "q"}}},
				[]jobs.Item{{Retries: "e2"}}},
			{"known accounts", jobs.Job{Source: jobs.Source{Known: true}}, []jobs.Item{{Account: "k1"}}},
		} {
			l := &listed{next: next}
			items, cursor, last, err := jobs.Sources{Zuora: l, Events: l}.List(t.Context(), tc.job, "c", 50)
			if diff := cmp.Diff(tc.want, items); err != nil || diff != "" || cursor != next || last != (next == "") {
				t.Errorf("%s: List = %q, last: %t, %v; items (-want +got):\n%s", tc.name, cursor, last, err, diff)
			}
			if tc.job.Source.Events != nil && (l.q.Q != "q" || l.q.Limit != 50 || l.q.Cursor != "c" || l.q.Full) {
				t.Errorf("%s: asked for %+v", tc.name, l.q)
			}
		}
	}
	_, _, _, err := jobs.Sources{}.List(t.Context(), jobs.Job{}, "", 50)
	if err == nil {
		t.Error("a job without a source is listed")
	}
}

// queueDepth, paused and set are what a lane looks at.
type queueDepth struct {
	depth syncqueue.Depth
	err   error
	asked int
}

func (q *queueDepth) Depth(context.Context) (syncqueue.Depth, error) {
	q.asked++
	return q.depth, q.err
}

type paused struct {
	state pause.State
	err   error
}

func (p paused) Load(context.Context) (pause.State, error) { return p.state, p.err }

type set struct {
	on  bool
	err error
}

func (s set) Load(context.Context) (hotsync.Settings, error) {
	return hotsync.Settings{HotSync: s.on}, s.err
}

type pauses = map[jobs.Wait]interface {
	Load(ctx context.Context) (pause.State, error)
}

// TestLane: the second lane waits for logins and for upstreams that are paused, a reconcile run also while hot sync is
// off. What is known of that is up to a second old.
func TestLane(t *testing.T) {
	t.Parallel()

	down := errors.New("down")
	for _, tc := range []struct {
		name  string
		queue queueDepth
		until time.Duration // Zuora's pause, from now
		gone  error         // the pause is not to be read
		set   *set
		kind  jobs.Kind
		want  jobs.Wait
	}{
		{name: "nothing", want: ""},
		{name: "logins", queue: queueDepth{depth: syncqueue.Depth{Visible: 1}}, want: jobs.WaitLogins},
		{name: "logins under way", queue: queueDepth{depth: syncqueue.Depth{InFlight: 5, Delayed: 2}}, want: ""},
		{name: "no queue", queue: queueDepth{err: down}, want: jobs.WaitQueue},
		{name: "Zuora is paused", until: time.Second, want: jobs.WaitZuora},
		{name: "its pause is over", until: 0, want: ""},
		{name: "its pause is not to be read", until: time.Second, gone: down, want: ""},
		{name: "hot sync is off", set: &set{}, kind: jobs.Reconcile, want: jobs.WaitOff},
		{name: "hot sync is off, for a backfill", set: &set{}, kind: jobs.Backfill, want: ""},
		{name: "hot sync is on", set: &set{on: true}, kind: jobs.Reconcile, want: ""},
		{name: "no settings", set: &set{err: down}, kind: jobs.Reconcile, want: ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				l := &jobs.Lane{Logins: &tc.queue, Now: time.Now,
					Pauses: pauses{jobs.WaitZuora: paused{pause.State{Until: time.Now().Add(tc.until)}, tc.gone}}}
				if tc.set != nil {
					l.Settings = *tc.set
				}
				if got := l.Wait(t.Context(), tc.kind); got != tc.want {
					t.Errorf("Wait = %q, want %q", got, tc.want)
				}
				if got := l.Yields(t.Context()); got != (tc.want == jobs.WaitLogins) {
					t.Errorf("Yields = %t", got)
				}
				time.Sleep(time.Second - 1)
				l.Wait(t.Context(), tc.kind)
				if tc.queue.asked != 1 {
					t.Errorf("asked %d times within a second", tc.queue.asked)
				}
				time.Sleep(time.Nanosecond)
				tc.queue = queueDepth{depth: syncqueue.Depth{Visible: 1}}
				if got := l.Yields(t.Context()); !got || tc.queue.asked != 1 {
					t.Errorf("after a second Yields = %t, asked %d times", got, tc.queue.asked)
				}
			})
		})
	}
}

// dryRun is a syncer that would change so much.
type dryRun struct {
	changes int
	asked   hotsync.SyncRequest
}

func (d *dryRun) DryRun(_ context.Context, r hotsync.SyncRequest) (syncer.DryRun, error) {
	d.asked = r
	return syncer.DryRun{Changes: make([]hotsync.Change, d.changes)}, nil
}

func TestDryRuns(t *testing.T) {
	t.Parallel()

	for changes, want := range map[int]bool{0: false, 1: true, 2: true} {
		d := &dryRun{changes: changes}
		got, err := jobs.DryRuns{Syncer: d}.Differs(t.Context(), "A1")
		if got != want || err != nil || d.asked.Account != "A1" || d.asked.Trigger != hotsync.TriggerReconcile {
			t.Errorf("Differs with %d changes = %t, %v, asked %+v", changes, got, err, d.asked)
		}
	}
}
