package jobs_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
)

// TestErase: a person is taken out of the accounts of jobs, whatever became of them,
// and out of what a job lists by.
func TestErase(t *testing.T) {
	t.Parallel()

	const issuer, other = "https://idp.example.com", "https://other.example.com"
	ada, bob := hotsync.Identity{Issuer: issuer, Subject: "ada"}, hotsync.Identity{Issuer: issuer, Subject: "bob"}
	elsewhere := hotsync.Identity{Issuer: other, Subject: "ada"}
	item := func(who hotsync.Identity, o jobs.Outcome) jobs.Item {
		i := jobs.Of("A1", who)
		i.Outcome = o
		if o.Final() {
			i.Issuer, i.Subject = "", ""
		}
		return i
	}
	erased := func(o jobs.Outcome, reason string) jobs.Item {
		return jobs.Item{Account: "A1", Outcome: o, Reason: reason, Erased: true}
	}
	before := []jobs.Item{
		item(ada, jobs.Waiting), item(bob, jobs.Waiting), item(ada, jobs.Sent), item(ada, jobs.Failed),
		item(elsewhere, jobs.Waiting), item(hotsync.Identity{}, jobs.Waiting),
	}
	skipped, failed := erased(jobs.Skipped, jobs.ReasonErased), erased(jobs.Failed, "")
	for name, tc := range map[string]struct {
		who              hotsync.Identity
		want             []jobs.Item
		removed, pending int
	}{
		"one login": {ada, []jobs.Item{skipped, before[1], before[2], failed, before[4], before[5]}, 2, 1},
		"any issuer": {hotsync.Identity{Subject: "ada"},
			[]jobs.Item{skipped, before[1], before[2], failed, skipped, before[5]}, 3, 1},
		"nobody": {hotsync.Identity{Issuer: issuer, Subject: "eve"}, before, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var s jobs.Memory
			j, err := jobs.New(jobs.Request{Kind: jobs.Backfill, Source: jobs.Source{File: "digest"},
				Issuers: []string{issuer, other}}, time.Now(), rand.Read)
			if err != nil {
				t.Fatal(err)
			}
			j.Chunks, j.Total = 1, len(before)
			_, err = s.SaveJob(t.Context(), j)
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.SaveChunk(t.Context(), jobs.Chunk{Job: j.ID, Items: before, Begun: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			removed, pending, err := jobs.Erase(t.Context(), &s, tc.who)
			if err != nil || removed != tc.removed || pending != tc.pending {
				t.Errorf("Erase = %d, %d, %v, want %d and %d", removed, pending, err, tc.removed, tc.pending)
			}
			chunks, err := s.Chunks(t.Context(), j.ID, 0, 1)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, chunks[0].Items); diff != "" {
				t.Errorf("items mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// A retry of what a person's name finds lists nothing more once the person is erased,
// and does not go on with everybody's instead.
func TestEraseOfWhatIsListedBy(t *testing.T) {
	t.Parallel()

	var s jobs.Memory
	failed := []hotsync.Status{hotsync.StatusFailed}
	ids := map[string]string{}
	for name, q := range map[string]eventstore.Query{
		"by subject": {Subject: "ada", Statuses: failed}, "by text": {Q: "ada", Statuses: failed},
		"of somebody else": {Q: "bob", Statuses: failed},
	} {
		j, err := jobs.New(jobs.Request{Kind: jobs.Retry, Source: jobs.Source{Events: &q}}, time.Now(), rand.Read)
		if err == nil {
			j, err = s.SaveJob(t.Context(), j)
		}
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = j.ID
	}
	removed, pending, err := jobs.Erase(t.Context(), &s, hotsync.Identity{Subject: "ada"})
	if err != nil || removed != 2 || pending != 0 {
		t.Errorf("Erase = %d, %d, %v, want 2 and none", removed, pending, err)
	}
	for name, id := range ids {
		j, err := s.Job(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		want := eventstore.Query{Statuses: failed}
		if name == "of somebody else" {
			want.Q = "bob"
		}
		if diff := cmp.Diff(&want, j.Source.Events); diff != "" || j.Listed != (want.Q == "") {
			t.Errorf("%s: listed to its end: %t, query (-want +got):\n%s", name, j.Listed, diff)
		}
	}
}

// TestEraseEverywhere: in whatever page of the jobs and whichever chunk of theirs, also where a function changes the
// chunk meanwhile; and not in jobs that were listed with other logins.
func TestEraseEverywhere(t *testing.T) {
	t.Parallel()

	ada := hotsync.Identity{Issuer: "https://idp.example.com", Subject: "ada"}
	var s busyMemory
	at := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	var ids []string
	for n := range 103 {
		j, err := jobs.New(jobs.Request{Kind: jobs.Backfill, Source: jobs.Source{File: "digest"},
			Issuers: []string{ada.Issuer}}, at.Add(time.Duration(n)*time.Second), rand.Read)
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			j.Issuers = nil
		}
		chunks := map[int]int{0: 43, 1: 1, 2: 40, 102: 2}[n]
		if n != 2 { // which is loaded still
			j.Status, j.Chunks = jobs.Running, chunks
		}
		_, err = s.SaveJob(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		for c := range chunks {
			_, err = s.SaveChunk(t.Context(), jobs.Chunk{Job: j.ID, N: c, Items: []jobs.Item{jobs.Of("A1", ada)}})
			if err != nil {
				t.Fatal(err)
			}
		}
		ids = append(ids, j.ID)
	}
	s.busy = 3
	removed, pending, err := jobs.Erase(t.Context(), &s, ada)
	if err != nil || removed != 43+40+2 || pending != 0 {
		t.Errorf("Erase = %d, %d, %v, want %d and none", removed, pending, err, 43+40+2)
	}
	for n, want := range map[int]bool{0: true, 1: false, 2: true, 102: true} {
		chunks, err := s.Chunks(t.Context(), ids[n], 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range chunks {
			if i := c.Items[0]; i.Erased != want || (i.Login == "") != want || (i.Outcome == jobs.Skipped) != want {
				t.Errorf("job %d, chunk %d has %+v, want it erased: %t", n, c.N, i, want)
			}
		}
	}
	s.writes = 0
	removed, pending, err = jobs.Erase(t.Context(), &s, ada)
	if err != nil || removed != 0 || pending != 0 || s.writes != 0 {
		t.Errorf("Erase once more = %d, %d, %v after %d writes, want nothing", removed, pending, err, s.writes)
	}
}

// TestEraseOfWhatIsNeverStill: where others never let a chunk be, that is an error, after which it is called again;
// where they took it away there is nothing to erase.
func TestEraseOfWhatIsNeverStill(t *testing.T) {
	t.Parallel()

	ada := hotsync.Identity{Issuer: "https://idp.example.com", Subject: "ada"}
	for _, gone := range []bool{false, true} {
		s := busyMemory{}
		j, err := jobs.New(jobs.Request{Kind: jobs.Backfill, Source: jobs.Source{File: "digest"},
			Issuers: []string{ada.Issuer}}, time.Now(), rand.Read)
		if err == nil {
			j.Chunks = 1
			_, err = s.SaveJob(t.Context(), j)
		}
		if err == nil {
			_, err = s.SaveChunk(t.Context(), jobs.Chunk{Job: j.ID, Items: []jobs.Item{jobs.Of("A1", ada)}})
		}
		if err != nil {
			t.Fatal(err)
		}
		s.busy, s.goes = 1000, gone
		removed, pending, err := jobs.Erase(t.Context(), &s, ada)
		if (err == nil) != gone || removed != 0 || pending != 0 {
			t.Errorf("gone %t: Erase = %d, %d, %v", gone, removed, pending, err)
		}
	}
}

// busyMemory is a store in which somebody else changes the next chunks before they are saved over.
type busyMemory struct {
	jobs.Memory
	busy   int
	writes int
	goes   bool // what somebody else changes is gone then
	gone   bool
}

func (s *busyMemory) Chunks(ctx context.Context, job string, n, limit int) ([]jobs.Chunk, error) {
	if s.gone {
		return nil, nil
	}
	return s.Memory.Chunks(ctx, job, n, limit)
}

func (s *busyMemory) SaveChunk(ctx context.Context, c jobs.Chunk) (jobs.Chunk, error) {
	s.writes++
	if c.Revision > 0 && s.busy > 0 {
		s.busy--
		found, err := s.Chunks(ctx, c.Job, c.N, 1)
		if err == nil {
			_, err = s.Memory.SaveChunk(ctx, found[0])
		}
		if err != nil {
			return jobs.Chunk{}, err
		}
		s.gone = s.goes
	}
	return s.Memory.SaveChunk(ctx, c)
}
