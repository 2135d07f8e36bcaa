// Package drift says where Limio differs from Zuora: it compares accounts by dry
// runs, which write nothing, and keeps what a report needs of them, however many
// there are.
package drift

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
	"hotsync/shared/syncer"
)

// Comparer compares an account, and writes nothing. Errors are *hotsync.Error.
type Comparer interface {
	DryRun(ctx context.Context, r hotsync.SyncRequest) (syncer.DryRun, error)
}

// Options say how accounts are compared.
type Options struct {
	Comparer   Comparer
	Concurrent int           // accounts at once; 4 when 0
	Rate       int           // accounts a minute, at most; 0 for no limit
	Progress   func(*Report) // called after each account, one call at a time; nil for nobody
	Now        func() time.Time
}

// Report is what a comparison showed. It holds account numbers and field names, and
// no values of fields but masked ones.
type Report struct {
	Zuora     string               `json:"zuora"`
	Limio     string               `json:"limio"`
	What      string               `json:"what"` // which accounts were compared
	BeganAt   time.Time            `json:"beganAt"`
	EndedAt   time.Time            `json:"endedAt"`
	Compared  int                  `json:"compared"`
	Equal     int                  `json:"equal"`
	Different int                  `json:"different"` // Limio has them, otherwise
	Absent    int                  `json:"absent"`    // Limio has nothing of them
	Unknown   int                  `json:"unknown"`   // Zuora has no such account
	Failed    map[hotsync.Code]int `json:"failed,omitempty"`
	Objects   []Object             `json:"objects"` // what a sync would create and change
	Fields    []Field              `json:"fields"`  // by object and field, the most frequent first
	Unmatched int                  `json:"unmatchedPlans"`
	Accounts  []Account            `json:"accounts"`       // that are not equal, the first ones
	Left      int                  `json:"more,omitempty"` // of them that are not listed
	Refused   []string             `json:"refusedRows,omitempty"`

	objects map[string]*Object
	fields  map[string]*Field
}

// Object is a kind of object of Limio.
type Object struct {
	Object string `json:"object"`
	Create int    `json:"create"`
	Update int    `json:"update"`
	End    int    `json:"end"`
	Link   int    `json:"link"`
}

// Field is a field that differs.
type Field struct {
	Object   string   `json:"object"`
	Field    string   `json:"field"`
	Times    int      `json:"times"`
	Examples []string `json:"examples"` // account numbers

	accounts int
}

// Account is an account that is not equal.
type Account struct {
	Account string         `json:"account"`
	Result  Result         `json:"result"`
	Reason  hotsync.Code   `json:"reason,omitempty"`
	Changes []ObjectChange `json:"changes,omitempty"`
}

// ObjectChange is what a sync would do to one object.
type ObjectChange struct {
	Object string         `json:"object"`
	ID     string         `json:"id"`
	Action hotsync.Action `json:"action"`
	Fields []string       `json:"fields,omitempty"`
}

// Result is how an account compares.
type Result string

// The results.
const (
	Equal     Result = "equal"
	Different Result = "different"
	Absent    Result = "absent"
	Unknown   Result = "unknown"
	Failed    Result = "failed"
)

// customer is the record type of a customer in Limio.
const customer = string(projection.Customer)

// Bounds of a report.
const (
	maxAccounts = 1000
	maxExamples = 3
	maxFields   = 500
)

// Of says how an account compares by what a sync of it would do.
func Of(run syncer.DryRun, err error) Result {
	e := hotsync.AsError(err)
	switch {
	case e != nil && e.Code == hotsync.CodeZuoraNotFound:
		return Unknown
	case e != nil:
		return Failed
	case len(run.Changes) == 0:
		return Equal
	}
	// Limio has nothing of an account whose customer is yet to be made.
	if slices.ContainsFunc(
		run.Changes,
		func(c hotsync.Change) bool { return c.Action == hotsync.ActionCreate && c.Object == customer },
	) {
		return Absent
	}
	return Different
}

// Compare compares the accounts that next hands out, "" at the end, and completes the
// report. It returns an error of next, or of ctx when that ends; the report then has
// what was compared until then.
func (r *Report) Compare(ctx context.Context, next func(context.Context) (string, error), opt Options) error {
	if opt.Concurrent == 0 {
		opt.Concurrent = 4
	}
	r.objects, r.fields, r.Failed = map[string]*Object{}, map[string]*Field{}, map[hotsync.Code]int{}
	r.BeganAt = opt.Now().UTC()
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(opt.Concurrent)
	var err error
	for n := 0; ; n++ {
		var account string
		account, err = next(gctx)
		if err != nil || account == "" {
			break
		}
		if opt.Rate > 0 {
			err = sleep(gctx, r.BeganAt.Add(time.Duration(n)*time.Minute/time.Duration(opt.Rate)).Sub(opt.Now()))
			if err != nil {
				break
			}
		}
		g.Go(func() error {
			run, err := opt.Comparer.DryRun(
				gctx,
				hotsync.SyncRequest{Trigger: hotsync.TriggerReconcile, Account: account},
			)
			if gctx.Err() != nil {
				return gctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			r.add(account, run, err)
			if opt.Progress != nil {
				opt.Progress(r)
			}
			return nil
		})
	}
	waited := g.Wait()
	r.EndedAt = opt.Now().UTC()
	r.conclude()
	if err == nil {
		err = waited
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (r *Report) add(account string, run syncer.DryRun, err error) {
	r.Compared++
	if run.Account.Number != "" {
		account = run.Account.Number
	}
	for _, f := range run.Findings {
		if f.Code == hotsync.FindingPlanUnmatched {
			r.Unmatched++
		}
	}
	a := Account{Account: account, Result: Of(run, err)}
	switch a.Result {
	case Equal:
		r.Equal++
		return
	case Unknown:
		r.Unknown++
	case Failed:
		a.Reason = hotsync.AsError(err).Code
		r.Failed[a.Reason]++
	case Absent:
		r.Absent++
	case Different:
		r.Different++
	}
	seen := map[string]bool{}
	for _, c := range run.Changes {
		r.change(a.Account, a.Result, c, seen)
		fields := make([]string, len(c.Fields))
		for n, f := range c.Fields {
			fields[n] = f.Field
		}
		if c.Action == hotsync.ActionCreate {
			fields = nil // all of them
		}
		a.Changes = append(a.Changes, ObjectChange{Object: c.Object, ID: c.ID, Action: c.Action, Fields: fields})
	}
	if len(r.Accounts) == maxAccounts {
		r.Left++
		return
	}
	r.Accounts = append(r.Accounts, a)
}

func (r *Report) change(account string, result Result, c hotsync.Change, seen map[string]bool) {
	o := r.objects[c.Object]
	if o == nil {
		o = &Object{Object: c.Object}
		r.objects[c.Object] = o
	}
	switch c.Action {
	case hotsync.ActionCreate:
		o.Create++
	case hotsync.ActionUpdate:
		o.Update++
	case hotsync.ActionEnd:
		o.End++
	case hotsync.ActionLink:
		o.Link++
	}
	if result == Absent {
		return // everything of it differs, which says nothing of any field
	}
	names := []string{""} // the object itself
	if c.Action == hotsync.ActionUpdate {
		names = names[:0]
		for _, f := range c.Fields {
			names = append(names, f.Field)
		}
	}
	for _, name := range names {
		if name == "" {
			name = "(" + string(c.Action) + ")"
		}
		key := c.Object + "\x00" + name
		f := r.fields[key]
		if f == nil && len(r.fields) >= maxFields {
			continue
		}
		if f == nil {
			f = &Field{Object: c.Object, Field: name}
			r.fields[key] = f
		}
		f.Times++
		if seen[key] {
			continue
		}
		seen[key] = true
		f.accounts++
		if len(f.Examples) < maxExamples {
			f.Examples = append(f.Examples, account)
		}
	}
}

// conclude sorts what was collected.
func (r *Report) conclude() {
	r.Objects, r.Fields = []Object{}, []Field{}
	for _, name := range slices.Sorted(maps.Keys(r.objects)) {
		r.Objects = append(r.Objects, *r.objects[name])
	}
	for _, key := range slices.Sorted(maps.Keys(r.fields)) {
		r.Fields = append(r.Fields, *r.fields[key])
	}
	slices.SortStableFunc(r.Fields, func(a, b Field) int { return b.accounts - a.accounts })
	slices.SortFunc(r.Accounts, func(a, b Account) int {
		switch {
		case a.Account < b.Account:
			return -1
		case a.Account > b.Account:
			return 1
		default:
			return 0
		}
	})
}

// Unequal is how many accounts a sync would write.
func (r *Report) Unequal() int { return r.Different + r.Absent }

// Untold is how many accounts could not be compared.
func (r *Report) Untold() int {
	n := 0
	for _, k := range r.Failed {
		n += k
	}
	return n
}

// Words returns the most frequent differences, at most ten, each in a sentence.
func (r *Report) Words() []string {
	var words []string
	if r.Absent > 0 {
		words = append(words, accounts(r.Absent)+" not in Limio at all.")
	}
	for _, f := range r.Fields {
		if len(words) == 10 {
			break
		}
		example := ""
		if len(f.Examples) > 0 {
			example = ", such as " + f.Examples[0]
		}
		var what string
		switch f.Field {
		case "(create)":
			what = "lack" + s(f.accounts) + " " + article(f.Object)
		case "(end)":
			what = "still show" + s(f.accounts) + " " + article(f.Object) + " that Zuora no longer has"
		case "(link)":
			what = "lack" + s(f.accounts) + " the link to a login"
		default:
			what = "differ" + s(f.accounts) + " in " + f.Field + " of " + article(f.Object)
		}
		n := "1 account"
		if f.accounts != 1 {
			n = fmt.Sprintf("%d accounts", f.accounts)
		}
		words = append(words, n+" "+what+example+".")
	}
	return words
}

func accounts(n int) string {
	if n == 1 {
		return "1 account is"
	}
	return fmt.Sprintf("%d accounts are", n)
}

// s ends the verb of one.
func s(n int) string {
	if n == 1 {
		return "s"
	}
	return ""
}

func article(object string) string {
	switch object[:1] {
	case "a", "e", "i", "o", "u":
		return "an " + object
	default:
		return "a " + object
	}
}
