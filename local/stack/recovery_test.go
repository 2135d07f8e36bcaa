package stack_test

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/hotsync"
)

// TestMalformedMessages puts what is no request into the queue: each becomes a
// failed event, and the group goes on.
func TestMalformedMessages(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Personas: true})
	bodies := []string{"{", "no JSON", `{"v":1}`, `{"v":99,"event":"event-01a204f6ddfa7b93b082894bb85dabc0"}`,
		`{"v":1,"evnt":"x"}`, strings.Repeat("x", 70<<10)}
	client, queue := s.Engines.SQS(), s.QueueURL("SyncQueue")
	for i, body := range bodies {
		_, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body,
			MessageGroupId: aws.String("strange"), MessageDeduplicationId: aws.String(fmt.Sprint(t.Name(), i))})
		if err != nil {
			t.Fatal(err)
		}
	}
	var failed []hotsync.Event
	s.Until("an event for each malformed message", func() bool {
		failed = events(t, s, "status=failed")
		return len(failed) == len(bodies)
	}, func() string { return fmt.Sprintf("%+v", failed) })
	for _, e := range failed {
		wantEnd(t, e, hotsync.StatusFailed, string(hotsync.CodeMessageMalformed))
		if e.Error == nil || e.Error.Hint == "" {
			t.Errorf("error %+v, want one with a hint", e.Error)
		}
	}
	a := s.Do(http.MethodPost, s.URL+"/api/events/"+failed[0].ID+"/retry", s.PersonaToken("operator"), nil)
	if a.Status != http.StatusConflict || a.Code(t) != hotsync.CodeConflict {
		t.Errorf("retry of nothing: %d %s, want 409 conflict", a.Status, a.Body)
	}
	s.Idle()
	wantEnd(t, s.Sync(s.PersonaToken("single"))[0], hotsync.StatusSucceeded, hotsync.ReasonChanged)
}

// kill ends the processes of the sync function that run now.
func kill(t testing.TB, s *stacktest.System) {
	t.Helper()
	pids := s.Host.PIDs("sync")
	if len(pids) == 0 {
		t.Fatal("no sync process runs")
	}
	for _, pid := range pids {
		err := syscall.Kill(-pid, syscall.SIGKILL) // its own process group
		if err != nil {
			t.Fatal(err)
		}
	}
}

// creates counts the objects of a path type that Limio was asked to create.
func creates(t testing.TB, s *stacktest.System, pathType string) int {
	t.Helper()
	n := 0
	for _, r := range s.Requests(s.LimioURL, 0) {
		if r.Method == http.MethodPost && r.Path == "/api/objects/limio/"+pathType {
			n++
		}
	}
	return n
}

// TestKilledSync kills the process in the midst of a sync's writes, once at each
// of its levels. The writes were carried out but never answered, so the sync that
// follows cannot know: in the end Limio holds what an undisturbed sync leaves
// there, and nothing twice.
func TestKilledSync(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Personas: true, Visibility: time.Second})
	p := find(t, "mixed")
	var admitted stacktest.Admission
	for i, pathType := range []string{"identities", "customers", "subscriptions", "subscription_offers"} {
		before := creates(t, s, pathType)
		s.Behave(s.LimioURL,
			doc{"faults": []doc{{"match": "POST /api/objects/limio/" + pathType, "after": true, "hang": true}}})
		if i == 0 {
			admitted = s.Login(s.PersonaToken(p.Name))
		}
		s.Until("a write to "+pathType+" that hangs", func() bool { return creates(t, s, pathType) > before }, nil)
		kill(t, s)
	}
	s.Behave(s.LimioURL, doc{})

	// How many writes the last try finds left to do is up to the moment of the
	// kills, so changed and unchanged are both right.
	e := s.Await(admitted.Queued[0].Event)
	if e.Status != hotsync.StatusSucceeded {
		t.Errorf("event ended as %s %s: %v", e.Status, e.Reason, e.Error)
	}
	// The first try dies before it is slow enough to be written down: SQS alone has
	// counted it.
	if n := len(e.Attempts); n != 4 && n != 5 {
		t.Errorf("%d attempts, want 4, or 5 where the first was slow", n)
	}
	r := readLimio(t, s)
	wantMirror(t, expect(readV1(t, p.Accounts[0]), s.IDPURL+"/direct", p.Claims["sub"].(string), today()),
		r.mirror(p.Accounts[0].ID))
	undisturbed := stacktest.Start(t, stack.Options{Personas: true})
	wantEnd(t, undisturbed.Sync(undisturbed.PersonaToken(p.Name))[0], hotsync.StatusSucceeded, hotsync.ReasonChanged)
	if diff := cmp.Diff(undisturbed.LimioCounts().Creates, s.LimioCounts().Creates); diff != "" {
		t.Errorf("objects created, by kind (-undisturbed +killed):\n%s", diff)
	}
	wantEnd(t, s.Sync(s.PersonaToken(p.Name))[0], hotsync.StatusSucceeded, hotsync.ReasonUnchanged)
}

// TestDeadLetter lets a sync die as often as the queue tries it: it ends as a
// failed event, and a retry mends it.
func TestDeadLetter(t *testing.T) {
	t.Parallel()

	s := stacktest.Start(t, stack.Options{Personas: true, Visibility: time.Second})
	p := find(t, "single")
	s.Behave(s.ZuoraURL, doc{"faults": []doc{{"match": "GET /**", "hang": true}}})
	admitted := s.Login(s.PersonaToken(p.Name))
	id := admitted.Queued[0].Event
	const tries = 5 // maxReceiveCount of the template
	for n := 1; n <= tries; n++ {
		s.AwaitEvent(id, fmt.Sprintf("begin attempt %d", n), func(e hotsync.Event) bool {
			return e.Status == hotsync.StatusRunning && len(e.Attempts) == n
		})
		kill(t, s)
	}
	failed := s.Await(id)
	wantEnd(t, failed, hotsync.StatusFailed, string(hotsync.CodeGaveUp))
	if failed.Error == nil || failed.Error.Hint == "" || len(failed.Attempts) != tries || failed.FinishedAt.IsZero() {
		t.Errorf("event %+v, want %d attempts, an end and an error with a hint", failed, tries)
	}
	s.Idle()

	s.Behave(s.ZuoraURL, doc{})
	e := s.Await(s.Retry(id).ID)
	wantEnd(t, e, hotsync.StatusSucceeded, hotsync.ReasonChanged)
	s.Sync(s.PersonaToken(p.Name)) // a retry links nobody
	wantMirror(t, expect(readV1(t, p.Accounts[0]), s.IDPURL+"/direct", "direct|ada", today()),
		readLimio(t, s).mirror(p.Accounts[0].ID))
}

// TestFaults lets Zuora and Limio fail for a while: the sync waits, which costs no
// try, and what cannot be helped by that ends at once.
func TestFaults(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name   string
		zuora  bool
		faults []doc
		status hotsync.Status
		reason string
		tries  int
	}{
		{"Zuora answers 500 once", true, []doc{{"match": "GET /v1/subscriptions/**", "times": 1, "status": 500}},
			hotsync.StatusSucceeded, hotsync.ReasonChanged, 1},
		{"Zuora drops the connection once", true, []doc{{"match": "GET /object-query/**", "times": 1, "drop": true}},
			hotsync.StatusSucceeded, hotsync.ReasonChanged, 1},
		{"Zuora's answer is cut off once", true, []doc{{"match": "GET /v1/subscriptions/**", "times": 1, "truncate": true}},
			hotsync.StatusSucceeded, hotsync.ReasonChanged, 1},
		{"Zuora asks to wait once", true,
			[]doc{{"match": "GET /object-query/**", "times": 1, "status": 429, "headers": doc{"Retry-After": "1"}}},
			hotsync.StatusSucceeded, hotsync.ReasonChanged, 1},
		{"Zuora forbids", true, []doc{{"match": "GET /object-query/**", "status": 403}}, hotsync.StatusFailed,
			string(hotsync.CodeZuoraForbidden), 1},
		{"Limio answers 503 once, amid the writes", false,
			[]doc{{"match": "POST /api/objects/limio/subscriptions", "times": 1, "status": 503}}, hotsync.StatusSucceeded,
			hotsync.ReasonChanged, 1},
		{"Limio loses an answer", false,
			[]doc{{"match": "POST /api/objects/limio/payment_methods", "times": 1, "after": true, "drop": true}},
			hotsync.StatusSucceeded, hotsync.ReasonChanged, 1},
		{"Limio refuses", false,
			[]doc{{"match": "POST /api/objects/limio/address", "status": 400, "body": doc{"message": "no"}}},
			hotsync.StatusFailed, string(hotsync.CodeLimioRefused), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			s := stacktest.Start(t, stack.Options{Personas: true})
			url := s.LimioURL
			if tc.zuora {
				url = s.ZuoraURL
			}
			s.Behave(url, doc{"faults": tc.faults})
			e := s.Sync(s.PersonaToken("single"))[0]
			wantEnd(t, e, tc.status, tc.reason)
			if len(e.Attempts) != tc.tries {
				t.Errorf("%d attempts, want %d", len(e.Attempts), tc.tries)
			}
			if tc.status == hotsync.StatusFailed {
				if e.Error == nil || e.Error.Hint == "" {
					t.Errorf("error %+v, want one with a hint", e.Error)
				}
				s.Behave(url, doc{})
				wantEnd(t, s.Await(s.Retry(e.ID).ID), hotsync.StatusSucceeded, hotsync.ReasonChanged)
				s.Sync(s.PersonaToken("single")) // a retry links nobody
			}
			account := find(t, "single").Accounts[0]
			wantMirror(t, expect(readV1(t, account), s.IDPURL+"/direct", "direct|ada", today()),
				readLimio(t, s).mirror(account.ID))
		})
	}
}
