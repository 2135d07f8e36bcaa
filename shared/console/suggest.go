package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// suggestion is something that the search field offers: what it puts there, and
// how that is called.
type suggestion struct{ Value, Label string }

// suggestions are what the field offers before anything was typed.
func suggestions(providers []string) []suggestion {
	out := []suggestion{
		{"is:open", "Open: nothing has settled it"},
		{"from:today", "Today"},
		{"from:yesterday", "Since yesterday"},
	}
	for _, s := range hotsync.Statuses {
		out = append(out, suggestion{"status:" + string(s), capital(string(s))})
	}
	for _, p := range providers {
		out = append(out, suggestion{"provider:" + quoted(p), "By " + p})
	}
	return out
}

// suggested bounds what is offered at once.
const suggested = 12

// suggest offers how a text may go on: filters, reasons by their labels,
// providers, and accounts that were seen of late.
func (c *console) suggest(w http.ResponseWriter, r *http.Request, m member) error {
	text := clip(strings.TrimLeft(r.URL.Query().Get("q"), " "), 200)
	before, last := "", text
	if i := strings.LastIndexByte(text, ' '); i >= 0 && !strings.Contains(text, ":\"") {
		before, last = text[:i+1], text[i+1:]
	}
	last = strings.ToLower(strings.Trim(last, `"`))
	var found []suggestion
	if r.URL.Query().Get("for") == "logins" {
		found = matching(loginSuggestions(c.providerNames(r.Context(), "")), last)
	} else {
		found = c.matchingSuggestions(r, last)
	}
	for i := range found {
		found[i].Value = before + found[i].Value
	}
	return c.renderAs(w, r, m, http.StatusOK, "events", "suggestions", view{Body: found[:min(len(found), suggested)]})
}

// loginSuggestions are what the field offers that searches logins that led to nothing.
func loginSuggestions(providers []string) []suggestion {
	out := []suggestion{{"from:today", "Today"}, {"from:yesterday", "Since yesterday"}}
	for _, p := range providers {
		out = append(out, suggestion{"provider:" + quoted(p), "By " + p})
	}
	for _, r := range nothingReasons("") {
		out = append(out, suggestion{"reason:" + r.Code, r.Label})
	}
	return out
}

// matching are the suggestions that have a text in value or label.
func matching(all []suggestion, text string) []suggestion {
	var out []suggestion
	for _, s := range all {
		if strings.Contains(strings.ToLower(s.Value), text) || strings.Contains(strings.ToLower(s.Label), text) {
			out = append(out, s)
		}
	}
	return out
}

func (c *console) matchingSuggestions(r *http.Request, last string) []suggestion {
	out := matching(suggestions(c.providerNames(r.Context(), "")), last)
	reason := strings.TrimPrefix(last, "reason:")
	var codes []string
	for code, w := range vocabulary {
		if w.cause != causeNone && w.cause != causeRequest && reason != "" &&
			(strings.Contains(strings.ToLower(w.label), reason) || strings.HasPrefix(code, reason)) {
			codes = append(codes, code)
		}
	}
	slices.SortFunc(
		codes,
		func(a, b string) int { return cmp.Or(strings.Compare(label(a), label(b)), strings.Compare(a, b)) },
	)
	for _, code := range codes {
		out = append(out, suggestion{"reason:" + code, capital(label(code))})
	}
	account := strings.TrimPrefix(last, "account:")
	if len(account) < 2 {
		return out
	}
	recent, err := c.Events.Search(r.Context(), eventstore.Query{Limit: eventstore.MaxLimit})
	if err != nil {
		c.Log.WarnContext(r.Context(), "accounts not suggested", "error", err)
		return out
	}
	seen := map[string]bool{}
	for _, e := range recent.Events {
		number := e.Account.Number
		if number != "" && !seen[number] && strings.Contains(strings.ToLower(number), account) {
			seen[number] = true
			out = append(out, suggestion{"account:" + quoted(number), "Account " + number})
		}
	}
	return out
}

// quoted is a value of a typed filter as the search field reads it.
func quoted(s string) string {
	if strings.ContainsAny(s, " \t") {
		return `"` + s + `"`
	}
	return s
}
