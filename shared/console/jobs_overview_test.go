package console_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"hotsync/shared/jobs"
)

// The overview says when the last reconcile run ended and how much had drifted.
func TestOverviewTellsOfReconcile(t *testing.T) {
	t.Parallel()

	b := setup(t)
	c := b.signIn("viewer")
	if got := c.get("/").Text("main"); strings.Contains(got, "Reconciled") {
		t.Error("a run is told of that never was")
	}
	j, err := jobs.New(jobs.Request{Kind: jobs.Reconcile, Source: jobs.Source{Known: true}}, start.Add(-time.Hour),
		rand.Read)
	if err != nil {
		t.Fatal(err)
	}
	j.Status, j.Total, j.EndedAt, j.Final = jobs.Done, 500, start.Add(-time.Minute), jobs.Counts{jobs.Unchanged: 460,
		jobs.Changed: 40}
	_, err = b.jobs.SaveJob(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	a := c.get("/")
	a.Sound()
	if got := a.Text(`main a[href="/jobs/` + j.ID + `"]`); !strings.Contains(got, "40 drifted") ||
		!strings.Contains(got, "of 500") {
		t.Errorf("the overview says %q", got)
	}
}
