package eventstore_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	gocmp "github.com/google/go-cmp/cmp"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

func TestErase(t *testing.T) {
	t.Parallel()

	b := open(t)
	ada := hotsync.Identity{Issuer: "https://id.example.com", Subject: "auth0|ada"}
	bob := hotsync.Identity{Issuer: "https://id.example.com", Subject: "auth0|bob"}
	namesake := hotsync.Identity{Issuer: "https://other.example.com", Subject: "auth0|ada"}
	mail := func(who hotsync.Identity) string {
		return strings.NewReplacer("https://", "", ".", "-", "|", "-").Replace(who.Issuer+who.Subject) + "@example.com"
	}
	event := func(who hotsync.Identity, status hotsync.Status, age time.Duration) hotsync.Event {
		e := wholeEvent()
		e.ID, e.Status, e.Subject = hotsync.EventIDFor(start.Add(-age), who.Issuer, who.Subject,
			string(status)), status, who.Subject
		e.Request.Identity, e.Request.EmailHash = who, hotsync.SearchHash(searchKey, mail(who))
		e.Request.Named = []string{"A00000001", "named-too-" + who.Issuer + who.Subject}
		return e
	}
	events := b.put(t, event(ada, hotsync.StatusFailed, time.Hour), event(ada, hotsync.StatusSucceeded, 2*time.Hour),
		event(ada, hotsync.StatusRetrying, 3*time.Hour), event(bob, hotsync.StatusSucceeded, 4*time.Hour),
		event(namesake, hotsync.StatusSucceeded, 5*time.Hour))
	state := eventstore.AccountState{AccountID: wholeEvent().Account.ID, Number: "A00000001"}.WithLinked(ada,
		nil).WithLinked(bob, nil).WithLinked(namesake, nil)
	state, err := b.SaveAliases(t.Context(), state, "A-S1", hotsync.SearchHash(searchKey, mail(ada)),
		hotsync.SearchHash(searchKey, "billing@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.SaveAccount(t.Context(), state)
	if err != nil {
		t.Fatal(err)
	}

	erase := func(who hotsync.Identity, want eventstore.Erased) {
		t.Helper()
		got, err := b.Erase(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("Erase(%s) mismatch (-want +got):\n%s", who.Issuer, diff)
		}
	}
	// The names of the e-mail go, of the subject and of the account, and the account's
	// other one: the address in Zuora may be ada's.
	erase(ada, eventstore.Erased{Events: 2, Aliases: 3, Accounts: 1, Pending: 1})
	erase(ada, eventstore.Erased{Pending: 1})
	pending := events[2]
	pending.Status = hotsync.StatusSucceeded
	b.put(t, pending)
	erase(ada, eventstore.Erased{Events: 1, Aliases: 1})

	got, err := b.Get(t.Context(), events[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	want := events[0]
	want.Subject, want.LoginID, want.Revision = "", "", 2
	want.Changes[0].Fields = []hotsync.FieldChange{{Field: "data.price"}, {Field: "data.name"}}
	want.Request = hotsync.SyncRequest{EventID: wholeEvent().ID, Trigger: want.Trigger, Provider: "direct",
		Claim: "zuora_account_ids", Account: "A00000001",
		AccountID: want.Account.ID, Lookup: &hotsync.Lookup{Field: "LimioExternalId__c"},
		RequestedAt: want.Request.RequestedAt}
	want.Request.EventID = got.Request.EventID
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("erased event mismatch (-want +got):\n%s", diff)
	}
	state, err = b.LoadAccount(t.Context(), state.AccountID)
	if err != nil {
		t.Fatal(err)
	}
	if state.Linked(ada) || !state.Linked(bob) || !state.Linked(namesake) || state.AliasHash != "" {
		t.Errorf("state = %+v, want ada forgotten, the others kept, and names to be written again", state)
	}
	for q, want := range map[string]int{ada.Subject: 1, mail(ada): 0, mail(namesake): 1, bob.Subject: 1, mail(bob): 1,
		"A-S1": 5} {
		if got := len(b.search(t, eventstore.Query{Q: q})); got != want {
			t.Errorf("search for %q finds %d, want %d", q, got, want)
		}
	}
	// An empty issuer stands for any. The namesake's own name is all that is left.
	erase(hotsync.Identity{Subject: ada.Subject}, eventstore.Erased{Events: 1, Aliases: 1, Accounts: 1})
	b.mentionsNot(t, ada.Subject, "named-too-https://id.example.comauth0|ada",
		hotsync.SearchHash(searchKey, "billing@example.com"), hotsync.SearchHash(searchKey, mail(ada)),
		hotsync.SearchHash(searchKey, mail(namesake)), eventstore.IdentityHash(ada))
}

// mentionsNot reads the whole table past the store, and what is packed.
func (b *bundle) mentionsNot(t *testing.T, canaries ...string) {
	t.Helper()
	reader := dynamodb.New(b.client.Options(), func(o *dynamodb.Options) { o.HTTPClient = http.DefaultClient })
	out, err := reader.Scan(t.Context(), &dynamodb.ScanInput{TableName: &b.table})
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range out.Items {
		var text strings.Builder
		for name, value := range it {
			fmt.Fprintf(&text, "%s=%s ", name, plain(value))
		}
		detail, err := eventstore.Detail(it)
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(detail)
		for _, canary := range canaries {
			if strings.Contains(text.String(), canary) {
				t.Errorf("%q is still in %s", canary, text.String())
			}
		}
	}
}

func TestEraseMany(t *testing.T) {
	t.Parallel()

	b := open(t)
	var events []hotsync.Event
	for i := range 130 {
		e := eventAt(start.Add(-time.Duration(i) * time.Hour))
		e.Subject, e.Account.ID = "auth0|ada", accountID(fmt.Sprint(i%3))
		events = append(events, e)
	}
	b.putAll(t, events)
	b.clock.set(start.Add(eventstore.DefaultRetention)) // expired and still there counts too
	got, err := b.Erase(t.Context(), hotsync.Identity{Subject: "auth0|ada"})
	if err != nil {
		t.Fatal(err)
	}
	if want := (eventstore.Erased{Events: 130}); got != want {
		t.Errorf("Erase = %+v, want %+v", got, want)
	}
	b.mentionsNot(t, "auth0|ada")
}

func TestEraseNobody(t *testing.T) {
	t.Parallel()

	b := open(t)
	_, err := b.Erase(t.Context(), hotsync.Identity{Issuer: "https://id.example.com"})
	if code := hotsync.AsError(err).Code; code != hotsync.CodeBadRequest {
		t.Errorf("Erase error = %v, want bad_request", err)
	}
	got, err := b.Erase(t.Context(), hotsync.Identity{Subject: "nobody"})
	if err != nil || got != (eventstore.Erased{}) {
		t.Errorf("Erase = %+v, %v; want nothing done", got, err)
	}
}
