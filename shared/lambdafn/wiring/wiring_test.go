package wiring_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
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
