package telemetry

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// NewLogger returns the logger of a function: a JSON object a line, with the
// Lambda request id. level is debug, info, warn or error; anything else is info.
func NewLogger(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	err := l.UnmarshalText([]byte(strings.ToUpper(level)))
	if err != nil {
		l = slog.LevelInfo
	}
	return slog.New(requestIDs{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l})})
}

// requestIDs adds the id of the Lambda invocation to every line.
type requestIDs struct{ slog.Handler }

func (h requestIDs) Handle(ctx context.Context, r slog.Record) error {
	lc, ok := lambdacontext.FromContext(ctx)
	if ok {
		r.AddAttrs(slog.String("request_id", lc.AwsRequestID))
	}
	return h.Handler.Handle(ctx, r)
}

func (h requestIDs) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestIDs{h.Handler.WithAttrs(attrs)}
}

func (h requestIDs) WithGroup(name string) slog.Handler { return requestIDs{h.Handler.WithGroup(name)} }
