package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"hotsync/shared/hotsync"
)

// report is what a run showed.
type report struct {
	did   tally
	saw   traffic
	drain time.Duration // from the end of the faults to empty queues

	statuses  map[hotsync.Status]int
	reasons   map[string]int // of the events that failed
	coalesced int
	retried   int // syncs that took more than one try
	objects   int // in Limio at the end
	repeats   int // creations of what Limio had already, which it refused
	again     int // people who had to sign in once more, since their sync had failed
	// unrecorded are logins by trigger of which neither SQS nor DynamoDB took
	// anything: log and alarm are all that shows them.
	unrecorded int

	// Promises that were not kept, in words.
	lost, duplicates, overlaps, diverged, leaks, broken []string
}

// summarise counts events.
func (p *report) summarise(events map[string]hotsync.Event) {
	p.statuses, p.reasons = map[hotsync.Status]int{}, map[string]int{}
	for _, e := range events {
		p.statuses[e.Status]++
		if e.Reason == hotsync.ReasonCoalesced {
			p.coalesced++
		}
		if e.Status == hotsync.StatusFailed {
			p.reasons[e.Reason]++
		}
		if len(e.Attempts) > 1 {
			p.retried++
		}
	}
}

// violations are the promises that were not kept.
func (p *report) violations() []string {
	return slices.Concat(p.lost, p.duplicates, p.overlaps, p.diverged, p.leaks, p.broken)
}

// print writes the table.
func (p *report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(t, "%s\t%v\n", name, value) }
	rows := func(counts map[string]int) {
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			row("  "+name, counts[name])
		}
	}
	row("logins", p.did.logins)
	row("  turned away with 503, tried again", p.did.turnedAway)
	row("  by trigger, seen in the log only", p.unrecorded)
	row("changes in Zuora meanwhile", p.did.changes)
	total := p.did.kills + p.did.redelivered + p.did.outages
	for _, n := range p.did.faults {
		total += n
	}
	row("faults injected", total)
	rows(p.did.faults)
	row("  delivered twice, or late", p.did.redelivered)
	row("  sync process killed", p.did.kills)
	row("  outage of Zuora", p.did.outages)
	row("syncs that succeeded", p.statuses[hotsync.StatusSucceeded])
	row("  after several tries", p.retried)
	row("coalesced", p.coalesced)
	row("failed, for all to see", p.statuses[hotsync.StatusFailed])
	rows(p.reasons)
	row("  signed in once more for it", p.again)
	row("objects in Limio", p.objects)
	row("  creations repeated and refused", p.repeats)
	row("lost", len(p.lost))
	row("duplicates", len(p.duplicates))
	row("overlaps", len(p.overlaps))
	row("differences between Limio and Zuora", len(p.diverged))
	row("secrets or personal data where they do not belong", len(p.leaks))
	row("promises of the front door broken", len(p.broken))
	row("Zuora calls", p.saw.calls)
	row("  peak concurrency", fmt.Sprintf("%d, Object Query %d", p.saw.peak[defaultPool], p.saw.peak[objectQueryPool]))
	row("  429s", p.saw.limited)
	row("longest login", p.did.longest.Round(time.Millisecond))
	row("time to empty queues after the faults", p.drain.Round(100*time.Millisecond))
	return t.Flush()
}
