package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"hotsync/local/stack"
)

// fault is a way to misbehave, as package sandbox takes it, with a name.
type fault struct {
	name        string
	Match       string            `json:"match"`
	Probability float64           `json:"probability"`
	LatencyMS   int               `json:"latencyMs,omitempty"`
	Status      int               `json:"status,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Body        json.RawMessage   `json:"body,omitempty"`
	Hang        bool              `json:"hang,omitempty"`
	Drop        bool              `json:"drop,omitempty"`
	Truncate    bool              `json:"truncate,omitempty"`
	After       bool              `json:"after,omitempty"`
}

// place is somewhere a fault can happen.
type place struct {
	name    string
	url     string
	seed    uint64
	latency time.Duration // of every answer
	faults  []fault
	away    bool
}

// The names of the places that can be away for minutes.
const zuoraName, limioName = "Zuora", "Limio"

// away is what an upstream does that is away: it says so, limits everybody, or says nothing.
var away = []fault{
	{Match: "* /**", Probability: 0.2, Drop: true},
	{Match: "* /**", Probability: 0.2, Status: http.StatusTooManyRequests, Headers: map[string]string{"Retry-After": "2"}},
	{Match: "* /**", Probability: 0.3, Status: http.StatusBadGateway},
	{Match: "* /**", Probability: 1, Status: http.StatusServiceUnavailable},
}

// The names of the faults: the rows of the table.
const (
	fault429Asked  = "429 with Retry-After"
	fault429       = "429 without Retry-After"
	faultBusy      = "429 concurrency limit"
	fault5xx       = "5xx"
	faultFalse     = "200 with success:false"
	faultHang      = "hang-up: no answer at all"
	faultDrop      = "hang-up: connection dropped"
	faultTruncated = "truncated body"
	faultSlow      = "slow answer"
	faultJSON      = "wrong JSON"
	faultToken     = "token refused (401)"
	faultLost      = "answer lost after a write was taken"
	faultThrottled = "AWS throttling"
)

const any200 = http.StatusOK

// zuoraFaults are what Zuora can do to a reader. share scales all of them.
func zuoraFaults(share float64) []fault {
	everything := func(name string, probability float64, f fault) fault {
		f.name, f.Match, f.Probability = name, "* /**", probability*share
		return f
	}
	// Not at the token endpoint, whose quota is by the minute: all would wait so long.
	reading := func(name string, probability float64, f fault) fault {
		f = everything(name, probability, f)
		f.Match = "GET /**"
		return f
	}
	limited := json.RawMessage(`{"reasons":[{"code":70,"message":"API Rate limit exceeded for the minute"}]}`)
	busy := json.RawMessage(`{"success":false,"reasons":[{"code":50000070,"message":"Concurrency limit exceeded"}]}`)
	system := json.RawMessage(`{"reasons":[{"code":"SystemError","message":"..."}]}`)
	refused := json.RawMessage(`{"success":false,"reasons":[{"code":"90000011","message":"Authentication error"}]}`)
	other := json.RawMessage(`{"success":true,"basicInfo":7,"subscriptions":{},"id":[]}`)
	failure := func(code int, message string) json.RawMessage {
		return fmt.Appendf(nil, `{"success":false,"processId":"0000000000000000","reasons":[{"code":%d,"message":%q}]}`,
			code, message)
	}
	after := func(seconds string) map[string]string { return map[string]string{"Retry-After": seconds} }
	return []fault{
		reading(fault429Asked, 0.001, fault{Status: 429, Headers: after("1"), Body: limited}),
		reading(fault429, 0.001, fault{Status: 429, Headers: map[string]string{"RateLimit-Reset": "2"}, Body: limited}),
		reading(faultBusy, 0.002, fault{Status: 429, Headers: after("2"), Body: busy}),
		everything(fault5xx, 0.004, fault{Status: 503}),
		everything(fault5xx, 0.002, fault{Status: 500, Body: system}),
		everything(faultFalse, 0.004, fault{Status: any200, Body: failure(50000050, "Lock competition")}),
		everything(faultFalse, 0.0003, fault{Status: any200, Body: failure(50000020, "Invalid value")}),
		everything(faultDrop, 0.004, fault{Drop: true}),
		everything(faultTruncated, 0.004, fault{Truncate: true}),
		everything(faultJSON, 0.002, fault{Status: any200, Body: json.RawMessage(`"<html>maintenance</html>"`)}),
		everything(faultJSON, 0.002, fault{Status: any200, Body: other}),
		reading(faultToken, 0.002, fault{Status: 401, Body: refused}),
		everything(faultSlow, 0.006, fault{LatencyMS: 1500}),
		everything(faultHang, 0.0003, fault{Hang: true}),
	}
}

// limioFaults are what Limio can do to a reader and writer.
func limioFaults(share float64) []fault {
	var out []fault
	on := func(match, name string, probability float64, f fault) {
		f.name, f.Match, f.Probability = name, match, probability*share
		out = append(out, f)
	}
	on("* /**", fault429Asked, 0.001, fault{Status: 429, Headers: map[string]string{"Retry-After": "1"}})
	on("* /**", fault429, 0.001, fault{Status: 429})
	on("* /**", fault5xx, 0.002, fault{Status: 502})
	on("POST /api/**", faultLost, 0.002, fault{Drop: true, After: true})
	on("PUT /api/**", faultLost, 0.004, fault{Drop: true, After: true})
	on("POST /api/**", faultLost, 0.001, fault{Status: 504, After: true})
	on("* /**", faultDrop, 0.001, fault{Drop: true})
	on("* /**", faultTruncated, 0.001, fault{Truncate: true})
	on("* /**", faultJSON, 0.001, fault{Status: any200, Body: json.RawMessage(`"<html>maintenance</html>"`)})
	on("* /api/**", faultToken, 0.001, fault{Status: 401})
	on("* /**", faultSlow, 0.002, fault{LatencyMS: 1500})
	on("* /**", faultHang, 0.00005, fault{Hang: true})
	return out
}

// awsFaults are what DynamoDB and SQS can do; kind is the error by which the
// service throttles.
func awsFaults(share float64, kind string) []fault {
	thrown := func(kind string) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"__type":%q,"message":"..."}`, kind))
	}
	amz := map[string]string{"Content-Type": "application/x-amz-json-1.0"}
	return []fault{
		{
			name:        fault5xx,
			Match:       "POST /**",
			Probability: 0.002 * share,
			Status:      500,
			Headers:     amz,
			Body:        thrown("InternalServerError"),
		},
		{
			name:        faultThrottled,
			Match:       "POST /**",
			Probability: 0.002 * share,
			Status:      400,
			Headers:     amz,
			Body:        thrown(kind),
		},
		{name: faultDrop, Match: "POST /**", Probability: 0.001 * share, Drop: true},
		{name: faultLost, Match: "POST /**", Probability: 0.003 * share, Drop: true, After: true},
		{name: faultTruncated, Match: "POST /**", Probability: 0.001 * share, Truncate: true},
		{name: faultSlow, Match: "POST /**", Probability: 0.002 * share, LatencyMS: 400},
	}
}

// keyFaults are what an identity provider can do when its keys are read.
func keyFaults(share float64) []fault {
	return []fault{{name: fault5xx, Match: "GET /*/jwks", Probability: min(1, 0.05*share), Status: 503}}
}

// misbehave makes a place misbehave from now on; without faults it behaves.
func (p *place) misbehave(ctx context.Context, faults []fault) error {
	if faults == nil {
		faults = []fault{}
	}
	return call(
		ctx,
		http.MethodPut,
		p.url+"/_sandbox/behaviour",
		"",
		map[string]any{"seed": p.seed, "latencyMs": p.latency.Milliseconds(), "faults": faults},
		nil,
	)
}

// fired adds up how often each kind of fault happened since the last misbehave.
func (p *place) fired(ctx context.Context, into map[string]int) error {
	var now struct {
		Faults []struct {
			Fired int `json:"fired"`
		} `json:"faults"`
	}
	err := call(ctx, http.MethodGet, p.url+"/_sandbox/behaviour", "", nil, &now)
	if err != nil {
		return err
	}
	for i, f := range now.Faults {
		if i < len(p.faults) && !p.away {
			into[p.faults[i].name] += f.Fired
		}
	}
	return nil
}

// client keeps as many connections as there are logins under way.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}

// call is stack.Call with that client.
func call(ctx context.Context, method, address, bearer string, body, into any) error {
	return stack.Call(ctx, client, method, address, bearer, body, into)
}
