package deployment_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"hotsync/local/checkout"
	"hotsync/local/stack"
	"hotsync/local/stack/engines/enginetest"
	"hotsync/local/stack/meter"
	"hotsync/local/stack/stacktest"
	"hotsync/local/stack/template"
	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
	"hotsync/shared/syncqueue"
)

// auditor stands before the engines and writes down which function calls what,
// in the words of IAM.
type auditor struct {
	tmpl  *template.Template
	mu    sync.Mutex
	calls map[string]int // "function action resource"

	refuse atomic.Bool // SQS takes no messages
}

var appID = regexp.MustCompile(`app/(\w+)`)

func (a *auditor) proxy(t *testing.T, engine string) string {
	t.Helper()
	return enginetest.Before(t, engine, func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		a.note(r, body)
		refused := a.refuse.Load() && strings.Contains(r.Header.Get("X-Amz-Target"), "SendMessage")
		if refused {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return refused
	})
}

// note writes a call down.
func (a *auditor) note(r *http.Request, body []byte) {
	function := "?"
	if m := appID.FindStringSubmatch(r.UserAgent()); m != nil {
		function = m[1]
	}
	var in struct {
		TableName, IndexName, QueueUrl string
		RequestItems                   map[string]any
	}
	if json.Unmarshal(body, &in) != nil {
		in.TableName = "?"
	}
	service, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	a.mu.Lock()
	defer a.mu.Unlock()
	if service == "AmazonSQS" {
		// A batch needs the permission of the single call:
		// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
		a.calls[fmt.Sprintf("%s sqs:%s %s", function, strings.TrimSuffix(operation, "Batch"), a.queue(in.QueueUrl))]++
		return
	}
	tables := slices.Collect(maps.Keys(in.RequestItems))
	if in.TableName != "" {
		tables = append(tables, in.TableName)
	}
	for _, name := range tables {
		resource := a.table(name)
		if in.IndexName != "" {
			resource += "/index/" + in.IndexName
		}
		a.calls[fmt.Sprintf("%s dynamodb:%s %s", function, operation, resource)]++
	}
}

func (a *auditor) table(name string) string {
	for _, t := range a.tmpl.Tables {
		if t.Name == name {
			return "${" + t.LogicalID + ".Arn}"
		}
	}
	return "?" + name
}

func (a *auditor) queue(address string) string {
	for _, q := range a.tmpl.Queues {
		if q.Name == path.Base(address) {
			return "${" + q.LogicalID + ".Arn}"
		}
	}
	return "?" + address
}

// taken returns the calls so far and forgets them.
func (a *auditor) taken() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	calls := a.calls
	a.calls = map[string]int{}
	return calls
}

// audited is a system whose functions' calls are written down.
func audited(t *testing.T) (*stacktest.System, *auditor) {
	t.Helper()
	engines := enginetest.Start(t)
	a := &auditor{calls: map[string]int{}}
	s := stacktest.Start(t,
		stack.Options{Engines: engines, Name: fmt.Sprintf("audit%d", time.Now().UnixNano()), Personas: true,
			Env: []string{"AWS_ENDPOINT_URL_DYNAMODB=" + a.proxy(t, engines.DynamoDBEndpoint),
				"AWS_ENDPOINT_URL_SQS=" + a.proxy(t, engines.SQSEndpoint)},
			Adjust: func(tmpl *template.Template) {
				a.tmpl = tmpl
				for _, f := range tmpl.Functions {
					f.Environment["AWS_SDK_UA_APP_ID"] = f.LogicalID
				}
			}})
	return s, a
}

// unseen are permissions that no call of this test needs, and why they are there.
var unseen = map[string]string{
	"sqs:ReceiveMessage": "Lambda's poller", "sqs:DeleteMessage": "Lambda's poller",
	"SyncFunction sqs:GetQueueAttributes":            "Lambda's poller",
	"DeadLetterFunction sqs:GetQueueAttributes":      "Lambda's poller",
	"DeadLetterFunction sqs:ChangeMessageVisibility": "only when an event cannot be written",
	"LoginFunction dynamodb:BatchGetItem":            "only when an event could not be queued",
	"SyncFunction dynamodb:DeleteItem":               "an open failure that a success settles",
	"LoginApiFunction dynamodb:UpdateItem":           "the count of an event that could not be queued",
	"CalloutFunction dynamodb:GetItem":               "only when the event exists already",
	"LoginFunction dynamodb:GetItem": "only when the event exists already; this test " +
		"meets it by POST /login",
	"LoginFunction dynamodb:UpdateItem": "only when a login led to nothing; this test meets " +
		"it by POST /login",
	"BackfillFunction sqs:GetQueueAttributes ${BackfillQueue.Arn}": "Lambda's poller",
	"BackfillFunction sqs:ChangeMessageVisibility":                 "only when a login or an outage is in the way",
	"BackfillFunction dynamodb:BatchWriteItem": "only when an account has names that nobody has " +
		"written",
}

// TestFunctionsStayWithinTheirRoles runs every front door, success and failure
// on the local stack, and compares what the functions call with what their roles
// allow: nothing more is called, and nothing is allowed that nobody calls.
func TestFunctionsStayWithinTheirRoles(t *testing.T) {
	t.Parallel()

	s, a := audited(t)
	exercise(t, s, a)
	seen := a.taken()

	_, tmpl := load(t)
	allowed := map[string]bool{}
	for _, f := range tmpl.Of(typeFunction) {
		statements, err := tmpl.Statements(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range statements {
			for _, action := range st.Actions {
				for _, r := range st.Resources {
					if strings.HasPrefix(action, "sqs:") || strings.HasPrefix(action, "dynamodb:") {
						allowed[fmt.Sprintf("%s %s %s", f.ID, action, r)] = true
					}
				}
			}
		}
	}
	for call, n := range seen {
		if !allowed[call] {
			t.Errorf("called %d times without permission: %s", n, call)
		}
	}
	for permission := range allowed {
		words := strings.Fields(permission)
		if seen[permission] == 0 && unseen[words[1]] == "" && unseen[words[0]+" "+words[1]] == "" &&
			unseen[permission] == "" {
			t.Errorf("allowed, but nobody does it: %s", permission)
		}
	}
}

// exercise makes the system do everything it does.
func exercise(t *testing.T, s *stacktest.System, a *auditor) {
	t.Helper()
	root, err := checkout.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"several", "lookup", "ambiguous"} {
		s.Sync(s.PersonaToken(p))
	}
	for _, name := range []string{"cognito-post-authentication", "callout-signed"} {
		raw, err := os.ReadFile(filepath.Join(root, "events", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		function := map[bool]string{true: "LoginFunction", false: "CalloutFunction"}[strings.HasPrefix(name, "cognito")]
		if got := s.Invoke(function, json.RawMessage(raw)); got.Status != http.StatusOK {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	s.Idle()

	// One failure that is tried again, and one for good.
	s.Behave(s.LimioURL, map[string]any{"faults": []map[string]any{{"match": "GET /**", "status": 503, "times": 1}}})
	failed := s.Sync(s.Token("direct", map[string]any{"sub": "x", "zuora_account_ids": "A00009999"}))[0]
	s.Sync(s.PersonaToken("wallet"))
	a.refuse.Store(true) // the queue takes nothing, so front door and console record the failure themselves
	if got := s.Do(http.MethodPost, s.URL+"/login", s.PersonaToken("single"),
		nil); got.Status != http.StatusServiceUnavailable {
		t.Errorf("a login that could not be queued: %d %s", got.Status, got.Body)
	}
	if got := s.Do(http.MethodPost, s.URL+"/api/sync", s.PersonaToken("operator"),
		map[string]any{"account": "A00000101", "note": "test"}); got.Status < 500 {
		t.Errorf("a sync that could not be queued: %d %s", got.Status, got.Body)
	}
	a.refuse.Store(false)

	dead, ok := s.Template.Queue("SyncDeadLetterQueue")
	if !ok {
		t.Fatal("no dead-letter queue")
	}
	for i, sentOn := range []int{0, 3} {
		id := hotsync.EventIDFor(time.Now(), "dead", fmt.Sprint(i))
		body, err := syncqueue.Encode(hotsync.SyncRequest{EventID: id, Trigger: hotsync.TriggerLogin,
			Identity: hotsync.Identity{Issuer: "i", Subject: "s"},
			Account:  "A00000101", RequestedAt: time.Now(), SentOn: sentOn, Requeued: sentOn})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Engines.SQS().SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &dead.URL, MessageBody: &body,
			MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String(id)})
		if err != nil {
			t.Fatal(err)
		}
		s.Await(id)
	}
	inTheSecondLane(t, s)
	console(t, s, failed)
}

// inTheSecondLane has jobs of every kind advanced, one of which waits for Limio, and a
// dead letter of the lane sent on.
func inTheSecondLane(t *testing.T, s *stacktest.System) {
	t.Helper()
	table := ""
	for _, tb := range s.Template.Tables {
		if tb.LogicalID == "EventsTable" {
			table = tb.Name
		}
	}
	store := jobs.Table{Table: dynamo.Table{Client: s.Engines.DynamoDB(), Name: table}, Retention: time.Hour}
	begin := func(r jobs.Request) jobs.Job {
		t.Helper()
		j, err := jobs.New(r, time.Now(), rand.Read)
		if err != nil {
			t.Fatal(err)
		}
		j, err = store.SaveJob(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	s.Behave(s.LimioURL, map[string]any{"faults": []map[string]any{{"match": "GET /**", "status": 503, "times": 1}}})
	running := []jobs.Job{
		begin(jobs.Request{Kind: jobs.Backfill, Source: jobs.Source{ZOQL: "AccountNumber = 'A00001001'"}}),
		begin(jobs.Request{Kind: jobs.Retry,
			Source: jobs.Source{Events: &eventstore.Query{Statuses: []hotsync.Status{hotsync.StatusFailed}}}}),
		begin(jobs.Request{Kind: jobs.Retry, Source: jobs.Source{Events: &eventstore.Query{Account: "A00009999"}}}),
		begin(jobs.Request{Kind: jobs.Retry, Source: jobs.Source{Events: &eventstore.Query{Subject: "x"}}}),
	}
	dead, ok := s.Template.Queue("SyncDeadLetterQueue")
	if !ok {
		t.Fatal("no dead-letter queue")
	}
	id := hotsync.EventIDFor(time.Now(), "dead", "job")
	body, err := syncqueue.Encode(hotsync.SyncRequest{EventID: id, Trigger: hotsync.TriggerBackfill, Account: "A00000501",
		RequestedAt: time.Now(), Job: "job-1"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Engines.SQS().SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &dead.URL, MessageBody: &body,
		MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String(id)})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Invoke("ReconcileFunction", map[string]bool{"reconcile": true}); got.Status != http.StatusOK {
		t.Errorf("reconcile: %d %s", got.Status, got.Body)
	}
	s.Await(id)
	for _, j := range running {
		j, err := store.Job(t.Context(), j.ID)
		if err != nil || j.Status != jobs.Done {
			t.Errorf("job of %+v is %s: %v", j.Source, j.Status, err)
		}
	}
	if last, ok, err := jobs.LastReconcile(t.Context(), store); err != nil || !ok || last.Total == 0 {
		t.Errorf("the last reconcile run is %+v, %t, %v", last, ok, err)
	}
}

func console(t *testing.T, s *stacktest.System, failed hotsync.Event) {
	t.Helper()
	admin := s.PersonaToken("admin")
	get := func(address string) stacktest.Answer {
		t.Helper()
		a := s.Do(http.MethodGet, s.URL+address, admin, nil)
		if a.Status != http.StatusOK {
			t.Errorf("GET %s: %d %s", address, a.Status, a.Body)
		}
		return a
	}
	for _, address := range []string{"/api/events", "/api/events?status=failed", "/api/events?q=A00000201",
		"/api/events?q=claire.dubois@example.com",
		"/api/events?subject=direct%7Cclaire", "/api/events/" + failed.ID, "/api/queue"} {
		get(address)
	}
	for address, body := range map[string]any{"/api/events/" + failed.ID + "/retry": nil,
		"/api/sync":    map[string]any{"account": "A00000101", "note": "test"},
		"/api/dry-run": map[string]any{"account": "A00000101"}} {
		if a := s.Do(http.MethodPost, s.URL+address, admin, body); a.Status >= 300 {
			t.Errorf("POST %s: %d %s", address, a.Status, a.Body)
		}
	}
	var settings struct{ Settings hotsync.Settings }
	get("/api/settings").Decode(t, &settings)
	settings.Settings.RecordUnmatched = true
	if a := s.Do(http.MethodPut, s.URL+"/api/settings", admin, settings.Settings); a.Status >= 300 {
		t.Errorf("PUT /api/settings: %d %s", a.Status, a.Body)
	}
	s.Idle()
	pages(t, s)
}

// pages signs an administrator in, looks at every page and erases a person.
func pages(t *testing.T, s *stacktest.System) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	visit := func(res *http.Response, err error) *url.URL {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %v %.300s", res.Request.URL, res.StatusCode, err, body)
		}
		return res.Request.URL
	}
	signIn := visit(browser.Get(s.URL + "/signin/start"))
	visit(browser.PostForm(signIn.String(), url.Values{"persona": {"admin"}}))
	for _, address := range []string{
		"/", "/events", "/events?reason=claim_missing", "/settings", "/settings/history", "/audit", "/erase",
	} {
		visit(browser.Get(s.URL + address))
	}
	visit(browser.PostForm(s.URL+"/erase",
		url.Values{"issuer": {s.IDPURL + "/direct"}, "subject": {"direct|claire"}, "note": {"test"}, "sure": {"on"}}))
}

// TestCallsOfALogin holds the numbers of docs/costs.md to what is called: by kind, what is
// written, and how many calls of the sync wait for each other.
func TestCallsOfALogin(t *testing.T) {
	t.Parallel()

	engines := enginetest.Start(t)
	m := &meter.Meter{Pace: 200 * time.Millisecond}
	before := func(engine string) string {
		server, err := m.Before(engine)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Close)
		return server.URL
	}
	s := stacktest.Start(t,
		stack.Options{Engines: engines, Name: fmt.Sprintf("calls%d", time.Now().UnixNano()), Personas: true,
			Env: []string{"AWS_ENDPOINT_URL_DYNAMODB=" + before(engines.DynamoDBEndpoint),
				"AWS_ENDPOINT_URL_SQS=" + before(engines.SQSEndpoint)},
			Adjust: func(tmpl *template.Template) { m.Functions(tmpl) }})
	s.Sync(s.PersonaToken("bare")) // the functions are warm, the settings cached
	s.Idle()
	for _, tc := range []struct {
		login    string
		personas []string // of one subscription each
		calls    map[string]int
		units    int
		sequence int // of the sync's calls
	}{
		{
			login:    "first",
			personas: []string{"single", "bank", "credited"},
			calls: map[string]int{"LoginApi PutItem": 1, "LoginApi SendMessage": 1, "Sync BatchGetItem": 1,
				"Sync BatchWriteItem": 1,
				"Sync GetItem":        6, "Sync PutItem": 6, "Sync UpdateItem": 2},
			units:    23,
			sequence: 7,
		},
		{
			login:    "unchanged",
			personas: []string{"single", "single", "single"},
			calls: map[string]int{"LoginApi PutItem": 1, "LoginApi SendMessage": 1, "Sync BatchGetItem": 1,
				"Sync GetItem": 3, "Sync PutItem": 2, "Sync UpdateItem": 1},
			units:    9,
			sequence: 3,
		},
	} {
		// A busy computer only adds to what a login takes: calls beside each other come
		// one after the other, and a slow sync is shown as under way. So one in three will do.
		var wrong []string
		for _, persona := range tc.personas {
			m.Taken()
			s.Sync(s.PersonaToken(persona))
			s.Idle()
			calls := map[string]int{}
			var all, sync []meter.Call
			for _, c := range m.Taken() {
				function := strings.TrimSuffix(c.Function, "Function")
				if function != "LoginApi" && function != "Sync" || c.ByTime() {
					continue
				}
				calls[function+" "+c.Operation]++
				all = append(all, c)
				if function == "Sync" && c.Service == "dynamodb" {
					sync = append(sync, c)
				}
			}
			wrong = nil
			if diff := cmp.Diff(tc.calls, calls); diff != "" {
				wrong = append(wrong, fmt.Sprintf("calls; see docs/costs.md (-want +got):\n%s", diff))
			}
			if units := meter.Units(all); units > tc.units {
				wrong = append(wrong, fmt.Sprintf("%d write units, want %d at most", units, tc.units))
			}
			if chain := meter.InSequence(sync); len(chain) > tc.sequence {
				wrong = append(wrong, fmt.Sprintf(
					"%d calls one after the other, want %d at most: %+v", len(chain), tc.sequence, chain))
			}
			if wrong == nil {
				break
			}
		}
		for _, what := range wrong {
			t.Errorf("%s login: %s", tc.login, what)
		}
	}
}
