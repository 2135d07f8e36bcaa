package eventstore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"hotsync/shared/eventstore"
)

func TestTurn(t *testing.T) {
	t.Parallel()

	taken := func(err error) bool {
		var other *eventstore.TurnTaken
		return errors.As(err, &other)
	}

	t.Run("of an account that nobody knows, and passed on by saving", func(t *testing.T) {
		t.Parallel()

		b, id := open(t), accountID("turn")
		state, err := b.TakeTurn(t.Context(), id, eventstore.LaneJobs, start.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(eventstore.AccountState{AccountID: id, Revision: 1}, state); diff != "" {
			t.Errorf("TakeTurn mismatch (-want +got):\n%s", diff)
		}
		_, err = b.TakeTurn(t.Context(), id, eventstore.LaneLogins, start.Add(time.Minute))
		if !taken(err) {
			t.Fatalf("TakeTurn of the other lane = %v, want TurnTaken", err)
		}
		if read, err := b.LoadAccount(t.Context(), id); err != nil || read.LastEventID != "" {
			t.Fatalf("LoadAccount of what was never synced = %+v, %v", read, err)
		}
		state.LastEventID, state.LastSucceededAt = "event-1", start
		saved, err := b.SaveAccount(t.Context(), state)
		if err != nil {
			t.Fatal(err)
		}
		next, err := b.TakeTurn(t.Context(), id, eventstore.LaneLogins, start.Add(time.Minute))
		saved.Revision++
		if diff := gocmp.Diff(saved, next); err != nil || diff != "" {
			t.Errorf("TakeTurn after the other lane saved: %v, mismatch (-want +got):\n%s", err, diff)
		}
	})

	t.Run("is its lane's again, ends by itself and when it is ended", func(t *testing.T) {
		t.Parallel()

		b, id := open(t), accountID("again")
		for range 2 {
			_, err := b.TakeTurn(t.Context(), id, eventstore.LaneLogins, start.Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
		}
		b.clock.set(start.Add(time.Minute))
		state, err := b.TakeTurn(t.Context(), id, eventstore.LaneJobs, start.Add(2*time.Minute))
		if err != nil {
			t.Fatalf("TakeTurn after its time: %v", err)
		}
		err = b.EndTurn(t.Context(), state, eventstore.LaneJobs)
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.TakeTurn(t.Context(), id, eventstore.LaneLogins, start.Add(2*time.Minute))
		if err != nil {
			t.Fatalf("TakeTurn after it was ended: %v", err)
		}
	})

	t.Run("is looked at, and held by the look alone that nobody overtook", func(t *testing.T) {
		t.Parallel()

		b, id := open(t), accountID("look")
		until := start.Add(time.Minute)
		look := func(lane eventstore.Lane) eventstore.AccountState {
			t.Helper()
			state, err := b.LookTurn(t.Context(), id, lane)
			if err != nil {
				t.Fatalf("LookTurn: %v", err)
			}
			return state
		}
		fails := func(state eventstore.AccountState) {
			t.Helper()
			_, err := b.HoldTurn(t.Context(), state, eventstore.LaneLogins, until)
			if !errors.Is(err, eventstore.ErrConflict) {
				t.Errorf("HoldTurn by an overtaken look = %v, want ErrConflict", err)
			}
		}
		unknown := look(eventstore.LaneLogins)
		if diff := gocmp.Diff(eventstore.AccountState{AccountID: id}, unknown); diff != "" {
			t.Errorf("LookTurn of an unknown account (-want +got):\n%s", diff)
		}
		held, err := b.HoldTurn(t.Context(), unknown, eventstore.LaneLogins, until)
		if err != nil || held.Revision != 1 {
			t.Fatalf("HoldTurn = revision %d, %v", held.Revision, err)
		}
		fails(unknown)
		_, err = b.LookTurn(t.Context(), id, eventstore.LaneJobs)
		if !taken(err) {
			t.Errorf("LookTurn of the other lane = %v, want TurnTaken", err)
		}
		held.LastEventID, held.LastSucceededAt = "event-1", start
		saved, err := b.SaveAccount(t.Context(), held)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(saved, look(eventstore.LaneLogins)); diff != "" {
			t.Errorf("LookTurn after a state was saved (-saved +read):\n%s", diff)
		}
		fails(held)

		late := look(eventstore.LaneLogins)
		job, err := b.TakeTurn(t.Context(), id, eventstore.LaneJobs, until)
		if err != nil {
			t.Fatal(err)
		}
		fails(late)
		err = b.EndTurn(t.Context(), job, eventstore.LaneJobs)
		if err != nil {
			t.Fatal(err)
		}
		fails(late) // the job may have written, though its turn has ended
		again, err := b.HoldTurn(t.Context(), look(eventstore.LaneLogins), eventstore.LaneLogins, until)
		if err != nil || again.LastEventID != "event-1" {
			t.Errorf("HoldTurn by a new look = %+v, %v", again, err)
		}
	})

	t.Run("of a state that has expired", func(t *testing.T) {
		t.Parallel()

		b, id := open(t), accountID("expired")
		_, err := b.SaveAccount(t.Context(),
			eventstore.AccountState{AccountID: id, LastEventID: "event-1", LastSucceededAt: start})
		if err != nil {
			t.Fatal(err)
		}
		later := start.Add(2 * eventstore.DefaultRetention)
		b.clock.set(later)
		state, err := b.LookTurn(t.Context(), id, eventstore.LaneLogins)
		if diff := gocmp.Diff(eventstore.AccountState{AccountID: id, Revision: 1}, state); err != nil || diff != "" {
			t.Errorf("LookTurn: %v, mismatch (-want +got):\n%s", err, diff)
		}
		state, err = b.HoldTurn(t.Context(), state, eventstore.LaneLogins, later.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		state.LastEventID, state.LastSucceededAt = "event-2", later
		_, err = b.SaveAccount(t.Context(), state)
		if got, rerr := b.LoadAccount(t.Context(), id); err != nil || rerr != nil || got.LastEventID != "event-2" {
			t.Errorf("SaveAccount: %v, then LoadAccount = %+v, %v", err, got, rerr)
		}
	})

	t.Run("a sync whose turn has passed on neither saves nor ends anything", func(t *testing.T) {
		t.Parallel()

		b, id := open(t), accountID("late")
		late, err := b.TakeTurn(t.Context(), id, eventstore.LaneJobs, start.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		b.clock.set(start.Add(time.Minute))
		_, err = b.TakeTurn(t.Context(), id, eventstore.LaneLogins, start.Add(2*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		late.LastEventID = "event-late"
		_, err = b.SaveAccount(t.Context(), late)
		if !errors.Is(err, eventstore.ErrConflict) {
			t.Errorf("SaveAccount of the late one = %v, want ErrConflict", err)
		}
		err = b.EndTurn(t.Context(), late, eventstore.LaneJobs)
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.TakeTurn(t.Context(), id, eventstore.LaneJobs, start.Add(2*time.Minute))
		if !taken(err) {
			t.Errorf("the turn of the other lane is gone: %v", err)
		}
	})
}

func TestKnownAccounts(t *testing.T) {
	t.Parallel()

	b := open(t)
	var want []string
	for n := range 25 {
		id := accountID(fmt.Sprint("known", n))
		_, err := b.SaveAccount(t.Context(),
			eventstore.AccountState{AccountID: id, LastSucceededAt: start.Add(time.Duration(n) * time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		if n < 20 {
			want = append(want, id)
		}
	}
	var got []string
	cursor := ""
	for {
		page, next, err := b.KnownAccounts(t.Context(), start.Add(20*time.Minute), 7, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range page {
			got = append(got, k.ID)
		}
		if next == "" {
			break
		}
		cursor = next
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("KnownAccounts before the twenty-first (-want +got):\n%s", diff)
	}
	if rows := b.search(t, eventstore.Query{}); len(rows) > 0 {
		t.Errorf("the search finds %d states of accounts", len(rows))
	}
}

// An account that is synced again within a week stays where it is listed, so that
// the login costs no write of an index.
func TestKnownAccountsStay(t *testing.T) {
	t.Parallel()

	b := open(t)
	state := eventstore.AccountState{AccountID: accountID("known"), LastSucceededAt: start}
	for _, tc := range []struct {
		at   time.Time
		want time.Time
	}{
		{start, start},
		{start.Add(6 * 24 * time.Hour), start},
		{start.Add(8 * 24 * time.Hour), start.Add(8 * 24 * time.Hour)},
	} {
		b.clock.set(tc.at)
		state.LastSucceededAt = tc.at
		var err error
		state, err = b.SaveAccount(t.Context(), state)
		if err != nil {
			t.Fatal(err)
		}
		known, _, err := b.KnownAccounts(t.Context(), tc.at.Add(time.Hour), 7, "")
		if err != nil || len(known) != 1 || !known[0].Since.Equal(tc.want) {
			t.Errorf("synced at %s: %+v, %v; want it listed with %s", tc.at, known, err, tc.want)
		}
	}
	b.clock.set(start.Add(8*24*time.Hour + eventstore.DefaultRetention))
	if got, err := b.LoadAccount(t.Context(), state.AccountID); err != nil || got.Revision == 0 {
		t.Errorf("LoadAccount = %+v, %v; want it kept for the retention period at least", got, err)
	}
}
