package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/uuid"

	"hotsync/local/sandbox/idp"
	"hotsync/local/stack"
	"hotsync/local/stack/engines"
	"hotsync/shared/billing"
	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/syncqueue"
)

// options say what a run is. Two runs of the same accounts, logins and seed do
// the same.
type options struct {
	accounts, logins int
	seed             uint64
	duration         time.Duration // over which the logins are spread
	faults           float64       // how often things go wrong; 1 is about one request in thirty, 0 is never
	workers          int           // logins under way at once
	before           int           // logins drained before a storm
	root             string        // the checkout
	dir              string        // for the functions' logs; a temporary one when empty
	binaries         map[string]string
	engines          *engines.Engines  // to share; nil for its own
	name             string            // of the stack
	parameters       map[string]string // of template.yaml, over its defaults
	env              []string          // for the functions
	progress         io.Writer
	plant            func(context.Context, *run) error // what a test puts in for the checks to find; nil for nothing
}

// Bounds of a run.
const (
	loginTries = 12              // a person who is turned away tries again so often
	drainLimit = 6 * time.Minute // for the queues to run empty
	sameLogin  = 10 * time.Second
)

// run is a run under way.
type run struct {
	options
	stack   *stack.Stack
	store   *eventstore.Store
	queue   *syncqueue.Queue // sends every message under a fresh de-duplication id
	dead    *syncqueue.Queue
	watch   *watch
	places  []*place
	zuora   *place
	world   *world
	started time.Time
	closers []func() error

	mu     sync.Mutex
	signed []signIn
	tried  []signIn // also those that hotsync has not taken, or not in whole
	queued []string // ids of events, in the order they became known
	tally  tally

	sight  sight // at the end
	claims claims
}

// tally counts what the driver did.
type tally struct {
	logins, turnedAway, changes, redelivered, kills int
	outages                                         map[string]int
	longest                                         time.Duration
	broken                                          []string // promises of the front door that were not kept
	faults                                          map[string]int
}

// signIn is a login that hotsync has taken.
type signIn struct {
	person       int
	named        []int // accounts
	began, ended time.Time
	events       []string // unknown for a trigger
}

// begin brings a system up with something that can misbehave on every hop.
func begin(ctx context.Context, opt options) (_ *run, err error) {
	r := &run{options: opt, watch: newWatch(), tally: tally{faults: map[string]int{}, outages: map[string]int{}}}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	e, err := r.startEngines(ctx)
	if err != nil {
		return nil, err
	}
	db, err := r.open(newHop(e.DynamoDBEndpoint))
	if err != nil {
		return nil, err
	}
	queues, err := r.open(newHop(e.SQSEndpoint))
	if err != nil {
		return nil, err
	}
	watched, err := r.open(serve(r.watch))
	if err != nil {
		return nil, err
	}
	r.stack, err = stack.Start(ctx, opt.root, stack.Options{
		Engines:    e,
		Binaries:   opt.binaries,
		Dir:        opt.dir,
		Name:       opt.name,
		Parameters: opt.parameters,
		Paused:     opt.duration == 0,
		Env: append([]string{
			"AWS_ENDPOINT_URL_DYNAMODB=" + db.url,
			"AWS_ENDPOINT_URL_SQS=" + queues.url,
			"ZUORA_BASE_URL=" + watched.url,
		}, opt.env...),
	})
	if err != nil {
		return nil, err
	}
	r.closers = append(r.closers, r.stack.Close)
	r.watch.before(r.stack.Zuora)
	r.setPlaces(db.url, queues.url)
	return r, r.reach()
}

// startEngines starts the engines that the run ends with, unless it was given some.
func (r *run) startEngines(ctx context.Context) (*engines.Engines, error) {
	if r.options.engines != nil {
		return r.options.engines, nil
	}
	e, err := engines.Start(ctx, engines.Options{Root: r.root})
	if err != nil {
		return nil, err
	}
	r.closers = append(r.closers, func() error {
		select {
		case err := <-e.Failed(): // better known than what follows from it
			r.say("%v", err)
		default:
		}
		e.Stop()
		return nil
	})
	return e, nil
}

// setPlaces says where faults can happen, and which; DynamoDB and SQS are behind hops.
func (r *run) setPlaces(dynamoDB, sqs string) {
	r.zuora = &place{
		name:    zuoraName,
		url:     r.stack.ZuoraURL,
		seed:    r.seed,
		latency: 40 * time.Millisecond,
		faults:  zuoraFaults(r.faults),
	}
	r.places = []*place{
		r.zuora,
		{
			name:    limioName,
			url:     r.stack.LimioURL,
			seed:    r.seed + 1,
			latency: 15 * time.Millisecond,
			faults:  limioFaults(r.faults),
		},
		{
			name:   "DynamoDB",
			url:    dynamoDB,
			seed:   r.seed + 2,
			faults: awsFaults(r.faults, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"),
		},
		{
			name:   "SQS",
			url:    sqs,
			seed:   r.seed + 3,
			faults: awsFaults(r.faults, "com.amazonaws.sqs#RequestThrottled"),
		},
		{name: "identity provider", url: r.stack.IDPURL, seed: r.seed + 4, faults: keyFaults(r.faults)},
	}
}

func (r *run) open(s *server, err error) (*server, error) {
	if err == nil {
		r.closers = append(r.closers, s.close)
	}
	return s, err
}

// reach makes the clients by which the run looks into the system, past the hops
// that misbehave.
func (r *run) reach() error {
	var table, queue, dead string
	for _, t := range r.stack.Template.Tables {
		if t.LogicalID == "EventsTable" {
			table = t.Name
		}
	}
	for _, q := range r.stack.Template.Queues {
		switch q.LogicalID {
		case "SyncQueue":
			queue = q.URL
		case "SyncDeadLetterQueue":
			dead = q.URL
		}
	}
	if table == "" || queue == "" || dead == "" {
		return errors.New("template.yaml has no EventsTable, SyncQueue or SyncDeadLetterQueue")
	}
	r.store = eventstore.New(dynamo.Table{Client: r.stack.Engines.DynamoDB(), Name: table}, eventstore.Config{})
	client := r.stack.Engines.SQS()
	r.queue, r.dead = syncqueue.New(fresh{client}, queue), syncqueue.New(client, dead)
	return nil
}

// fresh is an SQS client that lets no message be taken for one sent before.
type fresh struct{ *sqs.Client }

// SendMessage implements syncqueue.Client.
func (f fresh) SendMessage(
	ctx context.Context,
	in *sqs.SendMessageInput,
	opts ...func(*sqs.Options),
) (*sqs.SendMessageOutput, error) {
	in.MessageDeduplicationId = aws.String(uuid.NewString())
	return f.Client.SendMessage(ctx, in, opts...)
}

func (r *run) close() error {
	var errs []error
	for _, c := range slices.Backward(r.closers) {
		errs = append(errs, c())
	}
	r.closers = nil
	return errors.Join(errs...)
}

func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.progress, "soak: "+format+"\n", args...)
}

// put sets an account in Zuora.
func (r *run) put(ctx context.Context, a billing.Account) error {
	body, err := v1Body(a)
	if err != nil {
		return err
	}
	return call(ctx, http.MethodPut, r.stack.ZuoraURL+"/_sandbox/accounts/"+a.ID, "", body, nil)
}

// stock sets the accounts that a trial begins with, and lets the places misbehave.
func (r *run) stock(ctx context.Context, accounts []billing.Account) error {
	for _, a := range accounts {
		err := r.put(ctx, a)
		if err != nil {
			return err
		}
	}
	return r.misbehave(ctx, true)
}

// misbehave lets every place misbehave, or behave.
func (r *run) misbehave(ctx context.Context, on bool) error {
	for _, p := range r.places {
		faults := p.faults
		if !on {
			err := p.fired(ctx, r.tally.faults)
			if err != nil {
				return err
			}
			faults = nil
		}
		err := p.misbehave(ctx, faults)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// perform does the steps of a plan, spread over a time. Logins run side by side;
// everything else happens in its turn.
func (r *run) perform(ctx context.Context, ops []op, over time.Duration) error {
	began := time.Now()
	slots := make(chan struct{}, r.workers)
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, o := range ops {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Until(began.Add(over * time.Duration(i) / time.Duration(len(ops))))):
		}
		if i%2000 == 1999 {
			r.say("%d of %d steps", i+1, len(ops))
		}
		if o.kind == doLogin {
			slots <- struct{}{}
			wg.Go(func() {
				r.login(ctx, o)
				<-slots
			})
			continue
		}
		err := r.disturb(ctx, o)
		if err != nil {
			return err
		}
	}
	return nil
}

// disturb does a step that is no login.
func (r *run) disturb(ctx context.Context, o op) error {
	switch o.kind {
	case doChange:
		r.tally.changes++
		return r.put(ctx, o.account)
	case doDuplicate:
		return r.duplicate(ctx, o.pick)
	case doKill:
		pids := r.stack.Host.PIDs("sync")
		if len(pids) == 0 {
			return nil
		}
		slices.Sort(pids)
		err := syscall.Kill(pids[o.pick%uint64(len(pids))], syscall.SIGKILL)
		if err == nil {
			r.tally.kills++
		}
		return nil // it may just have ended by itself
	case doExpire:
		return call(ctx, http.MethodPost, r.stack.ZuoraURL+"/_sandbox/expire-tokens", "", nil, nil)
	case doOutage:
		return r.down(ctx, o.down)
	default:
		return fmt.Errorf("unknown step %d", o.kind)
	}
}

// down has those upstreams away from now on, and the other one back.
func (r *run) down(ctx context.Context, names []string) error {
	for _, p := range r.places {
		if !slices.Contains([]string{zuoraName, limioName}, p.name) || p.away == slices.Contains(names, p.name) {
			continue
		}
		faults := p.faults
		if p.away = !p.away; p.away {
			r.tally.outages[p.name]++
			err := p.fired(ctx, r.tally.faults)
			if err != nil {
				return err
			}
			faults = away
		}
		err := p.misbehave(ctx, faults)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// duplicate delivers the message of an earlier login once more: as it is now,
// or as the front door sent it, before its account was known.
func (r *run) duplicate(ctx context.Context, pick uint64) error {
	r.mu.Lock()
	known := len(r.queued)
	id := ""
	if known > 0 {
		id = r.queued[(pick>>1)%uint64(known)]
	}
	r.mu.Unlock()
	if id == "" {
		return nil
	}
	e, err := r.store.Get(ctx, id)
	switch {
	case errors.Is(err, eventstore.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	again := e.Request
	if pick&1 == 0 && again.AccountID != again.Account {
		again.AccountID = ""
	}
	r.tally.redelivered++
	return r.queue.Send(ctx, again)
}

// login signs a person in and, when turned away, again, as people do.
func (r *run) login(ctx context.Context, o op) {
	p := r.world.people[o.person]
	if o.named != nil {
		p.accounts = o.named
	}
	for range loginTries {
		s := signIn{person: o.person, named: p.accounts, began: time.Now()}
		var taken bool
		var err error
		if p.way == byTrigger {
			taken, err = true, r.trigger(ctx, p)
		} else {
			s.events, taken, err = r.post(ctx, o.person, p)
		}
		s.ended = time.Now()
		r.mu.Lock()
		r.tried = append(r.tried, s)
		r.tally.logins++
		r.tally.longest = max(r.tally.longest, s.ended.Sub(s.began))
		switch {
		case err != nil:
			r.tally.broken = append(r.tally.broken, err.Error())
		case taken:
			r.signed = append(r.signed, s)
			r.queued = append(r.queued, s.events...)
		default:
			r.tally.turnedAway++
		}
		r.mu.Unlock()
		if err != nil || taken {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(250 * time.Millisecond):
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally.broken = append(r.tally.broken, fmt.Sprintf("%s was turned away %d times", p.subject, loginTries))
}

// post signs a person in by POST /login. taken is false when hotsync said that
// it could not take the login, which it may.
func (r *run) post(ctx context.Context, index int, p person) (events []string, taken bool, err error) {
	token, err := r.token(ctx, p)
	if err != nil {
		return nil, false, err
	}
	var answer struct {
		Queued []struct {
			Event string `json:"event"`
		} `json:"queued"`
		Ignored []struct {
			Reason string `json:"reason"`
		} `json:"ignored"`
	}
	err = call(ctx, http.MethodPost, r.stack.URL+"/login", token, nil, &answer)
	var refused *stack.Refusal
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable:
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("POST /login: %w", err)
	}
	for _, q := range answer.Queued {
		events = append(events, q.Event)
	}
	for _, i := range answer.Ignored {
		if i.Reason != string(hotsync.CodeQueueUnavailable) {
			return nil, false, fmt.Errorf("POST /login ignored a claim: %s", i.Reason)
		}
	}
	// Taken in part counts as turned away: the person signs in again, and both
	// logins have to come to an end.
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(answer.Ignored) > 0 {
		r.signed = append(r.signed, signIn{person: index, named: p.accounts, events: events})
		return nil, false, nil
	}
	return events, true, nil
}

// token returns a new ID token of a person: one that was sent a moment ago is the
// same login.
func (r *run) token(ctx context.Context, p person) (string, error) {
	claims, issuer := doc{"sub": p.subject, "email": p.email}, idp.Direct
	switch p.way {
	case byLookup:
		issuer = idp.Lookup
	case byNumber:
		claims["zuora_account_ids"] = r.names(p, func(a billing.Account) string { return a.Number })
	default:
		claims["zuora_account_ids"] = r.names(p, func(a billing.Account) string { return a.ID })
	}
	var answer struct {
		Token string `json:"id_token"`
	}
	err := call(ctx, http.MethodPost, r.stack.IDPURL+"/_sandbox/token?issuer="+issuer, "", claims, &answer)
	return answer.Token, err
}

func (r *run) names(p person, name func(billing.Account) string) []string {
	var out []string
	for _, a := range p.accounts {
		out = append(out, name(r.world.accounts[a]))
	}
	return out
}

// trigger signs a person in as Cognito does, which must get its event back.
func (r *run) trigger(ctx context.Context, p person) error {
	event := cognitoEvent(p, r.names(p, func(a billing.Account) string { return a.ID }))
	address := r.stack.InvokeURL + "/2015-03-31/functions/login/invocations"
	res, back, err := stack.Send(ctx, client, http.MethodPost, address, "", event)
	switch {
	case err != nil:
		return fmt.Errorf("trigger: %w", err)
	case res.StatusCode != http.StatusOK || res.Header.Get("X-Amz-Function-Error") != "":
		return fmt.Errorf("trigger failed a login: %d %s", res.StatusCode, res.Header.Get("X-Amz-Function-Error"))
	case !bytes.Equal(bytes.TrimSpace(back), event):
		return errors.New("trigger: Cognito got another event back than it sent")
	}
	return nil
}

func cognitoEvent(p person, accounts []string) []byte {
	list, err := json.Marshal(accounts)
	if err != nil {
		panic(err) // strings always encode
	}
	event, err := json.Marshal(
		doc{
			"version":       "1",
			"triggerSource": "PostAuthentication_Authentication",
			"region":        poolRegion,
			"userPoolId":    poolID,
			"userName":      p.subject,
			"callerContext": doc{"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "4exampleclientid"},
			"request": doc{
				"userAttributes": doc{"sub": p.subject, "email": p.email, "custom:zuora_account_ids": string(list)},
				"newDeviceUsed":  false,
			},
			"response": doc{},
		},
	)
	if err != nil {
		panic(err)
	}
	return event
}

// drain waits until both queues are empty and stay so for a moment, since SQS
// counts approximately.
func (r *run) drain(ctx context.Context) error {
	limit := time.Now().Add(drainLimit)
	empty := 0
	for empty < 3 {
		left := 0
		for _, q := range []*syncqueue.Queue{r.queue, r.dead} {
			d, err := q.Depth(ctx)
			if err != nil {
				return err
			}
			left += d.Visible + d.InFlight + d.Delayed
		}
		empty++
		if left > 0 {
			empty = 0
		}
		if time.Now().After(limit) {
			return fmt.Errorf("%d messages are left in the queues after %s", left, drainLimit)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	return nil
}

// nextLogin waits until a trigger counts as a new login.
func nextLogin(ctx context.Context) error {
	now := time.Now()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(now.Truncate(sameLogin).Add(sameLogin).Sub(now) + 100*time.Millisecond):
		return nil
	}
}

// events reads every event of the run.
func (r *run) events(ctx context.Context) (map[string]hotsync.Event, error) {
	all := map[string]hotsync.Event{}
	q := eventstore.Query{From: r.started.Add(-time.Minute), Limit: eventstore.MaxLimit, Full: true}
	for {
		page, err := r.store.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			all[e.ID] = e
		}
		if page.Cursor == "" {
			return all, nil
		}
		q.Cursor = page.Cursor
	}
}

// soak is the whole run: logins under faults, quiet, and the account given.
func soak(ctx context.Context, opt options) (_ *report, err error) {
	r, err := begin(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	random := rand.New(rand.NewPCG(opt.seed, 0))
	r.world = newWorld(random, opt.accounts)
	p := newPlan(random, r.world, opt.logins)
	r.say(
		"seed %d: %d accounts, %d people, %d logins over %s; logs in %s",
		opt.seed,
		opt.accounts,
		len(r.world.people),
		opt.logins,
		opt.duration,
		filepath.Join(r.stack.Dir, "logs"),
	)
	r.started = time.Now()
	err = r.stock(ctx, p.initial)
	if err == nil {
		err = r.perform(ctx, p.ops, opt.duration)
	}
	if err == nil {
		r.say("the last change was made: %d people sign in once more", len(p.closing))
		err = nextLogin(ctx)
	}
	if err == nil {
		err = r.perform(ctx, p.closing, opt.duration/10)
	}
	if err == nil {
		err = r.misbehave(ctx, false)
	}
	if err != nil {
		return nil, err
	}
	return r.conclude(ctx)
}

// conclude waits for quiet and looks at what there is.
func (r *run) conclude(ctx context.Context) (*report, error) {
	out, events, err := r.quiet(ctx)
	if err != nil {
		return nil, err
	}
	return out, r.amend(ctx, out, events)
}

// quiet waits for empty queues and counts what came of the logins.
func (r *run) quiet(ctx context.Context) (*report, map[string]hotsync.Event, error) {
	began := time.Now()
	err := r.drain(ctx)
	if err != nil {
		return nil, nil, err
	}
	out := &report{drain: time.Since(began)}
	r.say("faults off, queues empty after %s", out.drain.Round(100*time.Millisecond))
	events, err := r.events(ctx)
	out.summarise(events)
	return out, events, err
}

// amend lets those sign in again whose sync failed in sight of everybody, or who do
// not see what they may, and looks at what there is then.
func (r *run) amend(ctx context.Context, out *report, events map[string]hotsync.Event) error {
	again := r.unlucky(events)
	out.again = len(again)
	s, err := r.see(ctx)
	if err != nil {
		return err
	}
	c := claimsOf(r.tried, r.signed)
	early := r.strangers(s, c)
	for _, person := range r.unseeing(s, c) {
		if !slices.ContainsFunc(again, func(o op) bool { return o.person == person }) {
			again = append(again, op{kind: doLogin, person: person, named: c.last[person]})
			out.unseeing++
		}
	}
	if len(again) > 0 {
		r.say("%d people whose sync failed visibly sign in once more, and %d who do not see what they may",
			out.again, out.unseeing)
		err = nextLogin(ctx)
		if err == nil {
			err = r.perform(ctx, again, 0)
		}
		if err == nil {
			err = r.drain(ctx)
		}
		if err == nil {
			events, err = r.events(ctx)
		}
		if err != nil {
			return err
		}
	}
	if r.plant != nil {
		err = r.plant(ctx, r)
		if err != nil {
			return err
		}
	}
	out.did, out.saw = r.tally, r.watch.seen()
	err = r.check(ctx, out, events)
	if len(out.strangers) == 0 {
		out.strangers = early
	}
	return err
}
