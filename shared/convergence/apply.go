package convergence

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// Writer writes to Limio. Apply calls it from several goroutines.
type Writer interface {
	// Create makes the object under the id it has. When one with that id exists
	// (a sync died before Limio could show it), it brings that one to the same
	// content: a repeat is no error.
	Create(ctx context.Context, o projection.Object) error
	// Update merges data into the data of an object and sets the status unless it
	// is "". Members that data does not name stay.
	Update(ctx context.Context, kind projection.Kind, service, id, status string, data map[string]any) error
	// LinkExternalIdentity lets the login see what owner owns. A repeat is no
	// error.
	LinkExternalIdentity(ctx context.Context, owner string, id hotsync.Identity) error
}

// Options are the limits of Apply.
type Options struct {
	Concurrency int // writes under way at once; 0 means 8
}

// Apply makes the changes, in levels: a change waits until all that it refers to
// has been created, so that Limio never has a reference to something that is not
// there, whenever it is looked at and wherever a sync may die. For a new account
// the levels are
//
//	owner → customer → identities, payment methods, subscriptions
//	  → offers, addresses, the customer's default → login
//
// and for an existing one mostly a single level. Whatever comes to an end does so
// after that, when nothing points to it any more; the login is linked last, so
// that nobody sees half an account. Within a level Concurrency changes are under
// way at once.
//
// At the first error, and when ctx ends, Apply starts nothing more, waits for
// what is under way, and returns that error. In any case done are the changes
// that were made, in their order. Doing Diff and Apply again mends the rest.
func Apply(ctx context.Context, w Writer, changes []Change, opt Options) (done []Change, err error) {
	defer hotsync.In(&err, "convergence.Apply")
	limit := opt.Concurrency
	if limit <= 0 {
		limit = 8
	}
	made := make([]bool, len(changes))
	for _, level := range levels(changes) {
		err = applyLevel(ctx, w, changes, level, made, limit)
		if err != nil {
			break
		}
	}
	for i, ok := range made {
		if ok {
			done = append(done, changes[i])
		}
	}
	return done, err
}

func applyLevel(ctx context.Context, w Writer, changes []Change, level []int, made []bool, limit int) error {
	var g errgroup.Group // without a context: what is under way is not cut off
	var failed atomic.Bool
	g.SetLimit(limit)
	for _, i := range level {
		g.Go(func() error {
			if failed.Load() || ctx.Err() != nil {
				return ctx.Err()
			}
			err := write(ctx, w, changes[i])
			if err != nil {
				failed.Store(true)
				return err
			}
			made[i] = true
			return nil
		})
	}
	return g.Wait()
}

func write(ctx context.Context, w Writer, c Change) error {
	switch c.Action {
	case hotsync.ActionCreate:
		return w.Create(ctx, c.Object)
	case hotsync.ActionUpdate, hotsync.ActionEnd:
		return w.Update(ctx, c.Object.Kind, c.Object.Service, c.Object.ID, c.Status, c.Data)
	case hotsync.ActionLink:
		iss, _ := c.Object.Data["iss"].(string)
		sub, _ := c.Object.Data["sub"].(string)
		return w.LinkExternalIdentity(ctx, c.Object.Owner, hotsync.Identity{Issuer: iss, Subject: sub})
	default:
		return fmt.Errorf("unknown action %q", c.Action)
	}
}

// CriticalPath is how many writes must follow each other: the shortest time the
// changes can take, in calls.
func CriticalPath(changes []Change) int { return len(levels(changes)) }

// Rounds is how many writes must follow each other where no more than concurrency
// are under way at once: CriticalPath for an account that is small enough.
func Rounds(changes []Change, concurrency int) int {
	out := 0
	for _, level := range levels(changes) {
		out += (len(level) + concurrency - 1) / concurrency
	}
	return out
}

// levels puts the changes, by their index, in the order described at Apply.
func levels(changes []Change) [][]int {
	creates := map[string]int{}
	for i, c := range changes {
		if c.Action == hotsync.ActionCreate {
			creates[c.Object.ID] = i
		}
	}
	waitsFor := make([][]int, len(changes))
	for i, c := range changes {
		for _, id := range references(c) {
			j, ok := creates[id]
			if ok && j != i {
				waitsFor[i] = append(waitsFor[i], j)
			}
		}
	}
	depth := make([]int, len(changes))
	for settled := false; !settled; {
		settled = true
		for i := range changes {
			for _, j := range waitsFor[i] {
				// The bound ends a circle, which Diff does not make.
				if depth[i] <= depth[j] && depth[i] < len(changes) {
					depth[i], settled = depth[j]+1, false
				}
			}
		}
	}
	var ordered, ends, links [][]int
	for i, c := range changes {
		switch c.Action {
		case hotsync.ActionEnd:
			ends = put(ends, 0, i)
		case hotsync.ActionLink:
			links = put(links, 0, i)
		default:
			ordered = put(ordered, depth[i], i)
		}
	}
	return append(append(ordered, ends...), links...)
}

func put(levels [][]int, depth, i int) [][]int {
	for len(levels) <= depth {
		levels = append(levels, nil)
	}
	levels[depth] = append(levels[depth], i)
	return levels
}

// references are the ids that a change's write mentions: of an update only those
// in its data, and the object itself, which may be new.
func references(c Change) []string {
	out := []string{c.Object.ID}
	if c.Action == hotsync.ActionCreate {
		out = append(out, c.Object.Owner, c.Object.Customer, c.Object.Related)
	}
	return appendStrings(out, c.Data)
}

func appendStrings(out []string, value any) []string {
	switch v := value.(type) {
	case string:
		return append(out, v)
	case map[string]any:
		for _, member := range v {
			out = appendStrings(out, member)
		}
	case []any:
		for _, element := range v {
			out = appendStrings(out, element)
		}
	}
	return out
}
