package deployment_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hotsync/local/deployment"
	"hotsync/local/stack"
	"hotsync/local/stack/engines/enginetest"
	"hotsync/local/stack/lambdahost"
	"hotsync/local/stack/stacktest"
	"hotsync/local/stack/template"
	"hotsync/shared/callout"
	"hotsync/shared/hotsync"
	"hotsync/shared/syncqueue"
	"hotsync/shared/telemetry"
)

// cloudWatch stands in for CloudWatch: it takes the functions' log lines and
// finds the metrics in them, as CloudWatch Logs does.
type cloudWatch struct {
	mu     sync.Mutex
	values map[string][]float64 // by dimension, its value and metric
	lines  []string
}

func (c *cloudWatch) Write(line []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, text, _ := strings.Cut(string(line), " | ")
	var doc map[string]json.RawMessage
	if !strings.Contains(text, `"_aws"`) || json.Unmarshal([]byte(text), &doc) != nil {
		return len(line), nil
	}
	var meta struct {
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name string }
		}
	}
	err := json.Unmarshal(doc["_aws"], &meta)
	if err != nil {
		return 0, err
	}
	for _, m := range meta.CloudWatchMetrics[0].Metrics {
		var one float64
		var many []float64
		if json.Unmarshal(doc[m.Name], &one) == nil {
			many = []float64{one}
		} else if err := json.Unmarshal(doc[m.Name], &many); err != nil {
			return 0, err
		}
		for _, set := range meta.CloudWatchMetrics[0].Dimensions {
			if len(set) != 1 {
				continue // no alarm watches those
			}
			var of string
			err := json.Unmarshal(doc[set[0]], &of)
			if err != nil {
				return 0, err
			}
			key := set[0] + " " + of + " " + m.Name
			c.values[key] = append(c.values[key], many...)
		}
	}
	c.lines = append(c.lines, text)
	return len(line), nil
}

// stat computes a statistic over everything so far.
func (c *cloudWatch) stat(dimension, of, metric, stat string) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.values[dimension+" "+of+" "+metric]
	if len(v) == 0 {
		return 0
	}
	switch stat {
	case "Sum":
		sum := 0.0
		for _, x := range v {
			sum += x
		}
		return sum
	default: // p99 and Maximum, which are the same for so few values
		return slices.Max(v)
	}
}

// slowProxy passes requests on to an engine, late when told to.
func slowProxy(t *testing.T, engine string, delay *atomic.Int64) string {
	t.Helper()
	return enginetest.Before(t, engine, func(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
		select {
		case <-time.After(time.Duration(delay.Load())):
			return false
		case <-r.Context().Done():
			return true // nobody waits for an answer
		}
	})
}

// throttlingProxy passes calls on to DynamoDB, but for those of a table that it refuses as
// DynamoDB does when a partition has no capacity left.
func throttlingProxy(t *testing.T, engine string, table *atomic.Pointer[string]) string {
	t.Helper()
	const answer = `{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException",` +
		`"message":"Throughput exceeds the current capacity of your table or index."}`
	return enginetest.Before(t, engine, func(w http.ResponseWriter, _ *http.Request, body []byte) bool {
		name := table.Load()
		refused := name != nil && *name != "" && bytes.Contains(body, []byte(*name))
		if refused {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, answer)
		}
		return refused
	})
}

// rehearsal is a stack whose alarms are provoked.
type rehearsal struct {
	*stacktest.System
	t      *testing.T
	watch  *cloudWatch
	delay  *atomic.Int64 // of SQS, in nanoseconds
	alarms map[string]deployment.Alarm

	throttled *atomic.Pointer[string] // name of the table that DynamoDB refuses calls of
}

// measured is what an alarm compares with its threshold: the sum of its measures.
func (r *rehearsal) measured(a deployment.Alarm) float64 {
	total := 0.0
	for _, m := range a.Measures {
		if m.Namespace == telemetry.Namespace {
			of := "alarms" // the name of the stack
			if m.Dimension == telemetry.Dimension {
				of = r.function(m.Value)
			}
			total += r.watch.stat(m.Dimension, of, m.Name, m.Stat)
		}
	}
	return total
}

// function is the name of a function that the template refers to.
func (r *rehearsal) function(ref string) string {
	for _, f := range r.Template.Functions {
		if "${"+f.LogicalID+"}" == ref {
			return f.Name
		}
	}
	r.t.Fatalf("no function %s", ref)
	return ""
}

// login signs somebody in whose claim names those accounts.
func (r *rehearsal) login(accounts ...string) stacktest.Admission {
	return r.Login(r.Token("direct",
		map[string]any{"sub": "direct|" + strings.Join(accounts, "-"), "zuora_account_ids": accounts}))
}

// crosses waits until the alarm's measure has reached its threshold.
func (r *rehearsal) crosses(page string) {
	r.t.Helper()
	a, ok := r.alarms[page]
	if !ok {
		r.t.Fatalf("no alarm %s", page)
	}
	r.Until("the alarm "+page+" to be raised", func() bool { return r.measured(a) >= a.Threshold },
		func() string { return fmt.Sprintf("measured %g, threshold %g", r.measured(a), a.Threshold) })
	r.t.Logf("%s: measured %g, threshold %g", page, r.measured(a), a.Threshold)
}

func newRehearsal(t *testing.T) *rehearsal {
	t.Helper()
	_, tmpl := load(t)
	alarms, err := tmpl.Alarms()
	if err != nil {
		t.Fatal(err)
	}
	engines := enginetest.Start(t)
	r := &rehearsal{t: t, watch: &cloudWatch{values: map[string][]float64{}}, delay: new(atomic.Int64),
		alarms:    map[string]deployment.Alarm{},
		throttled: new(atomic.Pointer[string])}
	for _, a := range alarms {
		r.alarms[a.Page()] = a
	}
	r.System = stacktest.Start(t, stack.Options{Engines: engines, Name: "alarms", Personas: true, Logs: r.watch,
		Env: []string{"AWS_ENDPOINT_URL_SQS=" + slowProxy(t, engines.SQSEndpoint, r.delay),
			"AWS_ENDPOINT_URL_DYNAMODB=" + throttlingProxy(t, engines.DynamoDBEndpoint, r.throttled)},
		Adjust: func(tmpl *template.Template) {
			// It goes on until ten seconds before its time is over, whatever it meets, and tells
			// what it met then.
			for i, f := range tmpl.Functions {
				if f.LogicalID == "ReconcileFunction" {
					tmpl.Functions[i].Timeout = 13 * time.Second
				}
			}
		}})
	return r
}

// TestAlarmsRing provokes what each alarm is for on a running system and shows
// that the numbers its functions write reach the alarm's threshold. Numbers that
// AWS itself keeps (age and depth of a queue, failed calls) are taken as AWS
// defines them.
func TestAlarmsRing(t *testing.T) {
	t.Parallel()

	r := newRehearsal(t)
	done := map[string]bool{}
	provoke := func(page string, condition func(t *testing.T)) {
		done[page] = true
		t.Run(page, func(t *testing.T) {
			r.t = t
			condition(t)
		})
	}
	all := map[string]any{"faults": []map[string]any{{"match": "* /**", "status": 503, "body": "down"}}}
	none := map[string]any{"faults": []map[string]any{}}

	provoke("failing-syncs", func(t *testing.T) {
		r.login("A00009991", "A00009992", "A00009993", "A00009994", "A00009995") // accounts that Zuora does not know
		r.crosses("failing-syncs")
	})
	provoke("login-latency", func(t *testing.T) {
		r.delay.Store(int64(1200 * time.Millisecond))
		defer r.delay.Store(0)
		raw, err := json.Marshal(map[string]any{"triggerSource": "PostAuthentication_Authentication", "region": "eu-west-1",
			"userPoolId": "eu-west-1_EXAMPLE",
			"request":    map[string]any{"userAttributes": map[string]any{"sub": "s", "custom:zuora_accounts": "A00000101"}}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // a login that was given up is counted with the next one
			if a := r.Invoke("LoginFunction", json.RawMessage(raw)); a.Status != http.StatusOK ||
				!bytes.Contains(a.Body, []byte("PostAuthentication")) {
				t.Errorf("the login was hurt: %d %s", a.Status, a.Body)
			}
		}
		r.crosses("login-latency")
	})
	provoke("limio-failing", func(t *testing.T) {
		r.Behave(r.LimioURL, all)
		defer r.Behave(r.LimioURL, none)
		for _, p := range []string{"single", "several", "salesforce", "mixed", "wallet", "bare"} {
			r.Login(r.PersonaToken(p))
		}
		r.crosses("limio-failing")
	})
	provoke("zuora-paused", func(t *testing.T) {
		r.Behave(r.ZuoraURL, all)
		defer r.Behave(r.ZuoraURL, none)
		r.Login(r.PersonaToken("sixty"))
		r.Login(r.PersonaToken("lookup"))
		r.crosses("zuora-paused")
	})
	provoke("limio-paused", func(t *testing.T) {
		r.Behave(r.LimioURL, all)
		defer r.Behave(r.LimioURL, none)
		r.Login(r.PersonaToken("sixty"))
		r.crosses("limio-paused")
	})
	provoke("not-queued", func(t *testing.T) {
		r.delay.Store(int64(3 * time.Second))
		defer r.delay.Store(0)
		raw := json.RawMessage(
			`{"triggerSource": "PostAuthentication_Authentication", "region": "eu-west-1", "userPoolId": "eu-west-1_EXAMPLE",
			"request": {"userAttributes": {"sub": "s", "custom:zuora_accounts": "A00000101,A00000102,A00000103"}}}`)
		for range 6 {
			r.Invoke("LoginFunction", raw)
		}
		r.crosses("not-queued")
	})
	provoke("not-queued-by-api", func(t *testing.T) {
		r.delay.Store(int64(3 * time.Second))
		defer r.delay.Store(0)
		for n := range 6 {
			token := r.Token("direct", map[string]any{"sub": fmt.Sprint("direct|", n),
				"zuora_account_ids": []string{"A00000101", "A00000102", "A00000103"}})
			if a := r.Do(http.MethodPost, r.URL+"/login", token, nil); a.Status < 500 {
				t.Errorf("POST /login without a queue: %d %s", a.Status, a.Body)
			}
		}
		r.crosses("not-queued-by-api")
	})
	// Each copy of a message begins a new age in SQS; the request's own goes on.
	provoke("waiting-login", func(t *testing.T) {
		at := time.Now().Add(-10 * time.Minute)
		r.Send(hotsync.SyncRequest{EventID: hotsync.NewEventID(at,
			func(b []byte) (int, error) { return copy(b, "waiting"), nil }),
			Trigger: hotsync.TriggerLogin, Account: "A00000101", Requeued: 7, RequestedAt: at})
		r.crosses("waiting-login")
	})
	provoke("oldest-login", func(t *testing.T) { r.oldestLogin(all, none) })
	// Of what AWS itself counts, that it is what AWS counts: by its names.
	for page, want := range map[string]deployment.Measure{
		"dead-letters-waiting": {Namespace: "AWS/SQS", Name: "ApproximateNumberOfMessagesVisible", Stat: "Maximum",
			Dimension: "QueueName", Value: "${SyncDeadLetterQueue.QueueName}"},
		"login-throttled": {Namespace: "AWS/Lambda", Name: "Throttles", Stat: "Sum", Dimension: "FunctionName",
			Value: "${LoginFunction}"},
		"callout-errors": {Namespace: "AWS/Lambda", Name: "Errors", Stat: "Sum", Dimension: "FunctionName",
			Value: "${AWS::StackName}-callout"},
		"console-errors": {Namespace: "AWS/Lambda", Name: "Errors", Stat: "Sum", Dimension: "FunctionName",
			Value: "${ConsoleFunction}"},
		"api-errors": {Namespace: "AWS/ApiGateway", Name: "5xx", Stat: "Sum", Dimension: "ApiId",
			Value: "${HttpApi}"},
		"api-throttled": {Namespace: "Hotsync/${AWS::StackName}", Name: "ApiThrottled", Stat: "Sum"},
		"second-lane-throttled": {Namespace: "AWS/Lambda", Name: "Throttles", Stat: "Sum", Dimension: "FunctionName",
			Value: "${ReconcileFunction}"},
		"second-lane-syncs-throttled": {Namespace: "AWS/Lambda", Name: "Throttles", Stat: "Sum", Dimension: "FunctionName",
			Value: "${BackfillFunction}"},
	} {
		provoke(page, func(t *testing.T) {
			if got := r.alarms[page].Measures; len(got) != 1 || got[0] != want {
				t.Errorf("the alarm watches %+v, want %+v", got, want)
			}
		})
	}
	provoke("dead-letters", func(t *testing.T) { r.deadLetter() })
	provoke("login-errors", func(t *testing.T) { r.loginErrors() })
	provoke("second-lane", func(*testing.T) {
		r.failing("second-lane", "EVENTS_TABLE", "ReconcileFunction", `{}`, `{"reconcile":true}`, `{}`)
	})
	provoke("second-lane-syncs", func(*testing.T) {
		r.failing("second-lane-syncs", "EVENTS_TABLE", "BackfillFunction", `{"Records":[]}`, `{"Records":[]}`,
			`{"Records":[]}`)
	})
	provoke("throttled-table", func(*testing.T) {
		// Reads and writes of what is known of owners: not the table of events.
		name := ""
		for _, table := range r.Template.Tables {
			if table.LogicalID == "OwnershipTable" {
				name = table.Name
			}
		}
		r.throttled.Store(&name)
		event := r.login("A00000101").Queued[0].Event
		r.crosses("throttled-table")
		none := ""
		r.throttled.Store(&none)
		if e := r.Await(event); e.Status != hotsync.StatusSucceeded {
			t.Errorf("the login ended as %s %s", e.Status, e.Reason)
		}
		r.everyFunctionCounts()
	})

	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	for _, line := range r.watch.lines {
		if strings.ContainsAny(line, "@|") || strings.Contains(line, "A0000") {
			t.Errorf("a metric line names a person or an account: %s", line)
		}
	}
	for page := range r.alarms {
		if !done[page] {
			t.Errorf("the alarm %s was not provoked", page)
		}
	}
}

// everyFunctionCounts has DynamoDB refuse the table of events to one function after the other,
// and shows that what each meets is added to what the alarm watches.
func (r *rehearsal) everyFunctionCounts() {
	events := ""
	for _, table := range r.Template.Tables {
		if table.LogicalID == "EventsTable" {
			events = table.Name
		}
	}
	a, staff := r.alarms["throttled-table"], r.PersonaToken("viewer")
	n := 0
	for function, call := range map[string]func(){
		"ConsoleFunction":   func() { r.Do(http.MethodGet, r.URL+"/api/events", staff, nil) },
		"ReconcileFunction": func() { r.Invoke("ReconcileFunction", json.RawMessage(`{}`)) },
		"LoginApiFunction": func() {
			n++
			r.Login(r.Token("direct", map[string]any{"sub": fmt.Sprint("direct|refused", n), "zuora_account_ids": "A00000101"}))
		},
		"CalloutFunction": func() {
			n++
			r.callout(fmt.Sprintf(`{"accountNumber": "A00000101", "notificationId": "%d"}`, n))
		},
	} {
		of := func() float64 {
			return r.watch.stat(telemetry.Dimension, r.function("${"+function+"}"), string(telemetry.StoreThrottled), "Sum")
		}
		before, all := of(), r.measured(a)
		r.throttled.Store(&events)
		// What is still under way at the end of a call is told with the next one.
		r.Until("what "+function+" met to be counted", func() bool { call(); return of() > before && r.measured(a) > all },
			func() string { return fmt.Sprintf("%g by it, %g of all", of()-before, r.measured(a)-all) })
		none := ""
		r.throttled.Store(&none)
	}
}

// callout is one that Zuora sends, signed with the key of the local stack.
func (r *rehearsal) callout(body string) {
	mac := hmac.New(sha256.New, []byte("local-callout-key"))
	mac.Write([]byte(body))
	address := r.URL + "/callouts/zuora"
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set(callout.SignatureHeader, hex.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	err = res.Body.Close()
	if err != nil || res.StatusCode >= http.StatusInternalServerError {
		r.t.Fatalf("POST /callouts/zuora: %d %v", res.StatusCode, err)
	}
}

// oldestLogin keeps a message waiting. AWS counts the age from the sending of
// the oldest message that was not deleted; here that is a login whose event is
// not final. The threshold is lowered to what a test can wait for.
func (r *rehearsal) oldestLogin(all, none map[string]any) {
	const threshold = 2 * time.Second
	a := r.alarms["oldest-login"]
	if m := a.Measures[0]; m.Namespace != "AWS/SQS" || m.Name != "ApproximateAgeOfOldestMessage" ||
		m.Value != "${SyncQueue.QueueName}" {
		r.t.Errorf("the alarm watches %+v", m)
	}
	r.Behave(r.ZuoraURL, all)
	defer r.Behave(r.ZuoraURL, none)
	sent := time.Now()
	event := r.Login(r.PersonaToken("single")).Queued[0].Event
	var age time.Duration
	r.Until("the login to have waited", func() bool {
		e, ok := r.Event(event)
		if !ok || e.Status.Final() {
			r.t.Fatalf("the login did not wait: %+v", e)
		}
		age = time.Since(sent)
		return age >= threshold
	}, nil)
	r.t.Logf("oldest-login: age %s, threshold lowered to %s from %g s", age.Round(time.Millisecond), threshold,
		a.Threshold)
}

// deadLetter puts a message where SQS puts what it gave up on, for the last time.
func (r *rehearsal) deadLetter() {
	id := hotsync.NewEventID(time.Now(), func(b []byte) (int, error) { return copy(b, "deadletter"), nil })
	body, err := syncqueue.Encode(hotsync.SyncRequest{EventID: id, Trigger: hotsync.TriggerLogin, Account: "A00000101",
		RequestedAt: time.Now(), SentOn: 3, Requeued: 3}) // sent on before, as often as a letter is
	if err != nil {
		r.t.Fatal(err)
	}
	q, ok := r.Template.Queue("SyncDeadLetterQueue")
	if !ok {
		r.t.Fatal("no dead-letter queue")
	}
	_, err = r.Engines.SQS().SendMessage(r.t.Context(), &sqs.SendMessageInput{QueueUrl: &q.URL, MessageBody: &body,
		MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String(id)})
	if err != nil {
		r.t.Fatal(err)
	}
	r.crosses("dead-letters")
	if e := r.Await(id); e.Status != hotsync.StatusFailed || e.Reason != string(hotsync.CodeGaveUp) {
		r.t.Errorf("the dead letter became %s %s, want a failed event", e.Status, e.Reason)
	}
	r.Until("the dead-letter queue to be empty", func() bool {
		out, err := r.Engines.SQS().GetQueueAttributes(r.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &q.URL,
			AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages}})
		return err == nil && out.Attributes["ApproximateNumberOfMessages"] == "0"
	}, nil)
}

// loginErrors runs the login function without its queue: it stops at init, which
// AWS counts as a failed call.
func (r *rehearsal) loginErrors() {
	r.failing("login-errors", "QUEUE_URL", "LoginFunction", `{"triggerSource":"PostAuthentication_Authentication"}`)
}

// failing calls a function that lacks a variable, which is to raise the alarm.
func (r *rehearsal) failing(page, variable, function string, events ...string) {
	a := r.alarms[page]
	broken := *r.Template
	broken.Functions = slices.Clone(r.Template.Functions)
	for i, f := range broken.Functions {
		f.Environment, f.Sources = maps.Clone(f.Environment), nil
		f.Environment[variable] = ""
		broken.Functions[i] = f
	}
	host := hostOf(r.t, &broken, r.Engines.Environment())
	failed := 0.0
	for _, event := range events {
		result, err := host.Invoke(r.t.Context(), function, []byte(event))
		if err != nil {
			r.t.Fatal(err)
		}
		if result.FunctionError != "" {
			failed++
		}
	}
	watched := slices.ContainsFunc(a.Measures,
		func(m deployment.Measure) bool { return m.Name == "Errors" && m.Value == "${"+function+"}" })
	if !watched || failed < a.Threshold {
		r.t.Errorf("%g failed calls of %s do not raise the alarm at %g (watched: %t)", failed, function, a.Threshold, watched)
	}
}

// hostOf runs the functions of a template with that environment.
func hostOf(t *testing.T, tmpl *template.Template, env []string, logs ...io.Writer) *lambdahost.Host {
	t.Helper()
	binaries, err := stacktest.Binaries()
	if err != nil {
		t.Fatal(err)
	}
	host, err := lambdahost.New(lambdahost.Config{Template: tmpl, Binaries: binaries, Environment: env,
		Tee: io.MultiWriter(logs...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := host.Close(context.Background())
		if err != nil {
			t.Error(err)
		}
	})
	return host
}
