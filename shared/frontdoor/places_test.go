package frontdoor_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"hotsync/shared/hotsync"
)

// TestPlacesInTheQueue: however often a person signs in, they hold a few places in
// the queue. A login beyond that has the place of the one before while it waits, and
// one of its own once that runs: what it wants read is read after it.
func TestPlacesInTheQueue(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		n     int
		every time.Duration
		fresh bool // a new token each time
		ends  bool // syncs end at once
		most  int  // places held at once
	}{
		"a token replayed 200 times at once":         {200, 0, false, false, 1},
		"a token replayed for an hour of an outage":  {240, 15 * time.Second, false, false, 8},
		"200 tokens at once":                         {200, 0, true, false, 8},
		"200 tokens of somebody whose syncs end":     {200, time.Second, true, true, 200},
		"somebody who tries five times in an outage": {5, 20 * time.Second, true, false, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := newBundle()
			now := at
			b.now = func() time.Time { return now }
			h := b.handler()
			h.Event = func(_ context.Context, id string) (hotsync.Event, error) {
				if tc.ends {
					return hotsync.Event{ID: id, Status: hotsync.StatusSucceeded}, nil
				}
				return hotsync.Event{ID: id, Status: hotsync.StatusRetrying}, nil
			}
			for n := range tc.n {
				c := claims("A1")
				if tc.fresh {
					c["jti"] = fmt.Sprint(n)
				}
				got, err := h.Invoke(t.Context(), []byte(httpEvent(c, nil)))
				if err != nil {
					t.Fatal(err)
				}
				if a, content := readAnswer(t, got); a.StatusCode != 202 || len(content.Queued) != 1 {
					t.Fatalf("login %d: %d %s", n, a.StatusCode, a.Body)
				}
				now = now.Add(tc.every)
			}
			messages := map[string]bool{} // SQS takes what has one login for one
			for _, r := range b.sent {
				messages[r.LoginID] = true
			}
			if len(messages) > tc.most || tc.ends && len(messages) != tc.n {
				t.Errorf("%d places in the queue, want %d at most", len(messages), tc.most)
			}
			sent := len(b.sent)
			c := claims("A1")
			c["sub"] = "somebody else"
			_, err := h.Invoke(t.Context(), []byte(httpEvent(c, nil)))
			if err != nil || len(b.sent) != sent+1 {
				t.Errorf("somebody else: %v, %d sent", err, len(b.sent)-sent)
			}
		})
	}
}

// TestARunningSyncIsNotShared: a sync that runs may have read already, so that a
// login meanwhile gets its own.
func TestARunningSyncIsNotShared(t *testing.T) {
	t.Parallel()

	b := newBundle()
	h := b.handler()
	h.Event = func(_ context.Context, id string) (hotsync.Event, error) {
		return hotsync.Event{ID: id, Status: hotsync.StatusRunning}, nil
	}
	for n := range 12 {
		c := claims("A1")
		c["jti"] = fmt.Sprint(n)
		_, err := h.Invoke(t.Context(), []byte(httpEvent(c, nil)))
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(b.sent) != 12 {
		t.Errorf("%d of 12 logins got a sync", len(b.sent))
	}
}
