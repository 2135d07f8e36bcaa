package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"hotsync/shared/jobs"
)

// bar shows progress: on a terminal a line that changes, elsewhere a line now and
// then.
type bar struct {
	w        io.Writer
	terminal bool
	began    time.Time
	first    int // ended when it was first seen
	last     time.Time
	said     string
}

func newBar(w io.Writer) *bar {
	b := &bar{w: w}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		b.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return b
}

// sayEvery is how often a line is written where nobody looks.
const sayEvery = 10 * time.Second

// waits are the reasons to wait, as a person says them.
var waits = map[jobs.Wait]string{
	jobs.WaitLogins: "waits for logins",
	jobs.WaitZuora:  "waits for Zuora",
	jobs.WaitLimio:  "waits for Limio",
	jobs.WaitOff:    "waits: hot sync is off",
	jobs.WaitQueue:  "waits for SQS",
	jobs.WaitStore:  "waits for DynamoDB",
	jobs.WaitSource: "waits for the list of accounts",

	jobs.WaitRefused: "Zuora refused to list the accounts",
}

func (b *bar) job(j jobs.Job, now time.Time) {
	c := j.Counts()
	text := c.String()
	if w := waits[j.Waits]; w != "" {
		text += " · " + w
	}
	if j.Status != jobs.Running {
		text += " · " + string(j.Status)
	}
	b.show(j.Ended(), max(j.Total, j.Expected), text, now)
}

// show shows that so many of so many are done.
func (b *bar) show(done, of int, text string, now time.Time) {
	if b.began.IsZero() {
		b.began, b.first = now, done
	}
	const cells = 24
	full := 0
	if of > 0 {
		full = min(cells, cells*done/of)
	}
	line := fmt.Sprintf(
		"[%s%s] %s of %s · %s",
		strings.Repeat("█", full),
		strings.Repeat("░", cells-full),
		thousands(done),
		thousands(of),
		text,
	)
	if gone := now.Sub(b.began); gone > 5*time.Second && done > b.first && of > done {
		perSecond := float64(done-b.first) / gone.Seconds()
		line += fmt.Sprintf(
			" · %.0f/min · %s left",
			60*perSecond,
			rough(time.Duration(float64(of-done)/perSecond)*time.Second),
		)
	}
	switch {
	case b.terminal:
		fmt.Fprintf(b.w, "\r\033[K%s", line)
	case line != b.said && (now.Sub(b.last) >= sayEvery || done == of):
		fmt.Fprintln(b.w, line)
		b.last = now
	default:
		return
	}
	b.said = line
}

// rough is a time as a person says it.
func rough(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < time.Hour:
		return fmt.Sprintf("about %d min", int(d.Minutes()+0.5))
	default:
		return fmt.Sprintf("about %.1f h", d.Hours())
	}
}

func (b *bar) end() {
	if b.terminal && b.said != "" {
		fmt.Fprintln(b.w)
	}
}
