package stack_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hotsync/local/sandbox/idp"
	"hotsync/local/sandbox/persona"
	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/hotsync"
)

func find(t testing.TB, name string) persona.Persona {
	t.Helper()
	p, ok := persona.Find(name, time.Now())
	if !ok {
		t.Fatalf("no persona %s", name)
	}
	return p
}

func today() string { return time.Now().UTC().Format(time.DateOnly) }

// wantMirror compares what Limio has of an account with what it should have.
func wantMirror(t testing.TB, want, got mirror) {
	t.Helper()
	diff := cmp.Diff(want, got, cmpopts.EquateEmpty())
	if diff != "" {
		t.Errorf("Limio's state mismatch (-want +got):\n%s", diff)
	}
}

func wantEnd(t testing.TB, e hotsync.Event, status hotsync.Status, reason string) {
	t.Helper()
	if e.Status != status || e.Reason != reason {
		t.Fatalf("event ended as %s %s, want %s %s: %+v", e.Status, e.Reason, status, reason, e.Error)
	}
}

// story is what a persona's login has to show.
type story struct {
	persona  string
	status   hotsync.Status
	reason   string
	warnings []string // beginnings or ends of them
}

var stories = []story{
	{persona: "single", status: hotsync.StatusSucceeded, reason: hotsync.ReasonChanged},
	{persona: "several", status: hotsync.StatusSucceeded, reason: hotsync.ReasonChanged},
	{persona: "lookup", status: hotsync.StatusSucceeded, reason: hotsync.ReasonChanged},
	{persona: "salesforce", status: hotsync.StatusSucceeded, reason: hotsync.ReasonChanged,
		warnings: []string{"preview has no tax"}},
	{persona: "sixty", status: hotsync.StatusSucceeded, reason: hotsync.ReasonChanged},
	{persona: "mixed", status: hotsync.StatusSucceeded, reason: hotsync.ReasonChanged,
		warnings: []string{"A-S00701003 is Draft", "A-S00701004 is Pending Acceptance"}},
	{persona: "wallet", status: hotsync.StatusSucceeded, reason: hotsync.ReasonChanged,
		warnings: []string{"default payment method is closed", "preview has no tax"}},
	{persona: "bare", status: hotsync.StatusSucceeded, reason: hotsync.ReasonChanged},
	{persona: "ambiguous", status: hotsync.StatusSkipped, reason: hotsync.ReasonAmbiguous},
}

// TestPersonas signs everybody in, on every way to read Zuora and to create in
// Limio, and once more.
func TestPersonas(t *testing.T) {
	t.Parallel()

	for _, plan := range []hotsync.ZuoraPlan{hotsync.PlanH, hotsync.PlanV} {
		for _, strategy := range []hotsync.CreationStrategy{hotsync.CreateObjects, hotsync.CreatePlugin} {
			t.Run(fmt.Sprintf("%s %s", plan, strategy), func(t *testing.T) {
				t.Parallel()

				s := stacktest.Start(t, stack.Options{Personas: true, Settings: func(set *hotsync.Settings) {
					set.ZuoraPlan, set.CreationStrategy = plan, strategy
				}})
				for _, st := range stories {
					t.Run(st.persona, func(t *testing.T) {
						if st.persona == "bare" && strategy == hotsync.CreatePlugin {
							bareByPlugin(t, s.For(t))
							return
						}
						tell(t, s.For(t), st, strategy)
					})
				}
				t.Run("nobody", func(t *testing.T) { nobody(t, s.For(t)) })
			})
		}
	}
}

func tell(t *testing.T, s *stacktest.System, st story, strategy hotsync.CreationStrategy) {
	p := find(t, st.persona)
	before := readLimio(t, s).customers()
	admitted := s.Login(s.PersonaToken(p.Name))
	wantAdmitted(t, p, admitted)
	for _, q := range admitted.Queued {
		e := s.Await(q.Event)
		wantEnd(t, e, st.status, st.reason)
		wantWarnings(t, e, st.warnings)
		if len(e.Attempts) != 1 && st.status == hotsync.StatusSucceeded {
			t.Errorf("%d attempts, want 1", len(e.Attempts))
		}
	}
	if st.status != hotsync.StatusSucceeded {
		e, _ := s.Event(admitted.Queued[0].Event)
		if diff := cmp.Diff([]string{"A00000401", "A00000402"}, e.Candidates); diff != "" {
			t.Errorf("candidates mismatch (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before, readLimio(t, s).customers()); diff != "" {
			t.Errorf("customers changed (-before +after):\n%s", diff)
		}
		return
	}
	r := readLimio(t, s)
	for _, a := range p.Accounts {
		want := expect(readV1(t, a), s.IDPURL+"/"+p.Issuer, p.Claims["sub"].(string), today())
		if strategy == hotsync.CreatePlugin {
			// Limio made these two itself, and gives them no name beside the data.
			delete(want.Customer, "name")
			delete(want.Identities["zuora/account/"+a.ID], "name")
		} else if r.owner(a.ID) != r.owner(p.Accounts[0].ID) {
			t.Errorf("the accounts of %s have several owners", p.Name)
		}
		wantMirror(t, want, r.mirror(a.ID))
	}
	if len(r.customers()) != len(before)+len(p.Accounts) {
		t.Errorf("%d customers after the login of %s, want %d more than %d", len(r.customers()), p.Name, len(p.Accounts),
			len(before))
	}
	again(t, s, p)
}

func wantAdmitted(t *testing.T, p persona.Persona, a stacktest.Admission) {
	t.Helper()
	type queued struct{ Provider, Claim, Account, Field string }
	var want, got []queued
	if p.Issuer == idp.Lookup {
		want = []queued{{"lookup", "sub", "", persona.LookupField}}
	} else {
		for _, account := range p.Claims["zuora_account_ids"].([]string) {
			want = append(want, queued{"direct", "zuora_account_ids", account, ""})
		}
	}
	for _, q := range a.Queued {
		one := queued{q.Provider, q.Claim, q.Account, ""}
		if q.Lookup != nil {
			one.Field = q.Lookup.Field
		}
		got = append(got, one)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("queued mismatch (-want +got):\n%s", diff)
	}
	if len(a.Ignored) != 0 {
		t.Errorf("ignored: %+v", a.Ignored)
	}
}

func wantWarnings(t *testing.T, e hotsync.Event, want []string) {
	t.Helper()
	if len(e.Findings) != len(want) {
		t.Errorf("warnings %q, want %q", hotsync.Messages(e.Findings), want)
		return
	}
	for i, w := range want {
		if !strings.Contains(e.Findings[i].Message, w) {
			t.Errorf("warning %q, want one with %q", e.Findings[i].Message, w)
		}
	}
}

// again signs in once more: nothing may change, and per account Limio is read
// twice and never written.
func again(t *testing.T, s *stacktest.System, p persona.Persona) {
	t.Helper()
	state, counts := s.Limio(), s.LimioCounts()
	from := len(s.Requests(s.LimioURL, 0))
	for _, e := range s.Sync(s.PersonaToken(p.Name)) {
		wantEnd(t, e, hotsync.StatusSucceeded, hotsync.ReasonUnchanged)
		if len(e.Changes) != 0 {
			t.Errorf("changes of an unchanged account: %+v", e.Changes)
		}
	}
	reads := 0
	for _, r := range s.Requests(s.LimioURL, from) {
		switch {
		case r.Method == http.MethodGet:
			reads++
		case r.Path == "/oauth2/token": // of a process that had none yet
		default:
			t.Errorf("a repeated login wrote: %s %s", r.Method, r.Path)
		}
	}
	if reads != 2*len(p.Accounts) {
		t.Errorf("a repeated login read Limio %d times for %d accounts, want twice each", reads, len(p.Accounts))
	}
	if diff := cmp.Diff(counts, s.LimioCounts()); diff != "" {
		t.Errorf("counts changed (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(state, s.Limio()); diff != "" {
		t.Errorf("state changed (-before +after):\n%s", diff)
	}
}

// nobody is not known to Zuora, and the login leaves no trace.
func nobody(t *testing.T, s *stacktest.System) {
	before := s.Limio()
	calls := len(s.Requests(s.ZuoraURL, 0))
	admitted := s.Login(s.PersonaToken("nobody"))
	if len(admitted.Queued) != 1 || admitted.Queued[0].Lookup == nil {
		t.Fatalf("queued %+v, want one lookup", admitted.Queued)
	}
	s.Until("the lookup", func() bool { return len(s.Requests(s.ZuoraURL, calls)) > 0 }, nil)
	s.Idle()
	if e, ok := s.Event(admitted.Queued[0].Event); ok {
		t.Errorf("an event was recorded for nobody: %+v", e)
	}
	if diff := cmp.Diff(before, s.Limio()); diff != "" {
		t.Errorf("Limio's state changed (-before +after):\n%s", diff)
	}
}

// bareByPlugin has no subscription with which Limio could create the customer.
func bareByPlugin(t *testing.T, s *stacktest.System) {
	events := s.Sync(s.PersonaToken("bare"))
	wantEnd(t, events[0], hotsync.StatusFailed, string(hotsync.CodeLimioCreation))
	if events[0].Error == nil || events[0].Error.Hint == "" {
		t.Errorf("error %+v, want one with a hint", events[0].Error)
	}
}
