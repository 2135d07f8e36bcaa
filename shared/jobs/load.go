package jobs

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/hotsync"
)

// loaders is how many chunks a Loader writes at once.
const loaders = 8

// Loader writes the rows of a file into the chunks of a job that waits for them
// (Loading), some of which may be there from a loader that died. It is for one
// goroutine.
type Loader struct {
	store  Store
	job    Job
	items  []Item
	n      int // chunks so far
	sketch Sketch
	group  *errgroup.Group
	ctx    context.Context
}

// NewLoader makes a Loader for a job. ctx is for all its writes.
func NewLoader(ctx context.Context, s Store, j Job) *Loader {
	l := &Loader{store: s, job: j}
	l.group, l.ctx = errgroup.WithContext(ctx)
	l.group.SetLimit(loaders)
	return l
}

// Add adds a row. The same rows in the same order make the same chunks.
func (l *Loader) Add(r Row) error {
	i := Of(r.Account, r.Login)
	i.Line = r.Line
	if r.Problem != "" {
		i.Outcome, i.Reason = Refused, r.Problem
	} else {
		l.sketch.Add(r.Account)
	}
	l.items = append(l.items, i)
	l.job.Total++
	if len(l.items) == ChunkSize {
		l.flush()
	}
	return l.ctx.Err()
}

// Retry adds a sync that is to be retried, by the id of its event.
func (l *Loader) Retry(event string) error {
	l.items = append(l.items, Item{Retries: event})
	l.job.Total++
	if len(l.items) == ChunkSize {
		l.flush()
	}
	return l.ctx.Err()
}

func (l *Loader) flush() {
	c := Chunk{Job: l.job.ID, N: l.n, Items: l.items}
	l.n++
	l.items = nil
	l.group.Go(func() error {
		_, err := l.store.SaveChunk(l.ctx, c)
		return unlessConflict(err) // it is there already
	})
}

// Close writes the rest, compares the job with those under way, and lets it run. What
// it returns says in Overlaps which of them have the same accounts.
func (l *Loader) Close() (j Job, err error) {
	defer hotsync.In(&err, "jobs.Load(%q)", l.job.ID)
	if len(l.items) > 0 {
		l.flush()
	}
	err = l.group.Wait()
	if err != nil {
		return Job{}, err
	}
	ctx := context.WithoutCancel(l.ctx) // it ended with the group
	found, err := overlaps(ctx, l.store, l.job.ID, l.sketch)
	if err != nil {
		return Job{}, err
	}
	return Change(ctx, l.store, l.job.ID, func(j *Job) error {
		if j.Listed {
			return nil
		}
		j.Total, j.Chunks, j.Listed, j.Overlaps = l.job.Total, l.n, true, found
		if j.Status == Loading {
			j.Status = Running
		}
		return nil
	})
}

// overlaps keeps the sketch of a job and compares it with those of the others that
// are under way.
func overlaps(ctx context.Context, s Store, id string, mine Sketch) (found []Overlap, err error) {
	_, err = s.SaveSketch(ctx, id, mine)
	if unlessConflict(err) != nil {
		return nil, err
	}
	active, err := Active(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, j := range active {
		if j.ID == id || j.Kind == Reconcile { // a reconcile run is about every account
			continue
		}
		other, err := s.Sketch(ctx, j.ID)
		if err != nil {
			return nil, err
		}
		if share := mine.Shared(other); share > 0 {
			found = append(found, Overlap{Job: j.ID, Share: share})
		}
	}
	return found, nil
}

// readChunks is how many chunks are read at a time.
const readChunks = 40

// Items calls each for every account of a job, in order.
func Items(ctx context.Context, s Store, j Job, each func(Chunk, Item) error) error {
	for n := 0; n < j.Chunks; n += readChunks {
		chunks, err := s.Chunks(ctx, j.ID, n, min(readChunks, j.Chunks-n))
		if err != nil {
			return err
		}
		for _, c := range chunks {
			for _, i := range c.Items {
				err = each(c, i)
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// WriteResults writes what became of each account of a job, as CSV.
func WriteResults(ctx context.Context, s Store, j Job, to io.Writer) (err error) {
	defer hotsync.In(&err, "jobs.WriteResults(%q)", j.ID)
	w := csv.NewWriter(to)
	w.UseCRLF = true
	err = w.Write([]string{"line", "account", "outcome", "reason", "event"})
	if err != nil {
		return err
	}
	err = Items(ctx, s, j, func(c Chunk, i Item) error {
		line, event := "", ""
		if i.Line > 0 {
			line = strconv.Itoa(i.Line)
		}
		if !c.Begun.IsZero() && !i.Erased && i.Outcome != Waiting && i.Outcome != Refused && i.Outcome != Passed &&
			!(j.Kind == Reconcile && i.Outcome == Unchanged) {
			event = c.EventID(i)
		}
		outcome := string(i.Outcome)
		if i.Outcome == Waiting {
			outcome = "waiting"
		}
		return w.Write([]string{line, cell(i.Account), outcome, i.Reason, event})
	})
	if err != nil {
		return err
	}
	w.Flush()
	return w.Error()
}

// cell keeps a spreadsheet from taking an account number for a formula.
func cell(s string) string {
	if s != "" && (s[0] == '-' || s[0] == '=' || s[0] == '+' || s[0] == '@') {
		return "'" + s
	}
	return s
}

// String says how the outcomes stand, in a line.
func (c Counts) String() string {
	text := ""
	for _, o := range Outcomes {
		if c[o] == 0 || o == Waiting || o == Sent {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%d %s", c[o], o)
	}
	if text == "" {
		return "nothing yet"
	}
	return text
}
