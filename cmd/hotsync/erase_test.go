package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore"
	"hotsync/shared/eventstore/storetest"
)

// TestErasureIsRecorded: what the command line erases is in the audit log, and
// nothing is where nothing was held.
func TestErasureIsRecorded(t *testing.T) {
	t.Parallel()

	client := enginetest.Start(t).DynamoDB()
	store := eventstore.New(dynamo.Table{Client: client, Name: storetest.NewTable(t, client)}, eventstore.Config{})
	for _, failed := range []error{nil, errors.New("no answer")} {
		err := recordErasure(t.Context(), store, "ticket 7", eventstore.Erased{Events: 2}, failed)
		if err != nil {
			t.Fatal(err)
		}
	}
	err := recordErasure(t.Context(), store, "ticket 8", eventstore.Erased{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	acts, err := store.Acts(t.Context(), time.Now(), 10)
	if err != nil || len(acts) != 2 {
		t.Fatalf("Acts = %+v, %v, want two", acts, err)
	}
	for i, begins := range []string{"stopped halfway: 2 events", "2 events"} {
		if a := acts[i]; a.Action != "erase" || a.Note != "ticket 7" || !strings.HasPrefix(a.Result, begins) ||
			!strings.Contains(a.Name, "command line") {
			t.Errorf("recorded %+v", a)
		}
	}
}
