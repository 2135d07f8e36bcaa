package limio

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMaskedText(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"message", `{"message":"unknown member: foo"}`, "unknown member: foo"},
		{"nested", `{"errors":[{"message":"a"},{"detail":"b","id":"secret"}]}`, "a; b"},
		{"no message", `{"email":"ada@example.com","data":{"name":"Ada"}}`, ""},
		{"text", "upstream connect error", "upstream connect error"},
		{"page", "<html><style>p{}</style><h1>Bad\n Gateway</h1></html>", "Bad Gateway"},
		{"e-mail", "no user ada.b+c@mail.example.com, sorry", "no user ***, sorry"},
		{"quoted", `value "Ada Reader" or 'Ada' or “Ada” or ` + "`Ada`" + ` refused`, "value *** or *** or *** or *** refused"},
		{"quote never closed", `value "Ada Reader`, "value ***"},
		{"apostrophe", "name can't be 'O'Hara', isn't it", "name can't be ***, isn't it"},
		{"ids", "sub-0123456789abcdef0123456789abcdef of 8a12b3c4 and 4242424242424242", "*** of *** and ***"},
		{"telephone", "call +44 20 7946 0958 now", "call *** now"},
		{"token", "bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIi.c2lnbmF0dXJl refused", "bearer *** refused"},
		{"words stay", "status 404 after 12 tries", "status 404 after 12 tries"},
		{"long word", strings.Repeat("a word ", 10) + strings.Repeat("x", 5000), strings.TrimSpace(strings.Repeat("a word ", 10))},
		{"broken JSON", `{"message":"Ada`, "{***:***"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			if got := maskedText([]byte(tc.in)); got != tc.want {
				t.Errorf("maskedText(%q) = %q, want %q", tc.in, got, tc.want)
			}
		})
	}
}

// FuzzMaskedText: whatever a server answers, what is shown of it is short, text,
// and free of e-mail addresses, long numbers and quoted values.
func FuzzMaskedText(f *testing.F) {
	for _, seed := range []string{"", "null", `{"message":"x \"y\" ada@example.com 12345678"}`, "é<p>“q”</p>'", "\xff\"", strings.Repeat("日本", 200),
		"'a@b", `["a",["b"]]`, "1 2 3 4 5 6 7 8"} {
		f.Add([]byte(seed))
	}
	leaks := regexp.MustCompile(`[^\s"'<>(),;:*]@[^\s"'<>(),;*]|\d{4,}|[0-9a-fA-F]{8,}|"`)
	f.Fuzz(func(t *testing.T, body []byte) {
		got := maskedText(body)
		if len(got) > maxText+len("…") || !utf8.ValidString(got) {
			t.Fatalf("maskedText(%q) = %q: %d bytes", body, got, len(got))
		}
		if leak := leaks.FindString(got); leak != "" {
			t.Fatalf("maskedText(%q) = %q leaves %q", body, got, leak)
		}
	})
}
