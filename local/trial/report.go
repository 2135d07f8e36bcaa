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
	unseeing  int // people who had to, since they did not see what they named
	sights    int // accounts that somebody sees who named them last
	forbidden int // accounts that a rule keeps from somebody who named them last
	// unrecorded are logins by trigger of which neither SQS nor DynamoDB took
	// anything: log and alarm are all that shows them.
	unrecorded int

	// Promises that were not kept, in words.
	lost, duplicates, overlaps, diverged, leaks, broken []string
	strangers                                           []string // who see what they never named
	lockedOut                                           []string // who do not see what they may
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
	return slices.Concat(
		p.strangers, p.lockedOut, p.lost, p.duplicates, p.overlaps, p.diverged, p.leaks, p.broken)
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
	total := p.did.kills + p.did.redelivered
	for _, counts := range []map[string]int{p.did.faults, p.did.outages} {
		for _, n := range counts {
			total += n
		}
	}
	row("faults injected", total)
	rows(p.did.faults)
	row("  delivered twice, or late", p.did.redelivered)
	row("  sync process killed", p.did.kills)
	for _, name := range slices.Sorted(maps.Keys(p.did.outages)) {
		row("  outage of "+name, p.did.outages[name])
	}
	row("syncs that succeeded", p.statuses[hotsync.StatusSucceeded])
	row("  after several tries", p.retried)
	row("coalesced", p.coalesced)
	row("failed, for all to see", p.statuses[hotsync.StatusFailed])
	rows(p.reasons)
	row("  signed in once more for it", p.again)
	row("signed in once more to see what they may", p.unseeing)
	row("people and accounts they see and named last", p.sights)
	row("  that a rule keeps them from, as their event says", p.forbidden)
	row("see what they never named", len(p.strangers))
	row("locked out", len(p.lockedOut))
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
