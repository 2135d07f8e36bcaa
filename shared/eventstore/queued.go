package eventstore

import (
	"slices"

	"hotsync/shared/hotsync"
)

// An event is queued for a second, mostly, and then it is written over. So as long as
// it is queued, it has an entry in the index of its status alone: one in every other
// index would cost as much as the item does. A search by account, subject or id looks
// among what is queued too, and sorts out what it does not mean.

// queuedPartitions returns where what is queued is to be looked for.
func queuedPartitions(meant []partition) []partition {
	all := statusPartitions([]hotsync.Status{hotsync.StatusQueued}, "")
	if !slices.ContainsFunc(meant, func(p partition) bool { return p.id == "" }) {
		all = nil
	}
	for _, p := range meant {
		if p.id != "" {
			all = append(all, partition{index: indexStatus, attr: attrStatusKey, id: p.id,
				key: statusPartition(hotsync.StatusQueued, p.id)})
		}
	}
	for i := range all {
		all[i].queued = true
	}
	return all
}

// holds reports whether what is queued belongs to what the plan looks for.
func (p plan) holds(e hotsync.Event) bool {
	f := p.filter
	if len(f.accounts) > 0 && !slices.Contains(f.accounts, accountKey(e.Account)) ||
		f.subject != "" && f.subject != bounded(e.Subject) {
		return false
	}
	return slices.ContainsFunc(p.meant, func(x partition) bool {
		switch {
		case x.id != "":
			return x.id == e.ID
		case x.index == indexAccount:
			return x.key == accountKey(e.Account)
		default:
			return x.index == indexSubject && x.key == bounded(e.Subject)
		}
	})
}
