package hotsync

// Kind says whose matter a failure is, and so what becomes of a sync that meets it.
type Kind string

// The kinds.
const (
	KindOutage  Kind = "outage"  // Zuora or Limio is down or asks to wait: the sync waits, which costs no try
	KindAccount Kind = "account" // of the account, its login or what is configured: the sync fails at once
	KindProcess Kind = "process" // of a process or of an answer nobody expected: the sync is tried again, a few times
	KindRequest Kind = "request" // of whoever asked: no sync was begun
)

// Fate says what becomes of a sync that meets a failure of this kind, in a sentence.
func (k Kind) Fate() string {
	switch k {
	case KindOutage:
		return "An outage: the sync waits and goes on by itself when the other side answers; no try is used up."
	case KindProcess:
		return "A process or an answer failed: the sync is tried again a few times by itself, then it has failed."
	case KindAccount:
		return "Something is wrong with the account or the configuration: the sync fails at once and can be retried."
	default:
		return "The request was refused: no sync was begun."
	}
}
