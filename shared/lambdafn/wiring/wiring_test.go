package wiring_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"hotsync/shared/lambdafn/wiring"
)

// What has no logger of its own, such as the queue when a sync panics, writes as
// everything else does: JSON with the request id, by LOG_LEVEL.
func TestLinesWithoutALoggerAreLikeTheOthers(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })

	var lines bytes.Buffer
	environment := map[string]string{"LOG_LEVEL": "warn", "AWS_REGION": "eu-west-1"}
	wiring.New(t.Context(), func(name string) string { return environment[name] }, &lines)
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "request-1"})
	slog.InfoContext(ctx, "below the level")
	slog.ErrorContext(ctx, "panic")
	var got struct {
		Level, Msg string
		Request    string `json:"request_id"`
	}
	err := json.Unmarshal(lines.Bytes(), &got)
	if err != nil || got.Level != "ERROR" || got.Msg != "panic" || got.Request != "request-1" {
		t.Errorf("lines = %q (%v), want one line of JSON with its request", lines.Bytes(), err)
	}
}

func TestOptionalText(t *testing.T) {
	t.Parallel()

	environment := map[string]string{"AWS_REGION": "eu-west-1", "GIVEN": "text\n"}
	p := wiring.New(t.Context(), func(name string) string { return environment[name] }, &bytes.Buffer{})
	if p.OptionalText("ABSENT") != nil {
		t.Error("a secret that no variable names can be read")
	}
	got, err := p.OptionalText("GIVEN")(t.Context())
	if err != nil || got != "text" {
		t.Errorf("OptionalText = %q, %v; want text", got, err)
	}
}

// TestErr: what a part needs of the environment is said in one line before the first
// login, with the variable's name, and never what a secret holds.
func TestErr(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-west-1") // which the AWS SDK reads from the process
	whole := map[string]string{
		"SEARCH_KEY":   "0123456789012345678901234567890123456789",
		"EVENTS_TABLE": "events", "SETTINGS_TABLE": "settings", "OWNERSHIP_TABLE": "ownership",
		"QUEUE_URL":      "https://sqs.eu-west-1.amazonaws.com/1/q.fifo",
		"ZUORA_BASE_URL": "https://rest.eu.zuora.com", "ZUORA": `{"clientId": "z", "clientSecret": "canary"}`,
		"LIMIO_BASE_URL": "https://acme.prod.limio.com", "LIMIO": `{"clientId": "l", "clientSecret": "canary"}`,
		"CALLOUT": `{"hmacKey": "canary"}`, "JOBS_FUNCTION": "reconcile:live",
	}
	events := func(p *wiring.Parts) { p.Events() }
	catalogue := func(p *wiring.Parts) { p.CatalogueStore() }
	calloutSecret := func(p *wiring.Parts) { p.CalloutSecret() }
	zuoraClient := func(p *wiring.Parts) { p.Zuora() }
	limioClient := func(p *wiring.Parts) { p.Limio() }
	syncerOf := func(p *wiring.Parts) { p.Syncer(p.Events(), p.Queue("QUEUE_URL"), p.Zuora(), p.Settings()) }
	for _, tc := range []struct {
		name   string
		part   func(*wiring.Parts)
		change string // of a variable, as NAME=value; no value takes it away
		want   string // the variable that is named; "" for no error
	}{
		{"nothing", func(*wiring.Parts) {}, "", ""},
		{"nothing, without the search key", func(*wiring.Parts) {}, "SEARCH_KEY=", "SEARCH_KEY"},
		{"events", events, "", ""},
		{"events, no table", events, "EVENTS_TABLE=", "EVENTS_TABLE"},
		{"events, kept for no day", events, "EVENT_RETENTION_DAYS=0", "EVENT_RETENTION_DAYS"},
		{"events, kept for 3,650 days", events, "EVENT_RETENTION_DAYS=3650", ""},
		{"events, kept for longer", events, "EVENT_RETENTION_DAYS=3651", "EVENT_RETENTION_DAYS"},
		{"settings", func(p *wiring.Parts) { p.Settings() }, "SETTINGS_TABLE=", "SETTINGS_TABLE"},
		{"ownership", func(p *wiring.Parts) { p.Ownership() }, "OWNERSHIP_TABLE= ", "OWNERSHIP_TABLE"},
		{"queue", func(p *wiring.Parts) { p.Queue("QUEUE_URL") }, "QUEUE_URL=", "QUEUE_URL"},
		{"pauses", func(p *wiring.Parts) { p.Pauses() }, "EVENTS_TABLE=", "EVENTS_TABLE"},
		{"jobs", func(p *wiring.Parts) { p.Jobs() }, "EVENTS_TABLE=", "EVENTS_TABLE"},
		{"Zuora", zuoraClient, "", ""},
		{"Zuora, no address", zuoraClient, "ZUORA_BASE_URL=", "ZUORA_BASE_URL"},
		{"Zuora, in the clear", zuoraClient, "ZUORA_BASE_URL=http://rest.zuora.com", "ZUORA_BASE_URL"},
		{"Zuora, no credentials", zuoraClient, "ZUORA=", "ZUORA"},
		{"Zuora, credentials that are none", zuoraClient, `ZUORA={"clientId": "canary"`, "ZUORA"},
		{"Zuora, too much at once", zuoraClient, "ZUORA_CONCURRENCY=201", "ZUORA_CONCURRENCY"},
		{"Limio", limioClient, "", ""},
		{"Limio, no address", limioClient, "LIMIO_BASE_URL=", "LIMIO_BASE_URL"},
		{"Limio, with a path", limioClient, "LIMIO_BASE_URL=https://acme.prod.limio.com/api", "LIMIO_BASE_URL"},
		{"Limio, no credentials", limioClient, "LIMIO=", "LIMIO"},
		{"catalogue", catalogue, "", ""},
		{"catalogue, no table", catalogue, "EVENTS_TABLE=", "EVENTS_TABLE"},
		{"callouts", calloutSecret, "", ""},
		{"callouts by password", calloutSecret, `CALLOUT={"username": "u", "password": "canary"}`, ""},
		{"callouts by half of it", calloutSecret, `CALLOUT={"password": "canary"}`, "CALLOUT"},
		{"callouts by other half", calloutSecret, `CALLOUT={"username": "canary"}`, "CALLOUT"},
		{"callouts, no JSON", calloutSecret, "CALLOUT=canary", "CALLOUT"},
		{"callouts, no secret", calloutSecret, "CALLOUT=", "CALLOUT"},
		{"kick", func(p *wiring.Parts) { p.Kick("JOBS_FUNCTION") }, "", ""},
		{"kick of nothing", func(p *wiring.Parts) { p.Kick("JOBS_FUNCTION") }, "JOBS_FUNCTION=", "JOBS_FUNCTION"},
		{"syncer", syncerOf, "", ""},
		{"syncer, tries", syncerOf, "MAX_ATTEMPTS=0", "MAX_ATTEMPTS"},
		{"syncer, waits for 72 hours", syncerOf, "MAX_WAIT_HOURS=72", ""},
		{"syncer, waits for longer", syncerOf, "MAX_WAIT_HOURS=73", "MAX_WAIT_HOURS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			environment := maps.Clone(whole)
			if variable, value, ok := strings.Cut(tc.change, "="); ok {
				environment[variable] = value
			}
			var logs bytes.Buffer
			p := wiring.New(t.Context(), func(name string) string { return environment[name] }, &logs)
			tc.part(p)
			err := p.Err()
			said := ""
			if err != nil {
				said = err.Error()
			}
			problems := strings.Split(said, "; ")
			if (said != "") != (tc.want != "") || len(problems) != 1 || tc.want != "" && !strings.Contains(said, tc.want+" ") {
				t.Errorf("Err() = %v, want what is wrong with %q alone", err, tc.want)
			}
			if strings.Contains(said+logs.String(), "canary") {
				t.Errorf("a secret is told: %s %s", said, &logs)
			}
		})
	}
}
