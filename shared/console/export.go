package console

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// exportLimit bounds an export: a Lambda answer has at most 6 MB, and API
// Gateway waits 30 seconds.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const exportLimit = 20_000

// exportTime is when an export ends with what it has.
const exportTime = 20 * time.Second

// exported is an event as an export has it: what a list shows, masked.
type exported struct {
	ID            string         `json:"id"`
	RequestedAt   time.Time      `json:"requestedAt"`
	Status        hotsync.Status `json:"status"`
	Reason        string         `json:"reason,omitempty"`
	AccountID     string         `json:"accountId,omitempty"`
	AccountNumber string         `json:"accountNumber,omitempty"`
	Subject       string         `json:"subject,omitempty"` // masked
	Trigger       string         `json:"trigger"`
	Provider      string         `json:"provider,omitempty"`
	FinishedAt    time.Time      `json:"finishedAt,omitzero"`
	MS            int64          `json:"ms,omitempty"` // from request to end
	Attempts      int            `json:"attempts"`
	Changes       int            `json:"changes"`
	Warnings      int            `json:"warnings"`
	Attention     int            `json:"attention"` // findings somebody has to act on
	Explanation   string         `json:"explanation"`
	Todo          string         `json:"todo,omitempty"`
	CoveredBy     string         `json:"coveredBy,omitempty"`
	RetryOf       string         `json:"retryOf,omitempty"`
	RetriedBy     string         `json:"retriedBy,omitempty"`
}

func export(e hotsync.Event) exported {
	x := exported{
		ID:            e.ID,
		RequestedAt:   e.RequestedAt.UTC(),
		Status:        e.Status,
		Reason:        e.Reason,
		AccountID:     e.Account.ID,
		AccountNumber: e.Account.Number,
		Subject:       mask(e.Subject),
		Trigger:       string(e.Trigger),
		Provider:      e.Provider,
		FinishedAt:    e.FinishedAt.UTC(),
		Attempts:      e.AttemptCount,
		Changes:       e.ChangeCount,
		Warnings:      e.FindingCount,
		Attention:     e.AttentionCount,
		Explanation:   explain(e),
		Todo:          todo(e),
		CoveredBy:     e.CoveredBy,
		RetryOf:       e.RetryOf,
		RetriedBy:     e.RetriedBy,
	}
	if !e.FinishedAt.IsZero() {
		x.MS = e.FinishedAt.Sub(e.RequestedAt).Milliseconds()
	}
	return x
}

var csvHead = []string{
	"id",
	"requestedAt",
	"status",
	"reason",
	"accountId",
	"accountNumber",
	"subject",
	"trigger",
	"provider",
	"finishedAt",
	"ms",
	"attempts",
	"changes",
	"warnings",
	"explanation",
	"todo",
	"coveredBy",
	"retryOf",
	"retriedBy",
	"attention",
}

func (x exported) cells() []string {
	finished := ""
	if !x.FinishedAt.IsZero() {
		finished = x.FinishedAt.Format(time.RFC3339Nano)
	}
	out := []string{
		x.ID,
		x.RequestedAt.Format(time.RFC3339Nano),
		string(x.Status),
		x.Reason,
		x.AccountID,
		x.AccountNumber,
		x.Subject,
		x.Trigger,
		x.Provider,
		finished,
		strconv.FormatInt(x.MS, 10),
		strconv.Itoa(x.Attempts),
		strconv.Itoa(x.Changes),
		strconv.Itoa(x.Warnings),
		x.Explanation,
		x.Todo,
		x.CoveredBy,
		x.RetryOf,
		x.RetriedBy,
		strconv.Itoa(x.Attention),
	}
	for i, s := range out {
		out[i] = cell(s)
	}
	return out
}

// cell makes a text safe in a spreadsheet: one that would begin a formula gets
// an apostrophe before it, and control characters become blanks.
// https://owasp.org/www-community/attacks/CSV_Injection
func cell(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	// Spreadsheets skip blanks before a formula, and take the full-width signs for
	// the plain ones.
	first := strings.TrimLeft(s, " \u00a0\u3000\ufeff")
	if first != "" && strings.ContainsRune("=+-@|%＝＋－＠", []rune(first)[0]) {
		return "'" + s
	}
	return s
}

// exporter writes the lines of an export.
type exporter interface {
	event(e hotsync.Event) error
	// incomplete says in a last line that the export is not all that the filter
	// finds, so that nobody takes it for the whole.
	incomplete(why string) error
	flush() error
}

type csvExporter struct{ *csv.Writer }

func (x csvExporter) event(e hotsync.Event) error { return x.Write(export(e).cells()) }
func (x csvExporter) incomplete(why string) error { return x.Write([]string{"INCOMPLETE: " + why}) }
func (x csvExporter) flush() error {
	x.Flush()
	return x.Error()
}

type jsonExporter struct{ *json.Encoder }

func (x jsonExporter) event(e hotsync.Event) error { return x.Encode(export(e)) }
func (x jsonExporter) incomplete(why string) error {
	return x.Encode(map[string]string{"incomplete": why})
}
func (jsonExporter) flush() error { return nil }

func (c *console) exportCSV(w http.ResponseWriter, r *http.Request, m member) error {
	return c.export(w, r, m, "csv", "text/csv; charset=utf-8; header=present", func(w io.Writer) (exporter, error) {
		x := csvExporter{csv.NewWriter(w)}
		return x, x.Write(csvHead)
	})
}

func (c *console) exportJSON(w http.ResponseWriter, r *http.Request, m member) error {
	return c.export(w, r, m, "jsonl", "application/x-ndjson; charset=utf-8", func(w io.Writer) (exporter, error) {
		return jsonExporter{json.NewEncoder(w)}, nil
	})
}

// export streams what a filter finds, up to a bound.
func (c *console) export(
	w http.ResponseWriter,
	r *http.Request,
	m member,
	suffix, kind string,
	begin func(io.Writer) (exporter, error),
) error {
	f, err := parseFilter(r.URL.Query(), c.here(r))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), exportTime)
	defer cancel()
	first, err := c.search(ctx, f, eventstore.MaxLimit, "", false)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set(
		"Content-Disposition",
		`attachment; filename="hotsync-events-`+c.Now().UTC().Format("20060102T150405Z")+"."+suffix+`"`,
	)
	x, err := begin(w)
	n := 0
	if err == nil {
		n, err = c.exportPages(ctx, w, x, f, first)
	}
	c.record(r.Context(), m, act{Action: "export", Filter: f.Encode(), Result: strconv.Itoa(n)})
	if err != nil {
		c.Log.WarnContext(r.Context(), "export not written", "error", err) // its reader went away
	}
	return nil
}

// exportPages writes pages to the end or the bound, and says how many events
// it wrote. An error is one of writing; what cannot be read ends the export with
// a line that says so.
func (c *console) exportPages(
	ctx context.Context,
	w http.ResponseWriter,
	x exporter,
	f filter,
	page eventstore.Page,
) (n int, err error) {
	for {
		for _, e := range page.Events {
			err = x.event(e)
			if err != nil {
				return n, err
			}
			n++
		}
		err = x.flush()
		if err != nil || page.Cursor == "" {
			return n, err
		}
		// Behind API Gateway nothing can be flushed; that is no fault.
		_ = http.NewResponseController(w).Flush()
		why := ""
		if n >= exportLimit {
			why = "an export has at most " + strconv.Itoa(exportLimit) + " events; narrow the time to get the rest."
		} else if page, err = c.search(ctx, f, eventstore.MaxLimit, page.Cursor, false); err != nil {
			c.Log.ErrorContext(ctx, "export broken off", "error", err)
			why = hotsync.AsError(err).Message
		}
		if why != "" {
			err = x.incomplete(why)
			if err != nil {
				return n, err
			}
			return n, x.flush()
		}
	}
}
