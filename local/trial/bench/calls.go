package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

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
const apart = 50 * time.Millisecond

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

// callRows count what each kind of login calls. None of it depends on the computer.
func callRows(ctx context.Context, b *bench) ([]row, error) {
	m, err := b.metered(ctx, stack.Options{})
	if err != nil {
		return nil, err
	}
	defer m.close()
	defer m.Close()
	var rows []row
	count := func(kind, token, want string) error {
		c, err := m.measureLogin(ctx, token, want)
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		all := slices.Concat(c.login, c.sync)
		chain := meter.InSequence(c.sync)
		detail := fmt.Sprintf("login function %d calls, sync function %d", len(c.login), len(c.sync))
		rows = append(
			rows,
			row{name: kind + ": write units", value: float64(meter.Units(all)), fixed: true, detail: detail},
			row{
				name:   kind + ": store calls one after the other",
				value:  float64(len(chain)),
				fixed:  true,
				detail: words(chain),
			},
			row{name: kind + ": Zuora calls", value: float64(c.zuora), fixed: true},
			row{name: kind + ": Limio reads", value: float64(c.reads), fixed: true},
			row{name: kind + ": Limio writes", value: float64(c.writes), fixed: true},
		)
		return nil
	}
	person := func(n int, claim any) (string, error) {
		return m.token(ctx, "direct", map[string]any{"sub": fmt.Sprint("direct|", n), "zuora_account_ids": claim})
	}
	warm, err := m.putAccount(ctx, 0, 3)
	if err != nil {
		return nil, err
	}
	token, err := person(0, warm)
	if err != nil {
		return nil, err
	}
	_, err = m.sync(ctx, token) // which fetches tokens, settings and catalogue
	if err != nil {
		return nil, err
	}
	id, err := m.putAccount(ctx, 1, 3)
	if err != nil {
		return nil, err
	}
	for _, login := range []struct {
		kind   string
		reason string
		before func() error
	}{
		{kind: "first login, 3 subscriptions", reason: hotsync.ReasonChanged},
		{kind: "unchanged login, 3 subscriptions", reason: hotsync.ReasonUnchanged},
		{kind: "login after one more subscription", reason: hotsync.ReasonChanged, before: func() error {
			_, err := m.putAccount(ctx, 1, 4)
			return err
		}},
	} {
		if login.before != nil {
			err = login.before()
			if err != nil {
				return nil, err
			}
		}
		token, err := m.token(
			ctx,
			"direct",
			map[string]any{"sub": "direct|1", "zuora_account_ids": id, "nonce": login.kind},
		)
		if err != nil {
			return nil, err
		}
		err = count(login.kind, token, login.reason)
		if err != nil {
			return nil, err
		}
	}
	_, err = m.putAccount(ctx, 2, 3)
	if err != nil {
		return nil, err
	}
	token, err = person(2, fmt.Sprintf("A%08d", 20000+2))
	if err != nil {
		return nil, err
	}
	return rows, count("first login by account number", token, hotsync.ReasonChanged)
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

// planVRows count what a login calls where Zuora is read through v1 alone.
func planVRows(ctx context.Context, b *bench) ([]row, error) {
	m, err := b.metered(ctx, stack.Options{Settings: func(s *hotsync.Settings) { s.ZuoraPlan = hotsync.PlanV }})
	if err != nil {
		return nil, err
	}
	defer m.close()
	defer m.Close()
	var rows []row
	for n, login := range []struct{ kind, reason string }{
		{"", hotsync.ReasonChanged}, // which fetches tokens, settings and catalogue
		{"first login on plan V", hotsync.ReasonChanged},
		{"unchanged login on plan V", hotsync.ReasonUnchanged},
	} {
		who := min(n, 1)
		id, err := m.putAccount(ctx, who, 3)
		if err != nil {
			return nil, err
		}
		token, err := m.token(
			ctx,
			"direct",
			map[string]any{"sub": fmt.Sprint("direct|", who), "zuora_account_ids": id, "nonce": login.kind},
		)
		if err != nil {
			return nil, err
		}
		c, err := m.measureLogin(ctx, token, login.reason)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", login.kind, err)
		}
		if login.kind != "" {
			rows = append(rows, row{name: login.kind + ": Zuora calls", value: float64(c.zuora), fixed: true},
				row{name: login.kind + ": Limio reads", value: float64(c.reads), fixed: true})
		}
	}
	return rows, nil
}
