package syncer_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/pause"
	"hotsync/shared/projection"
	"hotsync/shared/syncer"
	"hotsync/shared/syncqueue"
	"hotsync/shared/zuora"
)

// upstream is Zuora or Limio with its outages, as the processes' clients meet it.
type upstream struct {
	of      pause.Upstream
	answer  func(at time.Duration) *hotsync.Error // since the rehearsal began; nil for a good answer
	hangs   time.Duration                         // how long a bad answer takes
	begun   time.Time
	mu      sync.Mutex
	refused int // calls that met the outage
}

// call is one call past a gate.
func (u *upstream) call(ctx context.Context, gate *pause.Gate) error {
	err := gate.Allow(ctx)
	if err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond)
	bad := u.answer(time.Since(u.begun))
	if bad == nil {
		gate.Report(ctx, 200, 0, nil)
		return nil
	}
	time.Sleep(u.hangs)
	u.mu.Lock()
	u.refused++
	u.mu.Unlock()
	gate.Report(ctx, 503, bad.RetryAfter, bad)
	return bad
}

type gatedZuora struct {
	*tenant
	gate *pause.Gate
	up   *upstream
}

func (z gatedZuora) Read(ctx context.Context, id string, opt zuora.ReadOptions) (billing.Account, error) {
	err := z.up.call(ctx, z.gate)
	if err != nil {
		return billing.Account{}, err
	}
	return z.tenant.Read(ctx, id, opt)
}

type gatedLimio struct {
	*mirror
	gate *pause.Gate
	up   *upstream
}

func (l gatedLimio) Account(ctx context.Context, id string) ([]projection.Object, error) {
	err := l.up.call(ctx, l.gate)
	if err != nil {
		return nil, err
	}
	return l.mirror.Account(ctx, id)
}

// line is SQS with a FIFO queue: a message group is in the hands of one process, which
// gets up to ten of its messages at a time. What was handed out as often as maxReceives
// is dead.
type line struct {
	syncqueue.Client // what is not asked for
	mu               sync.Mutex
	waiting          []*letter
	busy, blocked    map[string]bool
	receives, sent   int
	dead             int
}

const maxReceives = 3

type letter struct {
	id, group, body string
	receives        int
	visibleAt       time.Time
}

// SendMessage puts a message at the end.
func (l *line) SendMessage(_ context.Context, in *sqs.SendMessageInput,
	_ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	l.waiting = append(l.waiting,
		&letter{id: fmt.Sprint(l.sent), group: *in.MessageGroupId, body: *in.MessageBody, visibleAt: time.Now()})
	return &sqs.SendMessageOutput{}, nil
}

// ChangeMessageVisibilityBatch puts messages off.
func (l *line) ChangeMessageVisibilityBatch(_ context.Context, in *sqs.ChangeMessageVisibilityBatchInput,
	_ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range in.Entries {
		for _, m := range l.waiting {
			if m.id == *e.ReceiptHandle {
				m.visibleAt = time.Now().Add(time.Duration(e.VisibilityTimeout) * time.Second)
			}
		}
	}
	return &sqs.ChangeMessageVisibilityBatchOutput{}, nil
}

// receive hands out the first messages that may be seen, of one group; none when there
// are none.
func (l *line) receive() (batch awsevents.SQSEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.blocked == nil {
		l.blocked = map[string]bool{}
	}
	clear(l.blocked) // and not a new one, which would grow anew each time
	blocked, group := l.blocked, ""
	l.waiting = slices.DeleteFunc(l.waiting, func(m *letter) bool {
		if group != "" && group != m.group || len(batch.Records) == 10 || blocked[m.group] {
			return false
		}
		if m.visibleAt.After(now) || l.busy[m.group] {
			blocked[m.group] = true
			return false
		}
		if m.receives == maxReceives {
			l.dead++
			return true
		}
		group = m.group
		m.receives++
		l.receives++
		batch.Records = append(batch.Records, awsevents.SQSMessage{MessageId: m.id, ReceiptHandle: m.id, Body: m.body,
			Attributes: map[string]string{"MessageGroupId": m.group, "ApproximateReceiveCount": fmt.Sprint(m.receives)}})
		m.visibleAt = now.Add(3 * time.Minute)
		return false
	})
	l.busy[group] = group != ""
	return batch
}

// answered deletes those of a batch that are done.
func (l *line) answered(batch awsevents.SQSEvent, answer awsevents.SQSEventResponse) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range batch.Records {
		l.busy[r.Attributes["MessageGroupId"]] = false
		if !slices.ContainsFunc(answer.BatchItemFailures,
			func(f awsevents.SQSBatchItemFailure) bool { return f.ItemIdentifier == r.MessageId }) {
			l.waiting = slices.DeleteFunc(l.waiting, func(m *letter) bool { return m.id == r.MessageId })
		}
	}
}

// rehearsal is an outage, in virtual time, with several processes that sync.
type rehearsal struct {
	zuora, limio func(at time.Duration) *hotsync.Error
	hangs        time.Duration
	over         time.Duration // when the last outage ends
	accounts     int
	again        int // of the accounts log in once more during the outage
	maxWait      time.Duration
}

type result struct {
	events   []hotsync.Event // in the order of their requests
	drained  time.Duration   // after the end of the outage
	refused  int
	receives int
	dead     int
}

func healthy(time.Duration) *hotsync.Error { return nil }

// down is an outage from one time to another, with that failure.
func down(from, to time.Duration, e *hotsync.Error) func(time.Duration) *hotsync.Error {
	return func(at time.Duration) *hotsync.Error {
		if at >= from && at < to {
			return e
		}
		return nil
	}
}

func (r rehearsal) run(t *testing.T) result {
	t.Helper()
	const processes, workers = 4, 5
	begun := time.Now()
	b := setup(t)
	b.zuora.accounts = map[string]billing.Account{}
	sent := &line{busy: map[string]bool{}}
	queue := syncqueue.New(sent, "queue")
	queue.RenewAt = maxReceives
	zuora := &upstream{of: pause.Zuora, answer: r.zuora, hangs: r.hangs, begun: begun}
	limio := &upstream{of: pause.Limio, answer: r.limio, hangs: r.hangs, begun: begun}
	zuoraPause, limioPause := &pause.Memory{}, &pause.Memory{}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range processes {
		zuoraGate := pause.New(pause.Zuora, zuoraPause, time.Now, slog.New(slog.DiscardHandler))
		limioGate := pause.New(pause.Limio, limioPause, time.Now, slog.New(slog.DiscardHandler))
		cfg := b.syncer.Config
		cfg.Zuora, cfg.Limio = gatedZuora{b.zuora, zuoraGate, zuora}, gatedLimio{b.limio, limioGate, limio}
		cfg.Pauses, cfg.Queue, cfg.MaxWait = syncer.Pauses{Zuora: zuoraGate, Limio: limioGate}, queue, r.maxWait
		s := syncer.New(cfg)
		for range workers {
			wg.Go(func() {
				for ctx.Err() == nil {
					batch := sent.receive()
					if len(batch.Records) == 0 {
						time.Sleep(500 * time.Millisecond)
						continue
					}
					work, done := context.WithTimeout(ctx, 30*time.Second)
					sent.answered(batch, queue.HandleBatch(work, batch, s.Handle))
					done()
				}
			})
		}
	}
	var requests []hotsync.SyncRequest
	login := func(n int) {
		id := fmt.Sprintf("8a128%027x", n)
		b.zuora.mu.Lock()
		b.zuora.accounts[id] = billing.Account{ID: id, Number: fmt.Sprintf("A%08d", n), Name: "Ada", Status: "Active"}
		b.zuora.mu.Unlock()
		request := hotsync.SyncRequest{EventID: hotsync.EventIDFor(time.Now(), fmt.Sprint(n, len(requests))),
			Trigger:  hotsync.TriggerLogin,
			Identity: hotsync.Identity{Issuer: "https://idp.example.com", Subject: fmt.Sprint("auth0|", n)}, Account: id,
			RequestedAt: time.Now()}
		requests = append(requests, request)
		err := queue.Send(ctx, request)
		if err != nil {
			t.Error(err)
		}
	}
	time.Sleep(time.Second) // the outage begins before the first login
	for n := range r.accounts {
		login(n)
		time.Sleep((r.over - time.Second) / time.Duration(r.accounts+r.again+1))
	}
	for n := range r.again {
		login(n)
		time.Sleep((r.over - time.Second) / time.Duration(r.accounts+r.again+1))
	}
	time.Sleep(max(0, r.over-time.Since(begun)))
	ended := func() int {
		b.events.mu.Lock()
		defer b.events.mu.Unlock()
		n := 0
		for _, e := range b.events.events {
			if e.Status.Final() {
				n++
			}
		}
		return n
	}
	over := time.Now()
	for ended() < len(requests) && time.Since(over) < time.Hour {
		time.Sleep(100 * time.Millisecond)
	}
	out := result{drained: time.Since(over), refused: zuora.refused + limio.refused, receives: sent.receives,
		dead: sent.dead}
	cancel()
	wg.Wait()
	for _, request := range requests {
		out.events = append(out.events, b.events.events[request.EventID])
	}
	return out
}

func retryAfter(code hotsync.Code, d time.Duration) *hotsync.Error {
	return hotsync.Errorf(code, "later").After(d)
}

// An outage of either side, of whatever kind and length, fails no sync and takes no
// tries; when it is over they go on within seconds, the oldest first, and what logged
// in again meanwhile is covered by then.
func TestOutagesCostTime(t *testing.T) {
	t.Parallel()

	zuoraDown, limioDown := hotsync.Errorf(hotsync.CodeZuoraUnavailable,
		"503"), hotsync.Errorf(hotsync.CodeLimioUnavailable, "503")
	for _, tc := range []struct {
		name string
		rehearsal
		within time.Duration // of the end all is done
	}{
		{"Limio for a minute", rehearsal{limio: down(0, time.Minute, limioDown), over: time.Minute}, 20 * time.Second},
		{"Zuora for a minute", rehearsal{zuora: down(0, time.Minute, zuoraDown), over: time.Minute}, 20 * time.Second},
		{"Limio hangs for three minutes",
			rehearsal{limio: down(0, 3*time.Minute, limioDown), hangs: 10 * time.Second, over: 3 * time.Minute},
			45 * time.Second},
		{"both for ten minutes", rehearsal{zuora: down(0, 10*time.Minute, zuoraDown),
			limio: down(0, 10*time.Minute, limioDown), over: 10 * time.Minute}, 50 * time.Second},
		{"one after the other", rehearsal{zuora: down(0, 2*time.Minute, zuoraDown),
			limio: down(2*time.Minute, 4*time.Minute, limioDown), over: 4 * time.Minute}, 20 * time.Second},
		{"Limio for two hours", rehearsal{limio: down(0, 2*time.Hour, limioDown), over: 2 * time.Hour}, time.Minute},
		{"Limio asks for two minutes, twice",
			rehearsal{limio: down(0, 3*time.Minute, retryAfter(hotsync.CodeLimioRateLimited, 2*time.Minute)),
				over: 3 * time.Minute}, 75 * time.Second},
		{"Zuora asks for half an hour",
			rehearsal{zuora: down(0, 20*time.Minute, retryAfter(hotsync.CodeZuoraRateLimited, 30*time.Minute)),
				over: 20 * time.Minute}, 11 * time.Minute},
		{"Limio asks for seconds and does not mean it",
			rehearsal{limio: down(0, 5*time.Minute, retryAfter(hotsync.CodeLimioRateLimited, time.Second)),
				over: 5 * time.Minute}, 20 * time.Second},
		{"Zuora limits and names no time",
			rehearsal{zuora: down(0, 5*time.Minute, hotsync.Errorf(hotsync.CodeZuoraRateLimited, "429")), over: 5 * time.Minute},
			20 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				if tc.zuora == nil {
					tc.zuora = healthy
				}
				if tc.limio == nil {
					tc.limio = healthy
				}
				tc.accounts, tc.again = 60, 20
				got := tc.run(t)
				t.Logf("all done %s after the end; %d calls met the outage, %d receives", got.drained, got.refused, got.receives)
				if got.dead > 0 {
					t.Errorf("%d messages were taken for dead", got.dead)
				}
				if got.drained > tc.within {
					t.Errorf("all is done %s after the end, want within %s", got.drained, tc.within)
				}
				covered := 0
				synced := map[string]bool{}
				for i, e := range got.events {
					switch {
					case e.Status == hotsync.StatusSucceeded && len(e.Attempts) == 1:
						synced[e.Account.ID] = true
					case e.Status == hotsync.StatusSkipped && e.Reason == hotsync.ReasonCoalesced:
						covered++
					default:
						t.Errorf("login %d: %s (%s) after %d tries, want it synced in one", i, e.Status, e.Reason, len(e.Attempts))
					}
				}
				if covered < tc.again*3/4 || len(synced) != tc.accounts {
					t.Errorf("%d of %d repeated logins were covered, %d of %d accounts synced", covered, tc.again, len(synced),
						tc.accounts)
				}
				if most := 60 + int(tc.over/(5*time.Second)); got.refused > most {
					t.Errorf("%d calls met the outage, want %d at most", got.refused, most)
				}
				if tc.hangs == 0 { // else those who met it come back when it lets go of them
					wantOldestFirst(t, got.events[tc.again:tc.accounts])
				}
			})
		})
	}
}

// wantOldestFirst wants the older half of the requests to be done before the newer one,
// on the whole.
func wantOldestFirst(t *testing.T, events []hotsync.Event) {
	t.Helper()
	last := time.Time{}
	for _, e := range events {
		last = maxOf(last, e.FinishedAt)
	}
	mean := func(events []hotsync.Event) (sum time.Duration) {
		for _, e := range events {
			sum += last.Sub(e.FinishedAt)
		}
		return sum / time.Duration(len(events))
	}
	older, newer := mean(events[:len(events)/2]), mean(events[len(events)/2:])
	if older < newer-2*time.Second { // SQS counts in seconds
		t.Errorf("the older half was done %s before the last, the newer half %s: want the oldest first", older, newer)
	}
}

func maxOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// What waits longer than it may fails, with what it waited for.
func TestWaitingEnds(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		r := rehearsal{zuora: healthy, limio: down(0, 12*time.Hour, hotsync.Errorf(hotsync.CodeLimioUnavailable, "503")),
			over: 5 * time.Hour, accounts: 3, maxWait: 3 * time.Hour}
		for i, e := range r.run(t).events {
			if e.Status != hotsync.StatusFailed || e.Reason != string(hotsync.CodeLimioUnavailable) {
				t.Errorf("login %d: %s (%s), want it failed as limio_unavailable", i, e.Status, e.Reason)
			}
			if took := e.FinishedAt.Sub(e.RequestedAt); took < 3*time.Hour || took > 3*time.Hour+10*time.Minute {
				t.Errorf("login %d was given up after %s, want three hours", i, took)
			}
		}
	})
}

// One account that always fails, beside others that do not, is no outage: it comes back
// ever more seldom and holds nobody up.
func TestOneBadAccountIsNoOutage(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		r := b.request()
		var waits []time.Duration
		for n := 0; time.Since(r.RequestedAt) < 3*time.Hour; n++ {
			b.zuora.fail = []error{hotsync.Errorf(hotsync.CodeZuoraUnavailable, "500")}
			_, e := b.handle(t, r, n%3+1)
			wantStatus(t, e, hotsync.StatusRetrying, hotsync.ReasonPaused)
			waits = append(waits, time.Until(e.NextAttemptAt))
			time.Sleep(time.Until(e.NextAttemptAt))
		}
		if first, last := waits[0], waits[len(waits)-1]; first > 3*time.Second || last < 30*time.Second ||
			last > time.Minute {
			t.Errorf("waits begin with %s and end with %s, want seconds and a minute", first, last)
		}
		if len(waits) > 300 {
			t.Errorf("%d tries in three hours", len(waits))
		}
	})
}
