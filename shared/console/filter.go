package console

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// filter says which events a list shows. It is the query of the list's address,
// so that an address shared shows the same list. It is no eventstore.Query, which has no
// words: times as they were written, in the reader's zone, must come back into the form.
type filter struct {
	Text     string // any identifier
	Account  string
	Subject  string
	Reason   string // exactly
	Provider string
	Trigger  hotsync.Trigger
	Statuses []hotsync.Status
	Open     bool // only what nothing has settled since
	From, To time.Time

	from, to string         // as they were written
	zone     *time.Location // of the reader
}

// filterKeys are the typed filters of the search box.
var filterKeys = []string{"is", "status", "account", "subject", "reason", "provider", "trigger", "from", "to"}

// filterNames are other names of them.
var filterNames = map[string]string{
	"sub": "subject", "since": "from", "after": "from", "until": "to", "before": "to",
}

// mailWords stand before an address, which is the text to search for.
var mailWords = []string{"email", "e-mail", "mail"}

// isOpen is the value of the filter for what is open.
const isOpen = "open"

var triggers = []hotsync.Trigger{
	hotsync.TriggerLogin,
	hotsync.TriggerPostAuthentication,
	hotsync.TriggerPostConfirmation,
	hotsync.TriggerCallout,
	hotsync.TriggerAPI,
	hotsync.TriggerConsole,
	hotsync.TriggerBackfill,
	hotsync.TriggerReconcile,
}

// parseFilter reads the filter of an address. Times are read in the zone of now
// (see parseWhen); a day as upper bound counts whole. It gives what it could read
// beside an error, which is a bad_request.
func parseFilter(v url.Values, now time.Time) (filter, error) {
	f := filter{
		Text:     plainText(get(v, "q")),
		Account:  get(v, "account"),
		Subject:  get(v, "subject"),
		Reason:   reasonCode(get(v, "reason")),
		Provider: get(v, "provider"),
		Trigger:  hotsync.Trigger(strings.ToLower(get(v, "trigger"))),
		from:     get(v, "from"),
		to:       get(v, "to"),
		zone:     now.Location(),
	}
	switch is := strings.ToLower(get(v, "is")); is {
	case "", "any":
	case isOpen:
		f.Open = true
	case string(hotsync.StatusQueued), string(hotsync.StatusRunning), string(hotsync.StatusRetrying),
		string(hotsync.StatusSucceeded), string(hotsync.StatusFailed), string(hotsync.StatusSkipped):
		f.Statuses = []hotsync.Status{hotsync.Status(is)}
	default:
		return f, hotsync.Errorf(
			hotsync.CodeBadRequest,
			"is:%s is not known; is:open shows what nothing has settled yet.",
			clip(is, 40),
		)
	}
	for _, s := range v["status"] {
		for name := range strings.SplitSeq(s, ",") {
			status := hotsync.Status(strings.ToLower(strings.TrimSpace(name)))
			switch {
			case status == "" || slices.Contains(f.Statuses, status):
			case !slices.Contains(hotsync.Statuses, status):
				return f, hotsync.Errorf(
					hotsync.CodeBadRequest,
					"status %q is not one of %v.",
					clip(name, 40),
					hotsync.Statuses,
				)
			default:
				f.Statuses = append(f.Statuses, status)
			}
		}
	}
	slices.SortFunc(f.Statuses, func(a, b hotsync.Status) int { // in the order of a sync's life
		return slices.Index(hotsync.Statuses, a) - slices.Index(hotsync.Statuses, b)
	})
	if f.Trigger != "" && !slices.Contains(triggers, f.Trigger) {
		return f, hotsync.Errorf(
			hotsync.CodeBadRequest,
			"trigger %q is not one of %v.",
			clip(string(f.Trigger), 40),
			triggers,
		)
	}
	var err error
	f.From, err = parseTime("from", f.from, false, now)
	if err != nil {
		return f, err
	}
	f.To, err = parseTime("to", f.to, true, now)
	if err != nil {
		return f, err
	}
	if !f.From.IsZero() && !f.To.IsZero() && f.To.Before(f.From) {
		return f, hotsync.Errorf(hotsync.CodeBadRequest, "from must not be later than to.")
	}
	return f, nil
}

func get(v url.Values, name string) string { return strings.TrimSpace(v.Get(name)) }

func parseTime(name, s string, end bool, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, ok := parseWhen(s, end, now)
	if !ok {
		return time.Time{}, badTime(name)
	}
	return t, nil
}

// wrapping is what a text that is pasted brings along: the quotes, brackets and commas of
// the sentence it stood in, and marks that nobody sees. No account, subscription or
// address begins or ends with any.
const wrapping = " \t\r\n,;\"'()[]“”„‘’‚«»‹›\u200b\u200c\u200d\u2060\ufeff"

// hyphens are what word processors and mail make of a hyphen.
var hyphens = strings.NewReplacer("\u2010", "-", "\u2011", "-", "\u2012", "-", "\u2013", "-", "\u2212", "-")

// plainText is what is meant by a text that was pasted: the address of a mailto or
// of "Name <address>", without blanks around it or doubled in it, and without what it
// stood in.
func plainText(s string) string {
	s = hyphens.Replace(strings.Join(strings.Fields(strings.Trim(s, wrapping)), " "))
	if i, j := strings.LastIndexByte(s, '<'), strings.LastIndexByte(s, '>'); i >= 0 && j > i &&
		strings.Contains(s[i:j], "@") {
		s = s[i+1 : j]
	}
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s, _, _ = strings.Cut(s[7:], "?")
	}
	s = strings.TrimLeft(strings.Trim(s, wrapping), "#")
	if i := strings.Index(s, "%40"); i > 0 && !strings.Contains(s, "@") {
		if address, err := url.PathUnescape(s); err == nil { // out of the address of a page
			s = address
		}
	}
	switch lower := strings.ToLower(s); {
	case hotsync.IsEventID(lower):
		return lower
	case strings.Contains(s, "@"):
		return strings.TrimRight(s, ".:") // of the sentence
	default:
		return s
	}
}

// reasonCode is the code of a reason written as its label, whatever its case.
func reasonCode(s string) string {
	if _, ok := vocabulary[s]; ok || s == "" {
		return s
	}
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "’", "'")) }
	best := ""
	for code, w := range vocabulary {
		if plain(w.label) == plain(s) && (best == "" || code < best) {
			best = code
		}
	}
	return cmp.Or(best, s)
}

// parseAge reads 30m, 24h or 7d.
func parseAge(s string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err == nil && n > 0 && n < 4000
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d > 0
}

// parseBox takes the typed filters out of what was written into the search box
// and puts them among the other values; the rest stays the text to search for.
func parseBox(v url.Values) url.Values {
	out := url.Values{}
	for name, values := range v {
		out[name] = slices.Clone(values)
	}
	var text []string
	words := splitBox(v.Get("q"))
	for i := 0; i < len(words); i++ {
		word := words[i]
		key, val, ok := strings.Cut(word, ":")
		key = strings.ToLower(key)
		key = cmp.Or(filterNames[key], key)
		isMail := slices.Contains(mailWords, key)
		if ok && val == "" && i+1 < len(words) && (isMail || slices.Contains(filterKeys, key)) {
			i++
			val = words[i] // a blank after the colon
		}
		switch {
		case isMail && val != "":
			text = append(text, val)
		case !ok || val == "" || !slices.Contains(filterKeys, key):
			text = append(text, word)
		case key == "status":
			out.Add("status", val)
		default:
			out.Set(key, val)
		}
	}
	out.Set("q", strings.Join(text, " "))
	return out
}

// timesInBox takes a text that is nothing but a time for what it says: about then,
// on that day, or since then.
func timesInBox(v url.Values, now time.Time) url.Values {
	text := strings.Join(strings.Fields(v.Get("q")), " ")
	if text == "" || v.Get("from") != "" || v.Get("to") != "" ||
		!strings.ContainsFunc(text, unicode.IsLetter) && !strings.ContainsAny(text, ":-") && !isNumericDay(text) {
		return v
	}
	from, ok := parseWhen(text, false, now)
	if !ok {
		return v
	}
	to, _ := parseWhen(text, true, now)
	if _, since := parseAgo(strings.ToLower(text)); since {
		to = time.Time{}
	} else if to.Equal(from) {
		from, to = from.Add(-aboutThen), to.Add(aboutThen)
	}
	v.Set("q", "")
	v.Set("from", from.Format(time.RFC3339))
	if !to.IsZero() {
		v.Set("to", to.Format(time.RFC3339))
	}
	return v
}

// aboutThen is how far around a time of day one looks.
const aboutThen = 5 * time.Minute

// splitBox splits at blanks outside of double quotes, and drops the quotes.
func splitBox(s string) []string {
	var out []string
	var word strings.Builder
	quoted, any := false, false
	for _, r := range s {
		switch {
		case r == '"':
			quoted, any = !quoted, true
		case !quoted && (r == ' ' || r == '\t' || r == '\n' || r == '\r'):
			if any {
				out = append(out, word.String())
			}
			word.Reset()
			any = false
		default:
			word.WriteRune(r)
			any = true
		}
	}
	if any {
		out = append(out, word.String())
	}
	return out
}

// Box is what the search box shows: the text, and the filters that have no
// control of their own.
func (f filter) Box() string {
	var out []string
	if f.Text != "" {
		out = append(out, f.Text)
	}
	open := ""
	if f.Open {
		open = isOpen
	}
	for _, x := range [...]struct{ key, val string }{{"is", open}, {"account", f.Account}, {"subject", f.Subject},
		{"reason", f.Reason}} {
		switch {
		case x.val == "":
		case strings.ContainsAny(x.val, " \t"):
			out = append(out, x.key+`:"`+x.val+`"`)
		default:
			out = append(out, x.key+":"+x.val)
		}
	}
	return strings.Join(out, " ")
}

// values is the filter as an address has it, in one form: ages as times.
func (f filter) values() url.Values {
	v := url.Values{}
	set := func(name, val string) {
		if val != "" {
			v.Set(name, val)
		}
	}
	set("q", f.Text)
	if f.Open {
		set("is", isOpen)
	}
	set("account", f.Account)
	set("subject", f.Subject)
	set("reason", f.Reason)
	set("provider", f.Provider)
	set("trigger", string(f.Trigger))
	set("from", canonicalTime(f.from, f.From, f.zone))
	set("to", canonicalTime(f.to, f.To, f.zone))
	statuses := make([]string, 0, len(f.Statuses))
	for _, s := range f.Statuses {
		statuses = append(statuses, string(s))
	}
	set("status", strings.Join(statuses, ","))
	return v
}

// canonicalTime is a bound in one form for every reader: a day of UTC as it was
// written, and all else as the moment it is.
func canonicalTime(written string, t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return written
	}
	if _, err := time.Parse(time.RFC3339Nano, written); err == nil {
		return written
	}
	if _, err := time.Parse(time.DateOnly, written); err == nil && (zone == nil || zone == time.UTC) {
		return written
	}
	return t.Format(time.RFC3339Nano)
}

// Values is the filter for the hidden fields of a form.
func (f filter) Values() url.Values { return f.values() }

// Encode is the filter as a query.
func (f filter) Encode() string { return f.values().Encode() }

// Path is the address of the list with this filter.
func (f filter) Path() string { return f.At("/events") }

// At is the address of another page about the same set. A template must write
// it whole: a query of its own, behind a path, it would escape a second time,
// and the page behind the link would have no filter.
func (f filter) At(path string) string { return withQuery(path, f.values()) }

func withQuery(path string, v url.Values) string {
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

// IsZero reports whether the filter lets everything through.
func (f filter) IsZero() bool { return len(f.values()) == 0 }

// FromText is the lower bound as its control shows it, in the reader's zone.
func (f filter) FromText() string { return f.timeText(f.from, f.From) }

// ToText is the upper bound as its control shows it.
func (f filter) ToText() string { return f.timeText(f.to, f.To) }

func (f filter) timeText(as string, t time.Time) string {
	if _, err := time.Parse(time.DateOnly, as); t.IsZero() || err == nil && (f.zone == nil || f.zone == time.UTC) {
		return as
	}
	return written(t, cmp.Or(f.zone, time.UTC))
}

// Has reports whether the filter asks for the status.
func (f filter) Has(s hotsync.Status) bool { return slices.Contains(f.Statuses, s) }

// toggled is the filter with a status added or taken away.
func (f filter) toggled(s hotsync.Status) filter {
	if f.Has(s) {
		f.Statuses = slices.DeleteFunc(slices.Clone(f.Statuses), func(x hotsync.Status) bool { return x == s })
		return f
	}
	on := append(slices.Clone(f.Statuses), s)
	f.Statuses = slices.DeleteFunc(
		slices.Clone(hotsync.Statuses),
		func(x hotsync.Status) bool { return !slices.Contains(on, x) },
	)
	return f
}

// query is what the event store is asked for; a reason it does not know.
func (f filter) query() eventstore.Query {
	return eventstore.Query{Account: f.Account, Subject: f.Subject, Q: f.Text, Provider: f.Provider, Trigger: f.Trigger,
		Statuses: f.Statuses, Reason: f.Reason, From: f.From, To: f.To, Open: f.Open}
}

// parseFilterText reads a filter as Encode wrote it.
func parseFilterText(query string, now time.Time) (filter, error) {
	v, err := url.ParseQuery(query)
	if err != nil {
		return filter{}, hotsync.Errorf(hotsync.CodeBadRequest, "The filter could not be read.").Because(err)
	}
	return parseFilter(v, now)
}

// Words says the filter in the form of the search box.
func (f filter) Words() string {
	var out []string
	if f.Text != "" {
		out = append(out, f.Text)
	}
	v := f.values()
	for _, key := range filterKeys {
		if s := v.Get(key); s != "" {
			if strings.ContainsAny(s, " \t") {
				s = `"` + s + `"`
			}
			out = append(out, key+":"+s)
		}
	}
	return strings.Join(out, " ")
}
