package console

import (
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// FuzzCell: no cell can begin a formula or a line of its own, and what is
// harmless stays as it is.
func FuzzCell(f *testing.F) {
	for _, seed := range []string{"", "plain", "=1+1", " \t=cmd|' /C calc'!A0", "＝x", "\ufeff-1", "a\r\n=b", "\x00@x",
		"-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := cell(s)
		if strings.ContainsAny(got, "\r\n\t\x00") {
			t.Errorf("cell(%q) = %q has control characters", s, got)
		}
		first, _ := utf8.DecodeRuneInString(strings.TrimLeft(got, " \u00a0\u3000\ufeff"))
		if strings.ContainsRune("=+-@|%＝＋－＠", first) {
			t.Errorf("cell(%q) = %q begins a formula", s, got)
		}
		if s != "" && s[0] >= 'A' && s[0] <= 'Z' &&
			!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }) && got != s {
			t.Errorf("cell(%q) = %q, want it unchanged", s, got)
		}
	})
}

// FuzzFilter: a filter that was read is written in an address that reads the
// same.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"status:failed account:A-1 from:2026-11-01", `provider:"a b" x`,
		"from:24h to:2026-11-22", "urn:x:y", `"`, "reason:x status:skipped,failed", "since:1h is:failed e-mail: a@b.c.",
		"“A–1”"} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, box string) {
		one, err := parseFilter(parseBox(url.Values{"q": {box}}), now)
		if err != nil {
			return // what makes no sense is an answer, a panic is not
		}
		two, err := parseFilterText(one.Encode(), now.Add(time.Hour))
		if err != nil {
			t.Fatalf("%q was read, but not again as %q: %v", box, one.Encode(), err)
		}
		if diff := cmp.Diff(one.query(), two.query()); diff != "" {
			t.Errorf("%q reads differently as %q (-first +second):\n%s", box, one.Encode(), diff)
		}
	})
}
