package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"hotsync/local/sandbox/zuorasandbox"
	"hotsync/local/stack"
	"hotsync/shared/billing"
	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/limio"
	"hotsync/shared/projection"
	"hotsync/shared/zuora"
)

// unlucky returns a login for everybody whose sync failed in sight of everybody:
// its attempts ran out, or the fault was one that no further try helps against.
func (r *run) unlucky(events map[string]hotsync.Event) []op {
	of := map[string]int{}
	for i, a := range r.world.accounts {
		of[a.ID] = i
		of[a.Number] = i
	}
	again := map[int]bool{}
	for _, e := range events {
		if e.Status != hotsync.StatusFailed {
			continue
		}
		account, ok := of[cmp.Or(e.Account.ID, e.Account.Number)]
		for i, p := range r.world.people {
			if ok && slices.Contains(p.accounts, account) || !ok && p.subject == e.Subject {
				again[i] = true
			}
		}
	}
	// A trigger has no answer: a login that SQS would not take shows in an event,
	// or where that could not be written either, in the log and its alarm.
	for _, s := range r.unseen(events) {
		again[s.person] = true
	}
	var ops []op
	for person := range again {
		ops = append(ops, op{kind: doLogin, person: person})
	}
	slices.SortFunc(ops, func(a, b op) int { return a.person - b.person })
	return ops
}

// unseen returns the logins by trigger of which there is no event for one of their
// accounts.
func (r *run) unseen(events map[string]hotsync.Event) []signIn {
	bySubject := map[string][]hotsync.Event{}
	for _, e := range events {
		bySubject[e.Subject] = append(bySubject[e.Subject], e)
	}
	var out []signIn
	for _, s := range r.signed {
		p := r.world.people[s.person]
		if p.way != byTrigger {
			continue
		}
		for _, a := range s.named {
			id := r.world.accounts[a].ID
			// A trigger called again within ten seconds counts as the same login.
			from := s.began.Truncate(sameLogin).Add(-time.Millisecond)
			if !slices.ContainsFunc(bySubject[p.subject], func(e hotsync.Event) bool {
				return e.Account.ID == id && !e.RequestedAt.Before(from) && !e.RequestedAt.After(s.ended)
			}) {
				out = append(out, s)
				break
			}
		}
	}
	return out
}

// check fills in what is wrong, if anything is.
func (r *run) check(ctx context.Context, out *report, events map[string]hotsync.Event) error {
	for _, p := range r.places {
		p.latency = 0
		err := p.misbehave(ctx, nil)
		if err != nil {
			return err
		}
	}
	out.broken = append(out.broken, r.tally.broken...)
	r.checkEvents(out, events)
	r.checkOverlaps(out, events)
	err := r.checkLimio(ctx, out)
	if err == nil {
		err = r.checkSight(ctx, out, events)
	}
	if err == nil {
		err = r.checkConverged(ctx, out)
	}
	if err == nil {
		err = r.checkLeaks(ctx, out, events)
	}
	return err
}

// checkEvents wants a final event for every login that was taken, and for a
// coalesced one an event that covers it.
func (r *run) checkEvents(out *report, events map[string]hotsync.Event) {
	for _, s := range r.signed {
		for _, id := range s.events {
			e, ok := events[id]
			switch {
			case !ok:
				out.lost = append(
					out.lost,
					fmt.Sprintf("%s was queued by POST /login and has no event (%s)", id, r.world.people[s.person].way),
				)
			case !e.Status.Final():
				out.lost = append(
					out.lost,
					fmt.Sprintf("%s is %s (%s) and nothing is in the queues", id, e.Status, e.Reason),
				)
			}
		}
	}
	for _, e := range events {
		switch {
		case !e.Status.Final() &&
			!slices.ContainsFunc(r.signed, func(s signIn) bool { return slices.Contains(s.events, e.ID) }):
			out.lost = append(
				out.lost,
				fmt.Sprintf("%s is %s (%s) and nothing is in the queues", e.ID, e.Status, e.Reason),
			)
		case e.Reason == hotsync.ReasonCoalesced:
			by, ok := events[e.CoveredBy]
			if !ok || by.Status != hotsync.StatusSucceeded || by.Account.ID != e.Account.ID {
				out.lost = append(out.lost, fmt.Sprintf("%s says that %q covers it, which does not", e.ID, e.CoveredBy))
			}
		}
	}
	refused := 0
	for _, s := range r.unseen(events) {
		p := r.world.people[s.person]
		later := slices.ContainsFunc(
			r.signed,
			func(o signIn) bool { return o.person == s.person && o.began.After(s.ended) },
		)
		if !later {
			out.lost = append(
				out.lost,
				fmt.Sprintf("a login of %s by trigger at %s left no event", p.subject, s.began.Format(time.TimeOnly)),
			)
			continue
		}
		refused++
	}
	out.unrecorded = refused
}

// checkOverlaps wants the tries at one account one after the other.
func (r *run) checkOverlaps(out *report, events map[string]hotsync.Event) {
	out.overlaps = append(out.overlaps, out.saw.overlaps...)
	type try struct {
		event      string
		n          int
		start, end time.Time
	}
	tries := map[string][]try{}
	for _, e := range events {
		for _, a := range e.Attempts {
			end := a.FinishedAt
			switch {
			case end.IsZero(): // its process died
				end = a.StartedAt
			case end.Sub(a.StartedAt) < time.Millisecond: // it failed before the account's turn came, at a lookup say
				continue
			}
			tries[e.Account.ID] = append(tries[e.Account.ID], try{e.ID, a.N, a.StartedAt, end})
		}
	}
	for account, list := range tries {
		slices.SortFunc(list, func(a, b try) int { return a.start.Compare(b.start) })
		last := try{}
		for _, t := range list {
			if account != "" && t.event != last.event && t.start.Before(last.end) {
				r.tell(account, events)
				out.overlaps = append(
					out.overlaps,
					fmt.Sprintf(
						"account %s: try %d of %s began at %s, before try %d of %s had ended, %s to %s",
						account,
						t.n,
						t.event,
						t.start.Format(clock),
						last.n,
						last.event,
						last.start.Format(clock),
						last.end.Format(clock),
					),
				)
			}
			if t.end.After(last.end) {
				last = t
			}
		}
	}
}

const clock = "15:04:05.000"

// tell shows the events of an account, for whoever looks into a violation.
func (r *run) tell(account string, events map[string]hotsync.Event) {
	var of []hotsync.Event
	for _, e := range events {
		if e.Account.ID == account {
			of = append(of, e)
		}
	}
	slices.SortFunc(of, func(a, b hotsync.Event) int { return strings.Compare(a.ID, b.ID) })
	for _, e := range of {
		var tries []string
		for _, a := range e.Attempts {
			tries = append(tries, a.StartedAt.Format(clock)+" to "+a.FinishedAt.Format(clock))
		}
		r.say(
			"%s %s %s, asked for at %s as %q, sent on %d times, tries %q",
			e.ID,
			e.Status,
			e.Reason,
			e.RequestedAt.Format(clock),
			cmp.Or(e.Request.Account, "lookup"),
			e.Request.Requeued,
			tries,
		)
	}
}

// record is what is looked at of an object in Limio.
type record struct {
	RecordType string `json:"record_type"`
	ID         string `json:"id"`
	Name       string `json:"name"`
	Type       string `json:"type"`
	Service    string `json:"service"`
	Status     string `json:"status"`
	Customer   string `json:"customer"`
	Related    string `json:"related"`
	Owner      string `json:"owner"`
	Relation   string `json:"relationship_type"`
	SubID      string `json:"subscription"`
	Data       struct {
		Value string `json:"value"`
		ISS   string `json:"iss"`
		Sub   string `json:"sub"`
		Name  string `json:"name"`
		Zuora struct {
			RefID string `json:"refId"`
		} `json:"zuora"`
	} `json:"data"`
}

// key names what there may be one of.
func (o record) key() string {
	parts := []string{o.RecordType}
	switch {
	case o.Type == projection.TypeExternal:
		parts = append(parts, o.Data.ISS, o.Data.Sub)
	case o.Type == projection.TypeOwner:
		parts = append(parts, o.ID)
	case o.RecordType == "identity":
		parts = append(parts, o.Service, o.Type, o.Data.Value, o.Customer)
	case o.RecordType == "subscription":
		parts = append(parts, o.Name)
	case o.RecordType == "subscription_offer":
		parts = append(parts, o.Related, o.Data.Zuora.RefID)
	case o.RecordType == "payment_method":
		parts = append(parts, o.Data.Zuora.RefID)
	case o.RecordType == "address":
		parts = append(parts, o.Customer, o.Name)
	case o.RecordType == "relationship":
		parts = append(
			parts,
			o.SubID,
			cmp.Or(o.Relation, o.ID),
		) // one address of a kind; as many payment methods as there are
	default:
		parts = append(parts, o.ID)
	}
	return strings.Join(parts, " ")
}

// limioStatuses are Zuora's statuses that have a place in Limio, by Limio's own
// table; written down here a second time, apart from package projection.
var limioStatuses = map[string]string{
	"Active":             "active",
	"Cancelled":          "cancelled",
	"Suspended":          "suspended",
	"Pending Activation": "pending activation",
}

// checkLimio looks at Limio's state without any of the product's packages.
func (r *run) checkLimio(ctx context.Context, out *report) error {
	var state map[string][]record
	err := call(ctx, http.MethodGet, r.stack.LimioURL+"/_sandbox/state", "", nil, &state)
	if err != nil {
		return err
	}
	var counts struct {
		Creates           map[string]int `json:"creates"`
		Links             int            `json:"links"`
		LoginsShared      int            `json:"loginsShared"`
		DuplicatesRefused int            `json:"duplicatesRefused"`
	}
	err = call(ctx, http.MethodGet, r.stack.LimioURL+"/_sandbox/counts", "", nil, &counts)
	if err != nil {
		return err
	}
	out.repeats = counts.DuplicatesRefused
	seen := map[string]bool{}
	byKey := map[string]record{}
	for kind, list := range state {
		out.objects += len(list)
		for _, o := range list {
			if seen[o.ID+o.Relation] || byKey[o.key()].ID != "" {
				out.duplicates = append(out.duplicates, "Limio has it twice: "+o.key())
			}
			seen[o.ID+o.Relation], byKey[o.key()] = true, o
		}
		if kind != "relationship" && kind != "identity" && counts.Creates[kind] != len(list) {
			out.duplicates = append(
				out.duplicates,
				fmt.Sprintf(
					"%d objects of kind %s were created and %d are there",
					counts.Creates[kind],
					kind,
					len(list),
				),
			)
		}
	}
	if counts.LoginsShared > 0 {
		out.duplicates = append(out.duplicates, fmt.Sprintf("%d logins were linked to two owners", counts.LoginsShared))
	}
	for _, a := range r.world.accounts {
		r.checkAccount(out, a, byKey, state)
	}
	return nil
}

// checkAccount wants what anybody would expect of an account by its face.
func (r *run) checkAccount(out *report, a billing.Account, byKey map[string]record, state map[string][]record) {
	wrong := func(format string, args ...any) {
		out.diverged = append(out.diverged, "account "+a.Number+": "+fmt.Sprintf(format, args...))
	}
	customer := ""
	for _, o := range state["identity"] {
		if o.Service == "zuora" && o.Type == "account" && o.Data.Value == a.ID {
			customer = o.Customer
		}
	}
	if customer == "" {
		wrong("Limio has no customer")
		return
	}
	if got := byKey["customer "+customer].Data.Name; got != a.Name {
		wrong("the customer's name is another one than in Zuora")
	}
	for _, s := range a.Subscriptions {
		want, ok := limioStatuses[s.Status]
		got := byKey["subscription "+s.Number]
		if ok && (got.Status != want || got.Customer != customer) {
			wrong("subscription %s is %q in Limio and %q in Zuora", s.Number, got.Status, s.Status)
		}
	}
	for _, m := range a.PaymentMethods {
		got := byKey["payment_method "+m.ID]
		if m.Status == "Active" && (got.Status != "active" || got.Customer != customer) {
			wrong("payment method %s is %q in Limio and active in Zuora", m.ID, got.Status)
		}
	}
}

// checkConverged wants project and diff, run over what both sides have now, to
// find nothing to do for anybody.
func (r *run) checkConverged(ctx context.Context, out *report) error {
	z, l, err := r.clients()
	if err != nil {
		return err
	}
	base, err := url.Parse(r.stack.LimioURL)
	if err != nil {
		return err
	}
	index, _, err := l.Catalogue(ctx)
	if err != nil {
		return err
	}
	options := projection.Options{
		Today:        time.Now().UTC().Format(time.DateOnly),
		Tenant:       base.Host,
		SalesforceID: hotsync.SalesforceAccount,
		Catalogue:    index,
	}
	diverged := make([][]string, len(r.world.accounts))
	var g errgroup.Group
	g.SetLimit(8)
	for i, truth := range r.world.accounts {
		g.Go(func() error {
			account, err := z.Read(ctx, truth.ID, zuora.ReadOptions{Preview: true, Today: options.Today})
			if err != nil {
				return err
			}
			have, err := l.Account(ctx, truth.ID)
			if err != nil {
				return err
			}
			for _, p := range r.world.of[i] {
				want := projection.Project(account, r.world.people[p].identity(r.stack.IDPURL), options)
				if !r.sight.sees(p, i) { // checkSight says whether they may not
					want.Objects = slices.DeleteFunc(want.Objects, projection.Object.IsLogin)
				}
				for _, todo := range stillToDo(want, have) {
					diverged[i] = append(diverged[i],
						fmt.Sprintf("account %s, person %s: %s", truth.Number, r.world.people[p].subject, todo))
				}
			}
			return nil
		})
	}
	err = g.Wait()
	out.diverged = append(out.diverged, slices.Concat(diverged...)...)
	return err
}

// clients are those of the product, past whatever the run has misbehave.
func (r *run) clients() (*zuora.Client, *limio.Client, error) {
	quiet := slog.New(slog.DiscardHandler)
	z, err := zuora.New(zuora.Config{
		BaseURL:     r.stack.ZuoraURL,
		Log:         quiet,
		Credentials: zuorasandbox.Credentials,
	})
	if err != nil {
		return nil, nil, err
	}
	l, err := limio.New(limio.Config{
		BaseURL:     r.stack.LimioURL,
		Log:         quiet,
		InFlight:    16,
		Credentials: stack.LimioCredentials,
	})
	return z, l, err
}

// stillToDo says what would change in Limio, but for schedules: they are worked out from
// the charges where a fault kept the preview away.
func stillToDo(want projection.Result, have []projection.Object) (todo []string) {
	for _, c := range convergence.Diff(want, have).Changes {
		if c.Object.Kind == projection.Schedule {
			continue
		}
		fields := []string{}
		for _, f := range c.Fields {
			fields = append(fields, f.Field)
		}
		todo = append(todo, fmt.Sprintf("%s %s %v is still to do", c.Action, c.Object.Kind, fields))
	}
	return todo
}
