package deployment_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	gocmp "github.com/google/go-cmp/cmp"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/shared/catalogue"
	"hotsync/shared/cataloguestore"
	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore"
	"hotsync/shared/eventstore/storetest"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
	"hotsync/shared/ownership"
	"hotsync/shared/pause"
	"hotsync/shared/projection"
	"hotsync/shared/settingstore"
)

// tables are the three that there are, at one moment.
type tables struct {
	events, settings, owners dynamo.Table
}

// written is that moment.
var written = time.Date(2026, 11, 26, 9, 30, 0, 0, time.UTC)

func newTables(t *testing.T) tables {
	t.Helper()
	client := enginetest.Start(t).DynamoDB()
	now := func() time.Time { return written }
	return tables{
		events:   dynamo.Table{Client: client, Name: storetest.NewTable(t, client), Now: now},
		settings: enginetest.Table(t),
		owners:   dynamo.Table{Client: client, Name: enginetest.Table(t).Name},
	}
}

func (x tables) byName() map[string]dynamo.Table {
	return map[string]dynamo.Table{"events": x.events, "settings": x.settings, "owners": x.owners}
}

func (x tables) store() *eventstore.Store {
	return eventstore.New(x.events, eventstore.Config{Now: x.events.Now,
		SearchKey: func(context.Context) ([]byte, error) { return []byte("search key"), nil }})
}

func (x tables) jobs() jobs.Table { return jobs.Table{Table: x.events, Retention: time.Hour} }

// What is written, and what of it is asked for again.
const (
	account     = "8ad09c4b8a9d2f01018a9e1f2b3c4d5e"
	jobID       = "job-0123456789abcdef01234567"
	owner       = "owner-1"
	loginKey    = "hash of a login"
	staff       = "member of staff"
	limioTenant = "acme.prod.limio.com"
)

var who = hotsync.Identity{Issuer: "https://id.example.com", Subject: "auth0|ada"}

// event is one with everything in it, save what the status excludes.
func event(n int, status hotsync.Status, reason string) hotsync.Event {
	at := written.Add(time.Duration(n) * time.Second)
	request := hotsync.SyncRequest{EventID: hotsync.EventIDFor(at, "format", fmt.Sprint(n)), LoginID: "login-1",
		Trigger: hotsync.TriggerLogin, Provider: "acme", Identity: who, EmailHash: "hash", EmailMask: "a***@example.com",
		Claim: "sub", AccountID: account, Lookup: &hotsync.Lookup{Field: "LimioExternalId__c", Value: "ada"},
		Named: []string{account, "A00000001"}, RequestedAt: at, RetryOf: "event-0", Actor: "Mia", Note: "why", Job: jobID,
		Requeued: 1, SentOn: 1}
	e := hotsync.NewEvent(request)
	e.Account.Number = "A00000001"
	if status == hotsync.StatusQueued {
		return e
	}
	problem := &hotsync.Problem{Code: hotsync.CodeLimioRefused, Message: "Limio refused it.", Hint: "Read it."}
	step := hotsync.Step{Name: "apply", StartedAt: at, MS: 12, Calls: 3, Detail: "1 of 2 changes"}
	e.Status, e.Reason, e.StartedAt, e.FinishedAt = status, reason, at, at.Add(time.Second)
	e.Attempts = []hotsync.Attempt{
		{N: 1, StartedAt: at, FinishedAt: at, Error: problem, Steps: []hotsync.Step{step}},
		{N: 2, StartedAt: at, FinishedAt: at}}
	e.Steps = []hotsync.Step{step}
	e.Changes = []hotsync.Change{{Object: "address", ID: "address-1", Name: "billing", Action: hotsync.ActionUpdate,
		Fields: []hotsync.FieldChange{{Field: "data.city", Before: "B***", After: "L***"}}}}
	e.Findings = []hotsync.Finding{hotsync.Attention(hotsync.FindingNotLinked, "A00000001", "do this", "not linked")}
	e.Subscriptions = []hotsync.Subscription{{Number: "A-S1", Plan: "Gold", Status: "active", Amount: "9.99",
		Currency: "EUR", Every: "monthly", NextDay: "2026-12-01", NextAmount: "9.99"}}
	e.CoveredBy, e.Candidates = "event-9", []string{"A1", "A2"}
	if status == hotsync.StatusFailed {
		e.Error = problem
	}
	return e
}

// write writes an item of every kind. What is written stays as it is; what a version
// adds is added at its end.
func write(t *testing.T, x tables) {
	t.Helper()
	ctx, store := t.Context(), x.store()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	failed := event(1, hotsync.StatusFailed, string(hotsync.CodeLimioRefused))
	_, err := store.Put(ctx, failed)
	must(err)
	_, err = store.Put(ctx, event(2, hotsync.StatusSucceeded, hotsync.ReasonChanged))
	must(err)
	must(store.PutQueued(ctx, event(3, hotsync.StatusQueued, "")))
	must(store.Tally(ctx, failed))
	state, err := store.SaveAccount(ctx, eventstore.AccountState{AccountID: account, Number: "A00000001",
		LastReadStartedAt: written, LastEventID: failed.ID, LastSucceededAt: written, LastSucceededEvent: failed.ID,
		CustomerID: "customer-1", OwnerID: owner, LinkedSubjects: []string{eventstore.IdentityHash(who)}})
	must(err)
	_, err = store.SaveAliases(ctx, state, "A-S1")
	must(err)
	_, err = store.TakeTurn(ctx, "an account whose turn is taken", eventstore.LaneJobs, written.Add(time.Minute))
	must(err)
	_, err = store.RecordLogin(ctx, hotsync.LoginRecord{ID: hotsync.EventIDFor(written, "login"), LoginID: "login-2",
		At: written, Trigger: hotsync.TriggerLogin, Provider: "acme", Reason: "claim_missing",
		Issuer: who.Issuer, Subject: who.Subject, Verified: true,
		Claims:    []hotsync.LoginClaim{{Claim: "sub", Reason: "claim_missing", Detail: "none"}},
		Had:       []string{"iss"},
		EmailHash: "hash"})
	must(err)
	must(store.Record(ctx, eventstore.Act{At: written, Actor: staff, Name: "Mia", Role: "admin", Action: "retry",
		Event: failed.ID, Account: account, Filter: "status:failed", Note: "why", Result: "event-2"}))
	must(store.EndSession(ctx, staff, eventstore.SessionEnd{Session: "s1", At: written, Until: written.Add(time.Hour)}))
	_, err = pause.Table{Table: x.events, Upstream: pause.Zuora.ID}.Replace(ctx, pause.State{}, pause.State{
		Until: written.Add(time.Minute), Since: written, Step: 2, ProbeUntil: written, Reason: hotsync.CodeZuoraPaused})
	must(err)
	_, err = x.jobs().SaveJob(ctx, jobs.Job{ID: jobID, Kind: jobs.Backfill, Status: jobs.Running, Title: "title",
		Note: "why", Actor: "Mia", By: "Max", Source: jobs.Source{ZOQL: "*"}, Issuers: []string{who.Issuer}, Rate: 300,
		CreatedAt: written, Cursor: "next", Chunks: 1, Total: 1, Settled: 1, Final: jobs.Counts{"changed": 1},
		Window: jobs.Counts{"failed": 1},
		Credit: 1.5, CreditAt: written, Waits: jobs.WaitZuora, Holder: "process", HeldTill: written})
	must(err)
	_, err = x.jobs().SaveChunk(ctx, jobs.Chunk{Job: jobID, Items: []jobs.Item{
		{Line: 1, Account: account, Issuer: who.Issuer, Subject: who.Subject, Login: "hash", Retries: "event-1",
			Outcome: "failed", Reason: "timeout", Erased: true}}, Last: true, Begun: written})
	must(err)
	var sketch jobs.Sketch
	sketch.Add(account)
	_, err = x.jobs().SaveSketch(ctx, jobID, sketch)
	must(err)
	kept := cataloguestore.New(x.events, limioTenant)
	must(kept.Save(ctx, cataloguestore.Copy{ReadAt: written,
		Notes: []hotsync.Finding{hotsync.Note(hotsync.FindingNotLinked, "", "a note")},
		Index: catalogue.NewIndex([]catalogue.Item{{Path: "/offers/gold", ID: "offer-1", Name: "Gold", Version: "3",
			Type: "item", RecordType: "offer",
			Data: map[string]any{"attributes": map[string]any{"price__limio": json.Number("9.99")}}}})}))
	must(cataloguestore.NewSeenPlans(kept, x.events.Now).Note(ctx, []projection.PlanMatch{{ProductRatePlanID: "plan-1",
		ProductName: "Paper", ProductSKU: "SKU-1", RatePlanName: "Gold", Currency: "EUR", Standing: catalogue.Ambiguous,
		Path: "/offers/gold", Candidates: []string{"/offers/gold", "/offers/new"}, Subscriptions: []string{"A-S1"}}}))

	settings := settingstore.New(x.settings, x.events.Now)
	first, err := settings.Save(ctx, hotsync.DefaultSettings(), "Mia")
	must(err)
	first.HotSync = true
	_, err = settings.Save(ctx, first, "Mia")
	must(err)
	owners := ownership.Table{Table: x.owners}
	_, err = owners.SaveOwner(ctx, ownership.Owner{ID: owner, Partial: true, RecoveredAt: written,
		MovingTo: "owner-2", MovingAt: written,
		Accounts: map[string]ownership.Account{account: {Number: "A00000001", ClaimedAt: written}},
		Logins:   map[string]ownership.Member{loginKey: {Named: []string{account}, ClaimedAt: written}}})
	must(err)
	must(owners.SaveLogin(ctx, loginKey,
		ownership.Login{Owner: owner, BoundAt: written, Named: []string{account}, At: written}))
}

// read is everything that write wrote, as the stores return it.
func read(t *testing.T, x tables) map[string]any {
	t.Helper()
	ctx, store, all := t.Context(), x.store(), map[string]any{}
	keep := func(name string) func(v any, err error) {
		return func(v any, err error) {
			t.Helper()
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			all[name] = v
		}
	}
	for n := 1; n <= 3; n++ {
		e, err := store.Get(ctx, hotsync.EventIDFor(written.Add(time.Duration(n)*time.Second), "format", fmt.Sprint(n)))
		keep(fmt.Sprintf("event %d", n))(e, err)
		all[fmt.Sprintf("request %d", n)] = e.Request
	}
	later := written.Add(time.Hour)
	found := func(q eventstore.Query) (ids []string, err error) {
		page, err := store.Search(ctx, q)
		for _, e := range page.Events {
			ids = append(ids, e.ID+" "+string(e.Status))
		}
		return ids, err
	}
	for _, q := range []string{account, "A-S1", "A00000001", who.Subject} {
		ids, err := found(eventstore.Query{Q: q})
		keep("search for "+q)(ids, err)
	}
	ids, err := found(eventstore.Query{Open: true})
	keep("open")(ids, err)
	counts, err := store.Count(ctx, written.Add(-time.Hour), later)
	keep("counts")(fmt.Sprintf("%v", counts), err) // its maps have keys that JSON has not
	state, err := store.LoadAccount(ctx, account)
	keep("account")(state, err)
	known, _, err := store.KnownAccounts(ctx, later, 10, "")
	keep("known accounts")(known, err)
	logins, err := store.Logins(ctx, eventstore.LoginQuery{From: written.Add(-time.Hour), To: later})
	for i := range logins.Logins {
		logins.Logins[i].ID = "" // the store's own, with a random end
	}
	keep("logins")(logins.Logins, err)
	acts, err := store.Acts(ctx, written, 10)
	keep("acts")(acts, err)
	ends, err := store.SessionEnds(ctx, staff)
	keep("session ends")(ends, err)
	_, taken := store.TakeTurn(ctx, "an account whose turn is taken", eventstore.LaneLogins, later)
	keep("turn")(taken != nil, nil)
	pauses, err := pause.All(ctx, x.events)
	keep("pauses")(pauses, err)
	job, err := x.jobs().Job(ctx, jobID)
	keep("job")(job, err)
	listed, _, err := x.jobs().Jobs(ctx, 10, "")
	keep("jobs")(len(listed), err)
	chunks, err := x.jobs().Chunks(ctx, jobID, 0, 10)
	keep("chunks")(chunks, err)
	sketch, err := x.jobs().Sketch(ctx, jobID)
	keep("sketch")(sketch, err)
	kept := cataloguestore.New(x.events, limioTenant)
	c, ok, err := kept.Load(ctx)
	if !ok || err != nil {
		t.Fatalf("the catalogue's copy: %t, %v", ok, err)
	}
	keep("catalogue")([]any{slices.Collect(c.Index.Items()), c.Notes, c.ReadAt}, nil)
	plans, err := kept.Plans(ctx)
	keep("plans")(plans, err)
	settings := settingstore.New(x.settings, x.events.Now)
	now, err := settings.Load(ctx)
	keep("settings")(now, err)
	history, _, err := settings.History(ctx, 10, "")
	keep("history")(history, err)
	owners := ownership.Table{Table: x.owners}
	o, err := owners.Owner(ctx, owner)
	o.Elsewhere = false // the sample's table has another name
	keep("owner")(o, err)
	l, err := owners.Login(ctx, loginKey)
	keep("login")(l, err)
	return all
}

// stored is an item of a file: numbers as {"N": "1"}, the rest likewise.
type stored map[string]map[string]string

func encodeItem(t *testing.T, it dynamo.Item) stored {
	t.Helper()
	out := stored{}
	for name, v := range it {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			out[name] = map[string]string{"S": v.Value}
		case *types.AttributeValueMemberN:
			out[name] = map[string]string{"N": v.Value}
		case *types.AttributeValueMemberB:
			out[name] = map[string]string{"B": base64.StdEncoding.EncodeToString(v.Value)}
		default:
			t.Fatalf("attribute %s is a %T: teach this test to keep it", name, v)
		}
	}
	return out
}

func (s stored) item(t *testing.T) dynamo.Item {
	t.Helper()
	it := dynamo.Item{}
	for name, v := range s {
		raw, err := base64.StdEncoding.DecodeString(v["B"])
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case v["B"] != "":
			it[name] = dynamo.Bytes(raw)
		case v["N"] != "":
			it[name] = &types.AttributeValueMemberN{Value: v["N"]}
		default:
			it[name] = dynamo.Text(v["S"])
		}
	}
	return it
}

// dump is every item of every table, in the order of their keys.
func dump(t *testing.T, x tables) map[string][]stored {
	t.Helper()
	all := map[string][]stored{}
	for name, table := range x.byName() {
		client := table.Client.(*dynamodb.Client)
		out, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table.Name})
		if err != nil || len(out.LastEvaluatedKey) > 0 {
			t.Fatalf("scan of %s: %v, %d keys left", name, err, len(out.LastEvaluatedKey))
		}
		for _, it := range out.Items {
			all[name] = append(all[name], encodeItem(t, it))
		}
		slices.SortFunc(all[name], func(a, b stored) int { return cmp.Compare(a.key(), b.key()) })
	}
	return all
}

// key is by which an item is found again among those of another run: without what is
// made up anew in each.
func (s stored) key() string {
	pk, sk := s[dynamo.PK]["S"], s[dynamo.SK]["S"]
	switch {
	case strings.HasPrefix(pk, "audit#"), strings.HasPrefix(pk, "without#"):
		sk = ""
	}
	return pk + " " + sk
}

// TestFormat holds that items are read whichever version wrote them, and that a version
// that reads this format finds in today's items whatever it reads.
//
// testdata has a file for each format, of what write wrote when there was no other. It
// stays as it is: where an item no longer fits, dynamo.Format goes up.
func TestFormat(t *testing.T) {
	t.Parallel()

	fresh := newTables(t)
	write(t, fresh)
	today := dump(t, fresh)
	file := func(format int) string { return filepath.Join("testdata", fmt.Sprintf("format-%d.json", format)) }
	_, err := os.Stat(file(dynamo.Format))
	if errors.Is(err, os.ErrNotExist) && *update {
		raw, err := json.MarshalIndent(today, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile(file(dynamo.Format), append(raw, '\n'), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	want := read(t, fresh)
	for format := 1; format <= dynamo.Format; format++ {
		raw, err := os.ReadFile(file(format))
		if err != nil {
			t.Fatalf("%v: run this test once with -update before anything else is written in a new format", err)
		}
		var sample map[string][]stored
		err = json.Unmarshal(raw, &sample)
		if err != nil {
			t.Fatal(err)
		}
		old := newTables(t)
		for name, table := range old.byName() {
			for _, s := range sample[name] {
				_, err = table.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table.Name, Item: s.item(t)})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if diff := gocmp.Diff(plain(t, want), plain(t, read(t, old))); diff != "" {
			t.Errorf("what was written in format %d is read as something else (-today +then):\n%s", format, diff)
		}
		if format == dynamo.Format {
			for _, missing := range lacks(t, sample, today) {
				t.Errorf("a version that reads format %d does not find %s", format, missing)
			}
		}
	}
}

// plain is a value as JSON has it, readable in a difference.
func plain(t *testing.T, v any) any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	err = json.Unmarshal(raw, &out)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// lacks are the items, attributes and members of JSON that then has and now has not, or
// has of another type.
func lacks(t *testing.T, then, now map[string][]stored) (missing []string) {
	t.Helper()
	for _, table := range slices.Sorted(maps.Keys(then)) {
		there := map[string]stored{}
		for _, it := range now[table] {
			there[it.key()] = it
		}
		for _, it := range then[table] {
			is, found := there[it.key()]
			if !found {
				missing = append(missing, table+": the item "+it.key())
				continue
			}
			for name, v := range it {
				for kind, value := range v {
					got, has := is[name][kind]
					if !has {
						missing = append(missing, fmt.Sprintf("%s: %s of the item %s", table, name, it.key()))
						continue
					}
					then, now := document(t, kind, value), document(t, kind, got)
					missing = append(missing, membersLacking(t, it.key()+" "+name, then, now)...)
				}
			}
		}
	}
	return missing
}

// document is the JSON of an attribute, packed or not; nil where it has none.
func document(t *testing.T, kind, value string) (v any) {
	t.Helper()
	raw := []byte(value)
	if kind == "B" {
		packed, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			t.Fatal(err)
		}
		zip, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil // an event's detail: with a dictionary of its own, which reading it tells
		}
		raw, err = io.ReadAll(zip)
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.HasPrefix(raw, []byte("{")) && !bytes.HasPrefix(raw, []byte("[")) {
		return nil
	}
	err := json.NewDecoder(bytes.NewReader(raw)).Decode(&v)
	if err != nil {
		return nil
	}
	return v
}

func membersLacking(t *testing.T, at string, then, now any) (missing []string) {
	t.Helper()
	if fmt.Sprintf("%T", then) != fmt.Sprintf("%T", now) {
		return []string{fmt.Sprintf("%s: a %T, which is a %T", at, then, now)}
	}
	switch then := then.(type) {
	case map[string]any:
		for name, v := range then {
			got, has := now.(map[string]any)[name]
			if !has {
				missing = append(missing, at+"."+name)
				continue
			}
			missing = append(missing, membersLacking(t, at+"."+name, v, got)...)
		}
	case []any:
		for i, v := range then {
			if i >= len(now.([]any)) {
				return append(missing, fmt.Sprintf("%s[%d]", at, i))
			}
			missing = append(missing, membersLacking(t, fmt.Sprintf("%s[%d]", at, i), v, now.([]any)[i])...)
		}
	}
	return missing
}
