package eventstore

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// An item may have 400 KB; what is left is for the summary and the keys.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
const (
	gzipFrom    = 4 << 10
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

// summary is what a row of a list shows, as the indexes hold it.
type summary struct {
	Status        hotsync.Status     `json:"status"`
	Reason        string             `json:"reason,omitempty"`
	Trigger       hotsync.Trigger    `json:"trigger"`
	Provider      string             `json:"provider,omitempty"`
	Account       hotsync.AccountRef `json:"account,omitzero"`
	Subject       string             `json:"subject,omitempty"`
	LoginID       string             `json:"login,omitempty"`
	RequestedAt   time.Time          `json:"requestedAt"`
	StartedAt     time.Time          `json:"startedAt,omitzero"`
	FinishedAt    time.Time          `json:"finishedAt,omitzero"`
	NextAttemptAt time.Time          `json:"nextAttemptAt,omitzero"`
	Error         *hotsync.Problem   `json:"error,omitempty"`
	CoveredBy     string             `json:"coveredBy,omitempty"`
	RetryOf       string             `json:"retryOf,omitempty"`
	RetriedBy     string             `json:"retriedBy,omitempty"`
	Job           string             `json:"job,omitempty"`
	Changes       int                `json:"changes,omitempty"`
	Attempts      int                `json:"attempts,omitempty"`
	Findings      int                `json:"findings,omitempty"`
	Attention     int                `json:"attention,omitempty"`
	Warnings      int                `json:"warnings,omitempty"` // written by the versions before findings
}

// detail is the rest of an event.
type detail struct {
	Attempts   []hotsync.Attempt   `json:"attempts,omitempty"`
	Steps      []hotsync.Step      `json:"steps,omitempty"`
	Changes    []hotsync.Change    `json:"changes,omitempty"`
	Findings   []hotsync.Finding   `json:"findings,omitempty"`
	Warnings   []string            `json:"warnings,omitempty"` // written by the versions before findings
	Candidates []string            `json:"candidates,omitempty"`
	Request    hotsync.SyncRequest `json:"request"`
}

// Put writes an event over the revision it was read at: Revision 0 says that
// it must not exist yet. It returns the event as it was written, with its new
// revision, or ErrConflict, and then nothing has changed. An event too large
// for an item loses the fields of its changes, then the ends of its lists, and
// gets a warning that says so. The login's e-mail hash becomes a name that finds
// the event's subject when the event has ended or is to be retried.
func (s *Store) Put(ctx context.Context, e hotsync.Event) (_ hotsync.Event, err error) {
	defer hotsync.In(&err, "eventstore.Put(%q)", e.ID)
	e, it, err := s.encode(counted(e))
	if err != nil {
		return hotsync.Event{}, err
	}
	if e.Status.Final() || e.Status == hotsync.StatusRetrying {
		err = s.nameSubject(ctx, e)
		if err != nil {
			return hotsync.Event{}, err
		}
	}
	e.Revision, err = s.save(ctx, it, e.Revision)
	if err != nil {
		return hotsync.Event{}, err
	}
	return e, nil
}

// PutQueued writes the event of a request that a front door has just queued. It
// does nothing when the event exists: the sync may have begun already.
func (s *Store) PutQueued(ctx context.Context, e hotsync.Event) (err error) {
	defer hotsync.In(&err, "eventstore.PutQueued(%q)", e.ID)
	_, it, err := s.encode(counted(e))
	if err != nil {
		return err
	}
	_, err = s.save(ctx, it, 0)
	if errors.Is(err, ErrConflict) {
		return nil
	}
	return err
}

// counted takes the counts from the lists.
func counted(e hotsync.Event) hotsync.Event {
	e.ChangeCount, e.AttemptCount = len(e.Changes), len(e.Attempts)
	e.FindingCount, e.AttentionCount = len(e.Findings), hotsync.AttentionCount(e.Findings)
	return e
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

// encode makes the item of an event, and returns the event as that item will
// be read, which may be cut.
func (s *Store) encode(e hotsync.Event) (hotsync.Event, item, error) {
	if !hotsync.IsEventID(e.ID) {
		return e, nil, hotsync.Errorf(hotsync.CodeBadRequest, "%.60q is not an event id.", e.ID)
	}
	if e.Error != nil {
		problem := *e.Error
		problem.Message = cutText(problem.Message, maxText)
		e.Error = &problem
	}
	packed, err := pack(e)
	for _, cut := range []func(hotsync.Event) hotsync.Event{cutFields, cutLists} {
		if err == nil && len(packed) > maxDetail {
			e = cut(e)
			packed, err = pack(e)
		}
	}
	if err != nil {
		return e, nil, err
	}
	row, err := json.Marshal(summary{Status: e.Status, Reason: e.Reason, Trigger: e.Trigger, Provider: e.Provider, Account: e.Account,
		Subject: e.Subject, LoginID: e.LoginID, RequestedAt: e.RequestedAt, StartedAt: e.StartedAt, FinishedAt: e.FinishedAt,
		NextAttemptAt: e.NextAttemptAt, Error: e.Error, CoveredBy: e.CoveredBy, RetryOf: e.RetryOf, RetriedBy: e.RetriedBy, Job: e.Job,
		Changes: e.ChangeCount, Attempts: e.AttemptCount, Findings: e.FindingCount, Attention: e.AttentionCount})
	if err != nil {
		return e, nil, fmt.Errorf("encode: %w", err)
	}
	it := eventKey(e.ID)
	it[attrID] = dynamo.Text(e.ID)
	it[attrTime] = dynamo.Text(timePartition(e.ID))
	it[attrStatusKey] = dynamo.Text(statusPartition(e.Status, e.ID))
	it[attrStatus] = dynamo.Text(string(e.Status))
	it[attrSummary] = dynamo.Text(string(row))
	it[attrDetail] = dynamo.Bytes(packed)
	it[dynamo.Expires] = dynamo.Number(s.expiry(e).Unix())
	for name, value := range map[string]string{attrAccount: accountKey(e.Account), attrSubject: bounded(e.Subject), attrProvider: e.Provider, attrTrigger: string(e.Trigger)} {
		if value != "" { // an empty key attribute is refused
			it[name] = dynamo.Text(value)
		}
	}
	return e, it, nil
}

// accountKey is what an event's account is found by: its id, or what named it
// as long as that is all that is known.
func accountKey(a hotsync.AccountRef) string {
	if a.ID != "" {
		return fold(a.ID)
	}
	return fold(a.Number)
}

func pack(e hotsync.Event) ([]byte, error) {
	raw, err := json.Marshal(detail{Attempts: e.Attempts, Steps: e.Steps, Changes: e.Changes, Findings: e.Findings, Candidates: e.Candidates, Request: e.Request})
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	if len(raw) <= gzipFrom {
		return raw, nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err = z.Write(raw)
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	err = z.Close()
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return b.Bytes(), nil
}

func unpack(packed []byte) (d detail, err error) {
	var r io.Reader = bytes.NewReader(packed)
	if len(packed) > 0 && packed[0] != '{' {
		r, err = gzip.NewReader(r)
		if err != nil {
			return detail{}, fmt.Errorf("decompress: %w", err)
		}
		r = io.LimitReader(r, maxUnpacked)
	}
	dec := json.NewDecoder(r)
	dec.UseNumber() // values of changes come back as they were written
	err = dec.Decode(&d)
	if err != nil {
		return detail{}, fmt.Errorf("decode: %w", err)
	}
	return d, nil
}

func cutFields(e hotsync.Event) hotsync.Event {
	changes := make([]hotsync.Change, len(e.Changes))
	for i, c := range e.Changes {
		c.Fields = nil
		changes[i] = c
	}
	e.Changes = changes
	return warned(e, warnFieldsCut)
}

func cutLists(e hotsync.Event) hotsync.Event {
	e.Changes, e.Attempts, e.Steps, e.Candidates = few(e.Changes), few(e.Attempts), few(e.Steps), few(e.Candidates)
	e.Findings = few(e.Findings)
	for i := range e.Findings {
		e.Findings[i].Message, e.Findings[i].Hint = cutText(e.Findings[i].Message, shortText), cutText(e.Findings[i].Hint, shortText)
	}
	for i := range e.Attempts {
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

// warned puts a finding first and counts it.
func warned(e hotsync.Event, message string) hotsync.Event {
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
	var r summary
	err := json.Unmarshal([]byte(dynamo.GetText(it, attrSummary)), &r)
	if err != nil {
		return hotsync.Event{}, fmt.Errorf("summary of %s: %w", dynamo.GetText(it, attrID), err)
	}
	return hotsync.Event{ID: dynamo.GetText(it, attrID), Status: r.Status, Reason: r.Reason, Trigger: r.Trigger, Provider: r.Provider,
		Account: r.Account, Subject: r.Subject, LoginID: r.LoginID, RequestedAt: r.RequestedAt, StartedAt: r.StartedAt,
		FinishedAt: r.FinishedAt, NextAttemptAt: r.NextAttemptAt, Error: r.Error, CoveredBy: r.CoveredBy, RetryOf: r.RetryOf,
		RetriedBy: r.RetriedBy, Job: r.Job, ChangeCount: r.Changes, AttemptCount: r.Attempts, FindingCount: r.Findings + r.Warnings,
		AttentionCount: r.Attention,
		Revision:       int(dynamo.GetNumber(it, dynamo.Revision))}, nil
}

// decodeWhole reads an event's item.
func decodeWhole(it item) (hotsync.Event, error) {
	e, err := decodeRow(it)
	if err != nil {
		return hotsync.Event{}, err
	}
	d, err := unpack(dynamo.GetBytes(it, attrDetail))
	if err != nil {
		return hotsync.Event{}, fmt.Errorf("detail of %s: %w", e.ID, err)
	}
	e.Attempts, e.Steps, e.Changes, e.Findings, e.Candidates, e.Request = d.Attempts, d.Steps, d.Changes, d.Findings, d.Candidates, d.Request
	for _, w := range d.Warnings {
		e.Findings = append(e.Findings, hotsync.Note(hotsync.FindingOther, "", "%s", w))
	}
	return e, nil
}
