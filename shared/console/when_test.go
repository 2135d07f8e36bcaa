package console

import (
	"testing"
	"time"

	"hotsync/shared/hotsync"
)

// Times are read as people write them, in the zone they live in.
func TestParseWhen(t *testing.T) {
	t.Parallel()

	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 26, 20, 15, 0, 0, berlin) // a Thursday, 19:15 UTC
	for _, tc := range []struct {
		in   string
		end  bool
		want string
	}{
		{"19:40", false, "2026-11-26T18:40:00Z"},
		{"23:40", false, "2026-11-25T22:40:00Z"}, // not yet today
		{"7pm", false, "2026-11-26T18:00:00Z"},
		{"yesterday", false, "2026-11-24T23:00:00Z"},
		{"yesterday", true, "2026-11-25T23:00:00Z"},
		{"Yesterday  19:40", false, "2026-11-25T18:40:00Z"},
		{"yesterday at 19.40", false, "2026-11-25T18:40:00Z"},
		{"today", false, "2026-11-25T23:00:00Z"},
		{"monday", false, "2026-11-22T23:00:00Z"},
		{"2 hours ago", false, "2026-11-26T17:15:00Z"},
		{"an hour ago", false, "2026-11-26T18:15:00Z"},
		{"90 min", false, "2026-11-26T17:45:00Z"},
		{"last 7 days", false, "2026-11-19T19:15:00Z"},
		{"24h", false, "2026-11-25T19:15:00Z"},
		{"7d", false, "2026-11-19T19:15:00Z"},
		{"2026-11-22", false, "2026-11-21T23:00:00Z"},
		{"2026-11-22", true, "2026-11-22T23:00:00Z"},
		{"2026-11-22 09:30", true, "2026-11-22T08:30:00Z"},
		{"2026-11-22T09:30", false, "2026-11-22T08:30:00Z"},
		{"2026-11-22T09:00:00Z", false, "2026-11-22T09:00:00Z"},
		{"2026/11/22", false, "2026-11-21T23:00:00Z"},
		{"22.11.2026", true, "2026-11-22T23:00:00Z"},
		{"5.6.2026 09:30", false, "2026-06-05T07:30:00Z"},
		{"22/11/2026", false, "2026-11-21T23:00:00Z"},
		{"11/22/2026 at 7pm", false, "2026-11-22T18:00:00Z"},
		{"6/6/2026", false, "2026-06-05T22:00:00Z"},
		{"5/6/2026", false, ""}, // in May or in June
		{"22/22/2026", false, ""},
		{"22 Nov", false, "2026-11-21T23:00:00Z"},
		{"22 Nov 19:40", false, "2026-11-22T18:40:00Z"},
		{"24 December", false, "2025-12-23T23:00:00Z"}, // the last one
		{"1 Jan 2026", false, "2025-12-31T23:00:00Z"},
		{"last hour", false, "2026-11-26T18:15:00Z"},
		{"past 2 days", false, "2026-11-24T19:15:00Z"},
		{"18:14 UTC", false, "2026-11-26T18:14:00Z"},
		{"yesterday 7pm GMT", false, "2026-11-25T19:00:00Z"},
		{"noon", false, "2026-11-26T11:00:00Z"},
		{"yesterday midnight", false, "2026-11-24T23:00:00Z"},
		{"last", false, ""},
		{"past pastry", false, ""},
		{"now", true, "2026-11-26T19:15:00Z"},
		{"sometime", false, ""},
		{"25:00", false, ""},
		{"0 hours ago", false, ""},
		{"2026-13-01", false, ""},
	} {
		got, ok := parseWhen(tc.in, tc.end, now)
		if ok != (tc.want != "") || ok && got.Format(time.RFC3339) != tc.want {
			t.Errorf("parseWhen(%q, %t) = %s, %t, want %s", tc.in, tc.end, got.Format(time.RFC3339), ok, tc.want)
		}
		if ok {
			again, ok := parseWhen(written(got, berlin), tc.end, now)
			if !ok || !again.Equal(got) {
				t.Errorf("%q is shown as %q, which is read as %s, %t", tc.in, written(got, berlin), again, ok)
			}
		}
	}
}

// What another package says without a full stop is a sentence all the same.
func TestExplainEndsItsSentence(t *testing.T) {
	t.Parallel()

	for said, want := range map[string]string{
		"Zuora does not permit the request (status 403 without a code)": "Zuora does not permit the request (status 403 " +
			"without a code).",
		"Zuora answered 503 twice.": "Zuora answered 503 twice.",
		"Is it down?":               "Is it down?",
		"":                          "It failed without saying why.",
	} {
		e := hotsync.Event{Status: hotsync.StatusFailed, Error: &hotsync.Problem{Message: said}}
		if got := explain(e); got != want {
			t.Errorf("of %q it says %q, want %q", said, got, want)
		}
	}
}
