package frontdoor

import (
	"context"
	"sync"
	"time"

	"hotsync/shared/hotsync"
)

// sameLogin is how long requests that say the same are one login.
const sameLogin = 10 * time.Second

// Places in the queue of one person. SQS looks through the first 120,000 messages
// for one that it can deliver, so that a long row behind one account would hold up
// everybody: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-key-terms.html
const (
	placesEach = 8      // that a person takes without being asked how the last one is going
	maxPersons = 20_000 // that a process remembers
	placeWait  = 300 * time.Millisecond
)

// places is what a process remembers of the queue for each person. It bounds what a
// person holds there by one process, and so by the few that there are.
type places struct {
	mu   sync.Mutex
	held map[string]*held
}

// held are the places of a person.
type held struct {
	logins int               // that took one since none was known to wait
	last   map[string]string // event by target
}

func personKey(who hotsync.Identity) string { return hotsync.Digest(who.Issuer, who.Subject) }

// take notes that a person's login took places.
func (p *places) take(who hotsync.Identity, requests []hotsync.SyncRequest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil || len(p.held) >= maxPersons {
		p.held = map[string]*held{} // who comes now begins anew
	}
	key := personKey(who)
	h := p.held[key]
	if h == nil || len(h.last) > 4*placesEach {
		h = &held{last: map[string]string{}}
		p.held[key] = h
	}
	h.logins++
	for _, r := range requests {
		h.last[target(r)] = r.EventID
	}
}

// last returns the event of a person's last place for a target, if they hold so many
// that it has to be looked at.
func (p *places) last(who hotsync.Identity, target string) (event string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.held[personKey(who)]
	if h == nil || h.logins < placesEach {
		return "", false
	}
	event, ok = h.last[target]
	return event, ok
}

// free notes that nothing of a person waits.
func (p *places) free(who hotsync.Identity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, personKey(who))
}

func target(r hotsync.SyncRequest) string {
	return hotsync.Target{Account: r.Account, Lookup: r.Lookup}.Key()
}

// share lets the requests of a person who signs in again and again have the place of
// the one before while that waits: its sync has yet to read, so that it is this
// one's too. It returns those that need a place of their own.
func (h *Handler) share(ctx context.Context, requests []hotsync.SyncRequest, out *admission) []hotsync.SyncRequest {
	if h.Event == nil {
		return requests
	}
	var own []hotsync.SyncRequest
	for _, r := range requests {
		id, crowded := h.places.last(r.Identity, target(r))
		if !crowded || id == r.EventID {
			own = append(own, r)
			continue
		}
		looked, cancel := context.WithTimeout(ctx, placeWait)
		e, err := h.Event(looked, id)
		cancel()
		switch {
		case err == nil && (e.Status == hotsync.StatusQueued || e.Status == hotsync.StatusRetrying):
			r.EventID = id
			out.Queued = append(out.Queued, queuedFrom(r))
			continue
		case err == nil && e.Status.Final():
			h.places.free(r.Identity)
		}
		own = append(own, r)
	}
	return own
}
