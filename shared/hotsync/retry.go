package hotsync

// Retry returns the request of an ended event, to be made once more: without what is
// new about each retry (event id, time, who asks and why). An event that is under
// way, or names no account, fails with CodeConflict.
func (e Event) Retry() (SyncRequest, error) {
	if !e.Status.Final() {
		return SyncRequest{}, Errorf(CodeConflict, "The sync is still %s; wait until it has ended.", e.Status)
	}
	if e.Request.Account == "" && e.Request.AccountID == "" && e.Request.Lookup == nil {
		return SyncRequest{}, Errorf(CodeConflict, "The event names no account to sync.")
	}
	r := e.Request
	r.RetryOf, r.Trigger, r.Requeued, r.SentOn, r.Job = e.ID, TriggerConsole, 0, 0, ""
	if r.Lookup != nil {
		r.AccountID = "" // look it up again: the reason may have been the field
	}
	return r, nil
}

// Retriable reports whether a retry makes sense for an event of which a summary is
// known.
func (e Event) Retriable() bool {
	switch e.Status {
	case StatusFailed:
		return e.Reason != string(CodeMessageMalformed)
	case StatusSkipped:
		return e.Reason != ReasonCoalesced
	default:
		return false
	}
}
