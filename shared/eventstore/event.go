package eventstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// An item may have 400 KB; what is left is for the summary and the keys.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
const (
	maxDetail   = 350 << 10
	maxUnpacked = 64 << 20
	maxText     = 4 << 10 // of an error's message
	fewEntries  = 100     // of every list, and so much of every text in them,
	shortText   = 512     // where nothing else helps
)

// Messages of an event that was too large to be kept whole.
const (
	warnFieldsCut = "This event was too large to be kept whole: the fields of its changes were left out."
	warnListsCut  = "This event was too large to be kept whole: only the first entries of its lists were kept."
)

// stored is an event as its item holds it, in two attributes: the summary, which the
// indexes hold too and a row of a list is made of, leaves out the detail.
type stored struct {
	detail
	Revision       int    `json:"revision,omitempty"`
	ChangeCount    int    `json:"changeCount,omitempty"` // of the lists before they were cut
	AttemptCount   int    `json:"attemptCount,omitempty"`
	FindingCount   int    `json:"findingCount,omitempty"`
	AttentionCount int    `json:"attentionCount,omitempty"`
	Email          string `json:"email,omitempty"` // masked, for lists

	// What the item has as attributes is no member of the summary. The version before
	// wrote it there.
	ID       string          `json:"id,omitempty"`
	Status   hotsync.Status  `json:"status,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Trigger  hotsync.Trigger `json:"trigger,omitempty"`
	Provider string          `json:"provider,omitempty"`
	rest
}

// detail is what only a whole event has.
type detail struct {
	Attempts   []hotsync.Attempt    `json:"attempts,omitempty"`
	Steps      []hotsync.Step       `json:"steps,omitempty"`
	Changes    []hotsync.Change     `json:"changes,omitempty"`
	Findings   []hotsync.Finding    `json:"findings,omitempty"`
	Candidates []string             `json:"candidates,omitempty"`
	Request    *hotsync.SyncRequest `json:"request,omitempty"`

	Subscriptions []hotsync.Subscription `json:"subscriptions,omitempty"`
}

// rest are the members of an event that have the same names and are no detail: JSON
// takes what is less deep.
type rest struct{ plain }

// plain is an event without its JSON form, which is that of answers.
type plain hotsync.Event

// parts returns an event as it is stored at a revision, with its detail apart.
func parts(e hotsync.Event, revision int) (stored, detail) {
	d := detail{e.Attempts, e.Steps, e.Changes, e.Findings, e.Candidates, &e.Request, e.Subscriptions}
	return stored{rest: rest{plain(e)}, Revision: revision, ChangeCount: e.ChangeCount, AttemptCount: e.AttemptCount,
		FindingCount: e.FindingCount, AttentionCount: e.AttentionCount, Email: e.Request.EmailMask}, d
}

// event puts the parts that were read together again.
func (s stored) event() hotsync.Event {
	e := hotsync.Event(s.plain)
	e.Attempts, e.Steps, e.Changes, e.Findings, e.Candidates = s.Attempts, s.Steps, s.Changes, s.Findings, s.Candidates
	e.Subscriptions = s.Subscriptions
	e.Revision, e.ChangeCount, e.AttemptCount = s.Revision, s.ChangeCount, s.AttemptCount
	e.FindingCount, e.AttentionCount = s.FindingCount, s.AttentionCount
	e.ID, e.Status, e.Reason, e.Trigger, e.Provider = s.ID, s.Status, s.Reason, s.Trigger, s.Provider
	e.Request.EmailMask = s.Email
	if s.Request != nil {
		e.Request = *s.Request
	}
	return e
}

// Put writes an event over the revision it was read at: Revision 0 says that
// nothing but a PutQueued may have written it. It returns the event as it was written, with its new
// revision, or ErrConflict, and then nothing has changed. An event too large
// for an item loses the fields of its changes, then the ends of its lists, and
// gets a warning that says so. The login's e-mail hash becomes a name that finds
// the event's subject when the event has ended or is to be retried. What it opens or
// settles is kept in step (see Open).
func (s *Store) Put(ctx context.Context, e hotsync.Event) (_ hotsync.Event, err error) {
	defer hotsync.In(&err, "eventstore.Put(%q)", e.ID)
	e, it, err := s.encode(counted(e), e.Revision+1)
	if err != nil {
		return hotsync.Event{}, err
	}
	g, gctx := errgroup.WithContext(ctx)
	if e.Status.Final() || e.Status == hotsync.StatusRetrying {
		g.Go(func() error { return s.nameSubject(gctx, e) })
	}
	g.Go(func() error { return s.follow(gctx, e) })
	revision := e.Revision
	g.Go(func() (err error) {
		revision, err = s.saveEvent(gctx, it, e.Revision)
		return err
	})
	err = g.Wait()
	if err != nil {
		return hotsync.Event{}, err
	}
	e.Revision = revision
	return e, nil
}

// PutQueued writes the event of a request that a front door has just queued. It
// does nothing when the event exists: the sync may have begun already. The event's
// revision stays 0, so that a sync that began before it was there writes over it.
func (s *Store) PutQueued(ctx context.Context, e hotsync.Event) (err error) {
	defer hotsync.In(&err, "eventstore.PutQueued(%q)", e.ID)
	_, it, err := s.encode(counted(e), 0)
	if err != nil {
		return err
	}
	it[dynamo.Revision] = dynamo.Number(0)
	err = s.table.Replace(ctx, it, s.absent())
	if errors.Is(err, dynamo.ErrRefused) {
		return nil
	}
	return err
}

// absent holds of an item that is not there, or has expired.
func (s *Store) absent() dynamo.Condition {
	return dynamo.Condition{Expression: "attribute_not_exists(pk) OR expiresAt <= :now",
		Values: item{":now": dynamo.Number(s.now().Unix())}}
}

// saveEvent writes an event's item over a revision: of 0, nobody but a front door has
// written it.
func (s *Store) saveEvent(ctx context.Context, it item, over int) (revision int, err error) {
	if over > 0 {
		return s.save(ctx, it, over)
	}
	it[dynamo.Revision] = dynamo.Number(1)
	when := s.absent()
	when.Expression += " OR revision = :over"
	when.Values[":over"] = dynamo.Number(0)
	err = s.table.Replace(ctx, it, when)
	if errors.Is(err, dynamo.ErrRefused) {
		return over, ErrConflict
	}
	return 1, err
}

// counted takes the counts from the lists and from what was cut from them when the
// event was stored. Each try has findings of its own: where those are of the try that
// was cut, the counts they came with are the true ones.
func counted(e hotsync.Event) hotsync.Event {
	e.ChangeCount, e.AttemptCount = 0, 0
	if !isCut(e) {
		e.FindingCount, e.AttentionCount = 0, 0
	}
	return e.Counted()
}

// isCut reports whether a finding says that the event is not whole.
func isCut(e hotsync.Event) bool {
	return slices.ContainsFunc(e.Findings, func(f hotsync.Finding) bool { return f.Code == findingCut })
}

// says reports whether a finding has that message already.
func says(e hotsync.Event, message string) bool {
	return slices.ContainsFunc(e.Findings, func(f hotsync.Finding) bool {
		return f.Code == findingCut && f.Message == message
	})
}

// Get reads an event whole and consistently, or returns ErrNotFound. Empty
// lists come back nil.
func (s *Store) Get(ctx context.Context, id string) (_ hotsync.Event, err error) {
	defer hotsync.In(&err, "eventstore.Get(%q)", id)
	if !hotsync.IsEventID(id) {
		return hotsync.Event{}, ErrNotFound
	}
	it, err := s.table.Get(ctx, eventKey(id))
	if err != nil {
		return hotsync.Event{}, err
	}
	if it == nil {
		return hotsync.Event{}, ErrNotFound
	}
	return decodeWhole(it)
}

func eventKey(id string) item { return dynamo.Key("event#"+id, "event") }

// encode makes the item of an event at a revision, and returns the event as that item
// will be read, which may be cut.
func (s *Store) encode(e hotsync.Event, revision int) (hotsync.Event, item, error) {
	if !hotsync.IsEventID(e.ID) {
		return e, nil, hotsync.Errorf(hotsync.CodeBadRequest, "%.60q is not an event id.", e.ID)
	}
	if e.Error != nil {
		problem := *e.Error
		problem.Message = cutText(problem.Message, maxText)
		e.Error = &problem
	}
	// What earlier tries lost is said again: their findings are no more.
	if e.ChangesCut+e.AttemptsCut > 0 {
		e = warned(e, warnListsCut)
	}
	if e.FieldsCut {
		e = warned(e, warnFieldsCut)
	}
	row, packed, err := encodeParts(e, revision)
	for _, cut := range []func(hotsync.Event) hotsync.Event{cutFields, cutLists} {
		if err == nil && len(packed) > maxDetail {
			e = cut(e)
			row, packed, err = encodeParts(e, revision)
		}
	}
	if err != nil {
		return e, nil, err
	}
	it := eventKey(e.ID)
	it[attrID] = dynamo.Text(e.ID)
	it[attrTime] = dynamo.Text(timePartition(e.ID))
	it[attrStatus] = dynamo.Text(string(e.Status))
	it[attrSummary] = dynamo.Text(string(row))
	it[attrDetail] = dynamo.Bytes(packed)
	it[dynamo.Expires] = dynamo.Number(s.expiry(e).Unix())
	for name, value := range map[string]string{attrAccount: accountKey(e.Account), attrSubject: bounded(e.Subject),
		attrProvider: e.Provider, attrTrigger: string(e.Trigger), attrReason: e.Reason,
		attrStatusKey: statusPartition(e.Status, e.ID), attrReasonKey: reasonPartition(e.Status, e.Reason, e.ID)} {
		if value != "" { // an empty key attribute is refused
			it[name] = dynamo.Text(value)
		}
	}
	if e.Status == hotsync.StatusQueued {
		// Mostly it is written over within a second, and an entry in an index costs as much
		// as the item does: what is queued is found by its status; see queued.go.
		for _, name := range []string{attrTime, attrAccount, attrSubject} {
			delete(it, name)
		}
	}
	return e, it, nil
}

// encodeParts returns the summary and the packed detail.
func encodeParts(e hotsync.Event, revision int) (row, packed []byte, err error) {
	summary, _ := parts(e, revision)
	row, err = json.Marshal(summary)
	if err != nil {
		return nil, nil, fmt.Errorf("encode: %w", err)
	}
	packed, err = pack(e, row)
	return row, packed, err
}

// accountKey is what an event's account is found by: its id, or what named it
// as long as that is all that is known.
func accountKey(a hotsync.AccountRef) string {
	if a.ID != "" {
		return fold(a.ID)
	}
	return fold(a.Number)
}

func cutFields(e hotsync.Event) hotsync.Event {
	changes := make([]hotsync.Change, len(e.Changes))
	for i, c := range e.Changes {
		c.Fields = nil
		changes[i] = c
	}
	e.Changes, e.FieldsCut = changes, true
	return warned(e, warnFieldsCut)
}

func cutLists(e hotsync.Event) hotsync.Event {
	e.ChangesCut += max(0, len(e.Changes)-fewEntries)
	e.AttemptsCut += max(0, len(e.Attempts)-fewEntries)
	e.Changes, e.Attempts, e.Steps, e.Candidates = few(e.Changes), few(e.Attempts), few(e.Steps), few(e.Candidates)
	e.Findings, e.Subscriptions = few(e.Findings), few(e.Subscriptions)
	for i, f := range e.Findings {
		e.Findings[i].Message, e.Findings[i].Hint = cutText(f.Message, shortText), cutText(f.Hint, shortText)
	}
	for i := range e.Attempts {
		e.Attempts[i].Steps = nil
		if e.Attempts[i].Error != nil {
			problem := *e.Attempts[i].Error
			problem.Message = cutText(problem.Message, shortText)
			e.Attempts[i].Error = &problem
		}
	}
	for i := range e.Steps {
		e.Steps[i].Detail = cutText(e.Steps[i].Detail, shortText)
	}
	return warned(e, warnListsCut)
}

// few copies the first entries of a list.
func few[T any](list []T) []T {
	return append([]T(nil), list[:min(len(list), fewEntries)]...)
}

// findingCut says that an event is not whole.
const findingCut hotsync.FindingCode = "event_cut"

// warned puts a finding first and counts it, unless it is there already.
func warned(e hotsync.Event, message string) hotsync.Event {
	if says(e, message) {
		return e
	}
	e.Findings = append([]hotsync.Finding{hotsync.Note(findingCut, "", "%s", message)}, e.Findings...)
	e.FindingCount++
	return e
}

// cutText bounds a text without breaking a character.
func cutText(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

// decodeRow reads what an index holds of an event.
func decodeRow(it item) (hotsync.Event, error) {
	row, err := readRow(it)
	return row.event(), err
}

func readRow(it item) (row stored, err error) {
	err = json.Unmarshal([]byte(dynamo.GetText(it, attrSummary)), &row)
	if err != nil {
		return stored{}, fmt.Errorf("summary of %s: %w", dynamo.GetText(it, attrID), err)
	}
	row.ID, row.Status = dynamo.GetText(it, attrID), hotsync.Status(dynamo.GetText(it, attrStatus))
	row.Reason = dynamo.GetText(it, attrReason)
	row.Trigger, row.Provider = hotsync.Trigger(dynamo.GetText(it, attrTrigger)), dynamo.GetText(it, attrProvider)
	return row, nil
}

// decodeWhole reads an event's item.
func decodeWhole(it item) (hotsync.Event, error) {
	whole, err := readRow(it)
	if err != nil {
		return hotsync.Event{}, err
	}
	err = unpack(dynamo.GetBytes(it, attrDetail), []byte(dynamo.GetText(it, attrSummary)), &whole.detail)
	if err != nil {
		return hotsync.Event{}, fmt.Errorf("detail of %s: %w", whole.ID, err)
	}
	e := whole.event()
	e.ChangesCut, e.AttemptsCut = max(0, e.ChangeCount-len(e.Changes)), max(0, e.AttemptCount-len(e.Attempts))
	e.FieldsCut = says(e, warnFieldsCut)
	return e, nil
}
