package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hotsync/local/sandbox/idp"
	"hotsync/local/stack"
	"hotsync/local/stack/engines"
	"hotsync/local/stack/meter"
	"hotsync/local/stack/template"
	"hotsync/shared/hotsync"
)

// metered is a system whose calls to AWS are counted, in memory engines that all measurements share.
type metered struct {
	*system
	meter   *meter.Meter
	engines *engines.Engines // not metered
	close   func()
}

// apart is what a metered call takes, so long that calls side by side are seen to be that.
const apart = 150 * time.Millisecond

func (b *bench) metered(ctx context.Context, opt stack.Options) (_ *metered, err error) {
	m := &metered{meter: &meter.Meter{Pace: apart}, engines: b.engines}
	dynamo, err := m.meter.Before(b.engines.DynamoDBEndpoint)
	if err != nil {
		return nil, err
	}
	queue, err := m.meter.Before(b.engines.SQSEndpoint)
	if err != nil {
		dynamo.Close()
		return nil, err
	}
	opt.Engines = &engines.Engines{DynamoDBEndpoint: b.engines.DynamoDBEndpoint, SQSEndpoint: b.engines.SQSEndpoint}
	opt.Env = append(opt.Env, "AWS_ENDPOINT_URL_DYNAMODB="+dynamo.URL, "AWS_ENDPOINT_URL_SQS="+queue.URL)
	opt.Adjust = func(t *template.Template) { m.meter.Functions(t) }
	m.system, err = b.stack(ctx, opt)
	m.close = func() { dynamo.Close(); queue.Close() }
	if err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

// cost is what one login called.
type cost struct {
	login, sync          []meter.Call
	zuora, reads, writes int
}

// measureLogin signs in and counts what that calls until its event is final.
func (m *metered) measureLogin(ctx context.Context, token string, want string) (c cost, err error) {
	zuoraBefore, err := m.requests(ctx, m.ZuoraURL)
	if err != nil {
		return c, err
	}
	limioBefore, err := m.requests(ctx, m.LimioURL)
	if err != nil {
		return c, err
	}
	err = m.quiet(ctx) // the counts of the login before are written after its end
	if err != nil {
		return c, err
	}
	m.meter.Taken()
	e, err := m.sync(ctx, token)
	if err != nil {
		return c, err
	}
	if e.Reason != want {
		return c, fmt.Errorf("the login ended as %s %s, want %s", e.Status, e.Reason, want)
	}
	err = m.quiet(ctx)
	if err != nil {
		return c, err
	}
	for _, call := range m.meter.Taken() {
		switch {
		case call.Function == "LoginApiFunction":
			c.login = append(c.login, call)
		case call.Function == "SyncFunction" && call.Service == "dynamodb" && !call.ByTime():
			c.sync = append(c.sync, call)
		}
	}
	zuoraAfter, err := m.requests(ctx, m.ZuoraURL)
	if err != nil {
		return c, err
	}
	limioAfter, err := m.requests(ctx, m.LimioURL)
	if err != nil {
		return c, err
	}
	c.zuora = len(zuoraAfter) - len(zuoraBefore)
	for _, r := range limioAfter[len(limioBefore):] {
		if r.Method == http.MethodGet {
			c.reads++
		} else {
			c.writes++
		}
	}
	return c, nil
}

// quiet waits until the functions have nothing more to do.
func (m *metered) quiet(ctx context.Context) error {
	queue, _ := m.Template.Queue("SyncQueue")
	client := (&engines.Engines{DynamoDBEndpoint: m.engines.DynamoDBEndpoint, SQSEndpoint: m.engines.SQSEndpoint}).SQS()
	for {
		out, err := client.GetQueueAttributes(
			ctx,
			&sqs.GetQueueAttributesInput{QueueUrl: &queue.URL, AttributeNames: []types.QueueAttributeName{
				types.QueueAttributeNameApproximateNumberOfMessages,
				types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
			}},
		)
		if err != nil {
			return err
		}
		if out.Attributes["ApproximateNumberOfMessages"] == "0" &&
			out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0" {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// tries is how often a kind of login is measured. What differs from one to the next is
// no part of it: a second process of the function may begin, which fetches tokens,
// settings and catalogue, knowledge may be old enough to be read again, and front door
// and sync may write the event at the same moment. The least is the login itself.
const tries = 3

// least are the least of each count of logins of one kind.
type least struct {
	kind, detail, chain                   string
	units, sequence, zuora, reads, writes int
}

func (l *least) take(c cost) {
	all := slices.Concat(c.login, c.sync)
	if l.detail == "" {
		l.units, l.sequence = math.MaxInt, math.MaxInt
		l.zuora, l.reads, l.writes = math.MaxInt, math.MaxInt, math.MaxInt
	}
	if n := meter.Units(all); n <= l.units {
		l.units, l.detail = n, fmt.Sprintf("login function %d calls, sync function %d", len(c.login), len(c.sync))
	}
	if chain := meter.InSequence(c.sync); len(chain) <= l.sequence {
		l.sequence, l.chain = len(chain), words(chain)
	}
	l.zuora, l.reads, l.writes = min(l.zuora, c.zuora), min(l.reads, c.reads), min(l.writes, c.writes)
}

func (l least) rows() []row {
	return []row{
		{name: l.kind + ": write units", value: float64(l.units), fixed: true, detail: l.detail},
		{name: l.kind + ": store calls one after the other", value: float64(l.sequence), fixed: true,
			detail: l.chain},
		{name: l.kind + ": Zuora calls", value: float64(l.zuora), fixed: true},
		{name: l.kind + ": Limio reads", value: float64(l.reads), fixed: true},
		{name: l.kind + ": Limio writes", value: float64(l.writes), fixed: true},
	}
}

// callRows count what each kind of login calls. None of it depends on the computer.
func callRows(ctx context.Context, b *bench) ([]row, error) {
	m, err := b.metered(ctx, stack.Options{})
	if err != nil {
		return nil, err
	}
	defer m.close()
	defer m.Close()
	warm, err := m.putAccount(ctx, 0, 3)
	if err != nil {
		return nil, err
	}
	token, err := m.tokenOf(ctx, 0, warm, "warm")
	if err != nil {
		return nil, err
	}
	_, err = m.sync(ctx, token) // which fetches tokens, settings and catalogue
	if err != nil {
		return nil, err
	}
	kinds := []struct {
		kind, reason  string
		subscriptions int  // of the account, from this login on; 0 leaves it as it is
		isNew         bool // another person, with an account that Limio has not seen
		byNumber      bool
		byLookup      bool
	}{
		{kind: "first login, 3 subscriptions", reason: hotsync.ReasonChanged, subscriptions: 3, isNew: true},
		{kind: "unchanged login, 3 subscriptions", reason: hotsync.ReasonUnchanged},
		{kind: "login after one more subscription", reason: hotsync.ReasonChanged, subscriptions: 4},
		{kind: "first login by account number", reason: hotsync.ReasonChanged, subscriptions: 3, isNew: true, byNumber: true},
		{kind: "first login by look-up", reason: hotsync.ReasonChanged, subscriptions: 3, isNew: true, byLookup: true},
	}
	counts := make([]least, len(kinds))
	who, id := 0, ""
	for range tries {
		for n, k := range kinds {
			if k.isNew {
				who++
			}
			if k.subscriptions > 0 {
				id, err = m.putAccount(ctx, who, k.subscriptions)
				if err != nil {
					return nil, err
				}
			}
			claim := id
			if k.byNumber {
				claim = fmt.Sprintf("A%08d", 20000+who)
			}
			token, err = m.tokenOf(ctx, who, claim, k.kind)
			if k.byLookup {
				token, err = m.token(ctx, idp.Lookup, map[string]any{"sub": lookedUp(who)})
			}
			if err != nil {
				return nil, err
			}
			c, err := m.measureLogin(ctx, token, k.reason)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k.kind, err)
			}
			counts[n].kind = k.kind
			counts[n].take(c)
		}
	}
	var rows []row
	for _, l := range counts {
		rows = append(rows, l.rows()...)
	}
	return rows, nil
}

// words names calls of the sync function.
func words(calls []meter.Call) string {
	names := make([]string, 0, len(calls))
	for _, c := range calls {
		key, _, _ := strings.Cut(c.Key, "#")
		names = append(names, strings.TrimSpace(c.Operation+" "+key))
	}
	return strings.Join(names, ", ")
}

// tokenOf is the token of a sign-in of the nth person, who names an account.
func (m *metered) tokenOf(ctx context.Context, n int, claim, nonce string) (string, error) {
	return m.token(
		ctx,
		"direct",
		map[string]any{"sub": fmt.Sprint("direct|", n), "zuora_account_ids": claim, "nonce": nonce},
	)
}

// planVRows count what a login calls where Zuora is read through v1 alone.
func planVRows(ctx context.Context, b *bench) ([]row, error) {
	m, err := b.metered(ctx, stack.Options{Settings: func(s *hotsync.Settings) { s.ZuoraPlan = hotsync.PlanV }})
	if err != nil {
		return nil, err
	}
	defer m.close()
	defer m.Close()
	logins := []struct{ kind, reason string }{
		{"first login on plan V", hotsync.ReasonChanged},
		{"unchanged login on plan V", hotsync.ReasonUnchanged},
	}
	counts := make([]least, len(logins))
	for who := range tries + 1 {
		id, err := m.putAccount(ctx, who, 3)
		if err != nil {
			return nil, err
		}
		for n, login := range logins {
			token, err := m.tokenOf(ctx, who, id, login.kind)
			if err != nil {
				return nil, err
			}
			c, err := m.measureLogin(ctx, token, login.reason)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", login.kind, err)
			}
			if who > 0 { // the first fetches tokens, settings and catalogue
				counts[n].kind = login.kind
				counts[n].take(c)
			}
		}
	}
	var rows []row
	for _, l := range counts {
		rows = append(rows, row{name: l.kind + ": Zuora calls", value: float64(l.zuora), fixed: true},
			row{name: l.kind + ": Limio reads", value: float64(l.reads), fixed: true})
	}
	return rows, nil
}
