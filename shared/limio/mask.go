package limio

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxText is how much of an answer's text is shown, in bytes.
	maxText = 300
	// maxMasked is how much of it is looked at: masking takes time that grows with
	// the square of a text without blanks.
	maxMasked = 2 << 10
)

const masked = "***"

// What may be personal or secret in a refusal is masked before it is cut, so
// that a cut cannot leave the half of something recognisable. What remains are
// the words that say what is wrong.
var masks = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`[^\s"'<>(),;:]+@[^\s"'<>(),;]+`), masked},                  // e-mail
	{regexp.MustCompile("\"[^\"]*\"?|`[^`]*`?|“[^”]*”?|‘[^’]*’?|«[^»]*»?"), masked}, // quoted values
	{regexp.MustCompile(`(^|[^\pL\d])'(?:[^']|'[\pL\d])*(?:'|$)`), "${1}" + masked}, // … but not from an apostrophe on
	{regexp.MustCompile(`[\w+/=.-]{32,}`), masked},                                  // tokens
	{regexp.MustCompile(`[0-9A-Fa-f]{8,}`), masked},                                 // ids, keys
	{regexp.MustCompile(`\+?\d[\d ().-]{4,}\d`), masked},                            // telephone and card numbers
	{regexp.MustCompile(`\d{4,}`), masked},                                          // what is left of numbers
}

var markup = regexp.MustCompile(`(?s)<(script|style)\b.*?</(script|style)>|<[^>]*>?`)

// maskedText is what an error body of unknown shape says, without what may be
// personal: the message members of JSON, or the text itself.
func maskedText(body []byte) string {
	text := markup.ReplaceAllString(message(body), " ")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
	text = wholeWords(text, maxMasked)
	for _, m := range masks {
		text = m.pattern.ReplaceAllString(text, m.with)
	}
	return cut(strings.Join(strings.Fields(text), " "), maxText)
}

// wholeWords shortens text to at most limit bytes, not within a word: the half
// of an e-mail address does not look like one.
func wholeWords(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return text[:strings.LastIndexByte(text[:limit], ' ')+1]
}

// messageMembers are the members in which APIs put what went wrong.
var messageMembers = []string{"message", "Message", "error", "error_description", "errorMessage", "detail", "details", "reason", "title", "errors"}

// message finds the words in an error body. JSON without a member known to hold
// them says nothing: its values may be the object that was sent.
func message(body []byte) string {
	var v any
	if json.Unmarshal(body, &v) != nil {
		return string(body)
	}
	return strings.Join(words(v, 0), "; ")
}

func words(v any, depth int) []string {
	if depth > 4 {
		return nil
	}
	var out []string
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, item := range v {
			out = append(out, words(item, depth+1)...)
		}
	case map[string]any:
		for _, name := range messageMembers {
			out = append(out, words(v[name], depth+1)...)
		}
	}
	return out
}

// cut shortens text to at most limit bytes, not within a character.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	text = text[:limit]
	for {
		r, size := utf8.DecodeLastRuneInString(text)
		if r != utf8.RuneError || size != 1 {
			return text + "…"
		}
		text = text[:len(text)-1]
	}
}
