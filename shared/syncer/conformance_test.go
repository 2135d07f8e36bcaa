package syncer_test

import (
	"errors"
	"testing"
	"time"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore"
	"hotsync/shared/eventstore/storetest"
	"hotsync/shared/hotsync"
	"hotsync/shared/syncer"
)

// TestEvents holds the fake that the models run on, and the store on the local engine, to
// the same suite: what a sync relies on of events, states and turns.
func TestEvents(t *testing.T) {
	t.Parallel()

	t.Run("fake", func(t *testing.T) {
		t.Parallel()

		conformEvents(t, setup(t).events)
	})
	t.Run("engine", func(t *testing.T) {
		t.Parallel()

		client := enginetest.Start(t).DynamoDB()
		table := dynamo.Table{Client: client, Name: storetest.NewTable(t, client)}
		conformEvents(t, eventstore.New(table, eventstore.Config{Now: time.Now}))
	})
}

func conformEvents(t *testing.T, s syncer.Events) {
	t.Helper()
	ctx := t.Context()
	conflict := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, eventstore.ErrConflict) || hotsync.AsError(err).Code != hotsync.CodeConflict {
			t.Errorf("%s = %v, want ErrConflict", what, err)
		}
	}
	b := setup(t)
	r := b.request()
	_, err := s.Get(ctx, r.EventID)
	if hotsync.AsError(err).Code != hotsync.CodeNotFound {
		t.Errorf("Get of no event = %v, want CodeNotFound", err)
	}
	first, err := s.Put(ctx, hotsync.NewEvent(r))
	if err != nil || first.Revision != 1 {
		t.Fatalf("Put = revision %d, %v", first.Revision, err)
	}
	_, err = s.Put(ctx, hotsync.NewEvent(r))
	conflict("Put over what is not there", err)
	first.Status, first.Reason = hotsync.StatusSucceeded, hotsync.ReasonChanged
	second, err := s.Put(ctx, first)
	if err != nil || second.Revision != 2 {
		t.Fatalf("Put over its revision = %d, %v", second.Revision, err)
	}
	_, err = s.Put(ctx, first)
	conflict("Put over an old revision", err)
	got, err := s.Get(ctx, r.EventID)
	if err != nil || got.Revision != 2 || got.Status != hotsync.StatusSucceeded {
		t.Errorf("Get = %s of revision %d, %v", got.Status, got.Revision, err)
	}
	err = s.Tally(ctx, got)
	if err != nil {
		t.Error(err)
	}

	until := time.Now().Add(time.Hour)
	taken := func(what string, err error) {
		t.Helper()
		var other *eventstore.TurnTaken
		if !errors.As(err, &other) || other.Until.Before(time.Now()) {
			t.Errorf("%s = %v, want TurnTaken", what, err)
		}
	}
	job, err := s.TakeTurn(ctx, accountID, eventstore.LaneJobs, until)
	if err != nil || job.AccountID != accountID || job.Revision != 1 {
		t.Fatalf("TakeTurn = %+v, %v", job, err)
	}
	_, err = s.TakeTurn(ctx, accountID, eventstore.LaneLogins, until)
	taken("TakeTurn of the other lane", err)
	_, err = s.LookTurn(ctx, accountID, eventstore.LaneLogins)
	taken("LookTurn of the other lane", err)
	named, err := s.SaveAliases(ctx, job, "A-S1")
	if err != nil {
		t.Fatal(err)
	}
	named.LastEventID, named.LastSucceededAt = r.EventID, time.Now()
	saved, err := s.SaveAccount(ctx, named)
	if err != nil || saved.Revision != 2 {
		t.Fatalf("SaveAccount = revision %d, %v", saved.Revision, err)
	}
	_, err = s.SaveAccount(ctx, named)
	conflict("SaveAccount over an old revision", err)

	look, err := s.LookTurn(ctx, accountID, eventstore.LaneLogins) // saving has ended the turn
	if err != nil || look.Revision != 2 || look.LastEventID != r.EventID {
		t.Fatalf("LookTurn = %+v, %v", look, err)
	}
	again, err := s.TakeTurn(ctx, accountID, eventstore.LaneJobs, until)
	if err != nil {
		t.Fatal(err)
	}
	err = s.EndTurn(ctx, job, eventstore.LaneJobs) // with the revision of an earlier turn
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.LookTurn(ctx, accountID, eventstore.LaneLogins)
	taken("LookTurn after an older turn was ended", err)
	err = s.EndTurn(ctx, again, eventstore.LaneJobs)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.HoldTurn(ctx, look, eventstore.LaneLogins, until)
	conflict("HoldTurn by an overtaken look", err)
	look, err = s.LookTurn(ctx, accountID, eventstore.LaneLogins)
	if err != nil {
		t.Fatal(err)
	}
	held, err := s.HoldTurn(ctx, look, eventstore.LaneLogins, until)
	if err != nil || held.Revision != look.Revision+1 || held.LastEventID != r.EventID {
		t.Errorf("HoldTurn = %+v, %v", held, err)
	}
	_, err = s.TakeTurn(ctx, accountID, eventstore.LaneJobs, until)
	taken("TakeTurn while it is held", err)
}
