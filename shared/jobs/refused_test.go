package jobs_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
)

// listing lists one account, or fails.
type listing struct {
	jobs.Lister
	err error
}

func (l *listing) List(context.Context, jobs.Job, string, int) ([]jobs.Item, string, bool, error) {
	return []jobs.Item{jobs.Of("A1", hotsync.Identity{})}, "", true, l.err
}

// closed lets nothing be sent.
type closed struct{ jobs.Gate }

func (closed) Wait(context.Context, jobs.Kind) jobs.Wait { return jobs.WaitOff }

// A condition that Zuora refuses is not asked for again and again: the job stops and says
// so, and can be resumed where it was the credentials. What passes by itself is waited for.
func TestRefusedSource(t *testing.T) {
	t.Parallel()

	for code, want := range map[hotsync.Code]struct {
		status jobs.Status
		waits  jobs.Wait
	}{
		hotsync.CodeZuoraRefused:      {jobs.Stopped, jobs.WaitRefused},
		hotsync.CodeZuoraUnauthorized: {jobs.Stopped, jobs.WaitRefused},
		hotsync.CodeZuoraUnavailable:  {jobs.Running, jobs.WaitSource},
		hotsync.CodeZuoraAnswer:       {jobs.Running, jobs.WaitSource},
	} {
		var s jobs.Memory
		j, err := jobs.New(jobs.Request{Kind: jobs.Backfill, Source: jobs.Source{ZOQL: "Status ="}}, time.Now(), rand.Read)
		if err == nil {
			j, err = s.SaveJob(t.Context(), j)
		}
		if err != nil {
			t.Fatal(err)
		}
		l := &listing{err: hotsync.Errorf(code, "no")}
		r := jobs.Runner{Store: &s, Lister: l, Gate: closed{}, Name: "r", Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		step := func() jobs.Job {
			_, err := r.Step(t.Context(), j.ID)
			if err != nil {
				t.Fatal(err)
			}
			now, err := s.Job(t.Context(), j.ID)
			if err != nil {
				t.Fatal(err)
			}
			return now
		}
		step()
		if now := step(); now.Status != want.status || now.Waits != want.waits {
			t.Errorf("after %s the job is %s and waits for %q, want %s and %q", code, now.Status, now.Waits, want.status,
				want.waits)
		}
		l.err = nil
		if want.status == jobs.Stopped {
			_, err = jobs.Change(t.Context(), &s, j.ID, func(j *jobs.Job) error { return j.Resume("Mia") })
			if err != nil {
				t.Fatal(err)
			}
		}
		if now := step(); now.Status != jobs.Running || now.Total != 1 || now.Waits != jobs.WaitOff {
			t.Errorf("%s is over, and the job is %s with %d accounts, waiting for %q", code, now.Status, now.Total, now.Waits)
		}
	}
}
