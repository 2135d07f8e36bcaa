package jobs_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore/storetest"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
)

func TestStores(t *testing.T) {
	t.Parallel()

	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		conform(t, &jobs.Memory{})
	})
	t.Run("table", func(t *testing.T) {
		t.Parallel()
		client := enginetest.Start(t).DynamoDB()
		conform(t, jobs.Table{Table: dynamo.Table{Client: client, Name: storetest.NewTable(t, client)}, Retention: time.Hour})
	})
}

// conform holds a store to what Store says.
func conform(t *testing.T, s jobs.Store) {
	ctx := t.Context()
	at := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	var made []jobs.Job
	for n := range 5 {
		j, err := jobs.New(jobs.Request{Kind: jobs.Backfill, Source: jobs.Source{ZOQL: "*"}, Note: "why", Actor: "Mia"},
			at.Add(time.Duration(n)*time.Second), rand.Read)
		if err != nil {
			t.Fatal(err)
		}
		j, err = s.SaveJob(ctx, j)
		if err != nil || j.Revision != 1 {
			t.Fatalf("SaveJob = revision %d, %v", j.Revision, err)
		}
		made = append(made, j)
	}
	first := made[0]
	read, err := s.Job(ctx, first.ID)
	if diff := cmp.Diff(first, read); err != nil || diff != "" {
		t.Errorf("Job: %v, mismatch (-saved +read):\n%s", err, diff)
	}
	_, err = s.Job(ctx, "job-000000000000000000000000")
	if !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("Job of nothing = %v, want ErrNotFound", err)
	}
	again := first
	again.Revision = 0
	_, err = s.SaveJob(ctx, again)
	if !errors.Is(err, jobs.ErrConflict) {
		t.Errorf("SaveJob of one that exists = %v, want ErrConflict", err)
	}
	changed, err := jobs.Change(ctx, s, first.ID, func(j *jobs.Job) error { return j.Stop("Ben") })
	if err != nil || changed.Status != jobs.Stopped || changed.Revision != 2 {
		t.Errorf("Change = %s at revision %d, %v", changed.Status, changed.Revision, err)
	}
	_, err = s.SaveJob(ctx, first)
	if !errors.Is(err, jobs.ErrConflict) {
		t.Errorf("SaveJob over an old revision = %v, want ErrConflict", err)
	}

	var listed []string
	cursor := ""
	for {
		page, next, err := s.Jobs(ctx, 2, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range page {
			listed = append(listed, j.ID)
		}
		if next == "" {
			break
		}
		cursor = next
	}
	want := []string{made[4].ID, made[3].ID, made[2].ID, made[1].ID, made[0].ID}
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("Jobs, the newest first (-want +got):\n%s", diff)
	}

	var chunks []jobs.Chunk
	for _, n := range []int{0, 1, 2, 11} { // a gap ends what is there
		c, err := s.SaveChunk(ctx, jobs.Chunk{Job: first.ID, N: n, Next: fmt.Sprint(n),
			Items: []jobs.Item{jobs.Of("A1", hotsync.Identity{Issuer: "i", Subject: "s"})}})
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, c)
	}
	got, err := s.Chunks(ctx, first.ID, 1, 8)
	if diff := cmp.Diff(chunks[1:3], got); err != nil || diff != "" {
		t.Errorf("Chunks from the second: %v, mismatch (-want +got):\n%s", err, diff)
	}
	_, err = s.SaveChunk(ctx, jobs.Chunk{Job: first.ID, N: 1})
	if !errors.Is(err, jobs.ErrConflict) {
		t.Errorf("SaveChunk of one that exists = %v, want ErrConflict", err)
	}
	got, err = s.Chunks(ctx, made[1].ID, 0, 8)
	if err != nil || len(got) > 0 {
		t.Errorf("Chunks of another job = %d, %v", len(got), err)
	}

	sketch, err := s.Sketch(ctx, first.ID)
	if err != nil || len(sketch.Hashes) > 0 || sketch.Revision != 0 {
		t.Fatalf("Sketch of nothing = %+v, %v", sketch, err)
	}
	sketch.Add("A1", "A2")
	sketch, err = s.SaveSketch(ctx, first.ID, sketch)
	if err != nil {
		t.Fatal(err)
	}
	same, err := s.Sketch(ctx, first.ID)
	if diff := cmp.Diff(sketch, same); err != nil || diff != "" {
		t.Errorf("Sketch: %v, mismatch (-saved +read):\n%s", err, diff)
	}
}

func TestSketch(t *testing.T) {
	t.Parallel()

	of := func(from, to int) (s jobs.Sketch) {
		for n := from; n < to; n++ {
			s.Add(fmt.Sprintf("A%08d", n))
		}
		return s
	}
	for _, tc := range []struct {
		name          string
		a, b          jobs.Sketch
		atLeast, most float64
	}{
		{"the same few", of(0, 100), of(0, 100), 1, 1},
		{"one of a hundred", of(0, 100), of(99, 199), 0.01, 0.01},
		{"none of a few", of(0, 100), of(100, 200), 0, 0},
		{"none of many", of(0, 50_000), of(50_000, 100_000), 0, 0},
		{"the same many", of(0, 50_000), of(0, 50_000), 1, 1},
		{"half of many", of(0, 50_000), of(25_000, 75_000), 0.4, 0.6},
		{"a few of many", of(0, 50_000), of(1_000, 1_100), 0.1, 1},
		{"nothing", of(0, 0), of(0, 10), 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			got := tc.a.Shared(tc.b)
			if got < tc.atLeast || got > tc.most || got != tc.b.Shared(tc.a) {
				t.Errorf("Shared = %.3f, the other way %.3f, want between %.2f and %.2f", got, tc.b.Shared(tc.a), tc.atLeast,
					tc.most)
			}
		})
	}
}
