package syncer_test

import (
	"context"
	"testing"
	"testing/synctest"

	"hotsync/shared/catalogue"
	"hotsync/shared/hotsync"
)

// shelf is a catalogue that is read, or cannot be.
type shelf struct {
	notes []hotsync.Finding
	err   error
}

func (s *shelf) Load(context.Context) (*catalogue.Index, []hotsync.Finding, error) {
	if s.err != nil {
		return nil, nil, s.err
	}
	return catalogue.NewIndex(nil), s.notes, nil
}

// Without a catalogue every plan would look as if the merchant had not published
// it: nothing is written then, and the sync is tried again.
func TestUnreadableCatalogueWritesNothing(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		s := &shelf{err: hotsync.Errorf(hotsync.CodeLimioUnavailable, "502")}
		b.syncer.Catalogue = s
		r := b.request()
		_, event := b.handle(t, r, 1)
		if event.Status != hotsync.StatusRetrying || len(b.limio.objects) != 0 {
			t.Fatalf("event %s %+v with %d objects written", event.Status, event.Error, len(b.limio.objects))
		}
		_, err := b.syncer.DryRun(t.Context(), r)
		if err == nil {
			t.Error("a dry run without a catalogue shows what a sync would not do")
		}

		s.err, s.notes = nil, []hotsync.Finding{hotsync.Note(hotsync.FindingCatalogueOld, "", "an older copy")}
		_, event = b.handle(t, b.request(), 1)
		if event.Status != hotsync.StatusSucceeded || len(b.limio.objects) == 0 {
			t.Fatalf("event %s %+v", event.Status, event.Error)
		}
		if event.Findings[0].Code != hotsync.FindingCatalogueOld {
			t.Errorf("findings = %v, want that the catalogue is an older copy", event.Findings)
		}
	})
}
