package jobs

import (
	"context"
	"sync"
	"time"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/pause"
	"hotsync/shared/syncer"
	"hotsync/shared/syncqueue"
)

// Sources lists accounts from wherever jobs take them. It is the Lister of the
// functions.
type Sources struct {
	Zuora interface {
		List(ctx context.Context, where, cursor string, limit int) ([]hotsync.AccountRef, string, error)
	}
	Events interface {
		Search(ctx context.Context, q eventstore.Query) (eventstore.Page, error)
		KnownAccounts(ctx context.Context, before time.Time, limit int, cursor string) ([]eventstore.Known, string, error)
	}
}

// List implements Lister.
func (s Sources) List(
	ctx context.Context,
	j Job,
	cursor string,
	limit int,
) (items []Item, next string, last bool, err error) {
	defer hotsync.In(&err, "jobs.List(%q)", j.ID)
	switch {
	case j.Source.ZOQL != "":
		refs, next, err := s.Zuora.List(ctx, j.Source.ZOQL, cursor, limit)
		for _, r := range refs {
			items = append(items, Of(r.ID, hotsync.Identity{}))
		}
		return items, next, next == "", err
	case j.Source.Events != nil:
		q := *j.Source.Events
		q.Limit, q.Cursor, q.Full = limit, cursor, false
		page, err := s.Events.Search(ctx, q)
		for _, e := range page.Events {
			if j.Reason == "" || e.Reason == j.Reason {
				items = append(items, Item{Retries: e.ID})
			}
		}
		return items, page.Cursor, page.Cursor == "", err
	case j.Source.Known:
		known, next, err := s.Events.KnownAccounts(ctx, j.CreatedAt, limit, cursor)
		for _, k := range known {
			items = append(items, Of(k.ID, hotsync.Identity{}))
		}
		return items, next, next == "", err
	default:
		return nil, "", false, hotsync.Errorf(hotsync.CodeInternal, "The job has no source that can be listed.")
	}
}

// Lane is the Gate of the functions: it says whether the second lane may be used.
// What it knows is up to a second old.
type Lane struct {
	Logins interface { // the first lane's queue
		Depth(ctx context.Context) (syncqueue.Depth, error)
	}
	Pauses map[Wait]interface {
		Load(ctx context.Context) (pause.State, error)
	} // of the upstreams; nil where nothing is sent
	Settings interface { // nil where nothing is sent
		Load(ctx context.Context) (hotsync.Settings, error)
	}
	Now func() time.Time

	mu      sync.Mutex
	known   Wait
	off     bool
	knownAt time.Time
}

// lookAgain is how old what a lane knows may be.
const lookAgain = time.Second

// Wait implements Gate.
func (l *Lane) Wait(ctx context.Context, k Kind) Wait {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.Now(); l.knownAt.IsZero() || now.Sub(l.knownAt) >= lookAgain {
		l.known, l.off = l.look(ctx), false
		if l.Settings != nil {
			s, err := l.Settings.Load(ctx)
			l.off = err == nil && !s.HotSync
		}
		l.knownAt = now
	}
	if l.off && k == Reconcile {
		return WaitOff
	}
	return l.known
}

func (l *Lane) look(ctx context.Context) Wait {
	depth, err := l.Logins.Depth(ctx)
	switch {
	case err != nil:
		return WaitQueue
	case depth.Visible > 0:
		return WaitLogins
	}
	for wait, p := range l.Pauses {
		state, err := p.Load(ctx)
		if err == nil && l.Now().Before(state.Until) {
			return wait
		}
	}
	return ""
}

// Yields reports whether logins wait: a sync of the second lane then comes later. A
// queue that does not answer holds nothing up.
func (l *Lane) Yields(ctx context.Context) bool { return l.Wait(ctx, Backfill) == WaitLogins }

// DryRuns compares accounts by dry runs. It is the Checker of the functions.
type DryRuns struct {
	Syncer interface {
		DryRun(ctx context.Context, r hotsync.SyncRequest) (syncer.DryRun, error)
	}
}

// Differs implements Checker.
func (d DryRuns) Differs(ctx context.Context, account string) (bool, error) {
	run, err := d.Syncer.DryRun(ctx, hotsync.SyncRequest{Trigger: hotsync.TriggerReconcile, Account: account})
	return len(run.Changes) > 0, err
}
