package console

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hotsync/shared/console/staff"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// loginsView is the logins that led to nothing.
type loginsView struct {
	Typed     loginFilter
	Problem   *hotsync.Problem
	Causes    nothing // of all that are kept, where nothing narrows the list
	Todo      string  // what to do, where all of the list have one reason
	Logins    []loginEntry
	Providers []string
	Reasons   []reasonOption
	Presets   []preset
	Views     []savedView

	Suggestions []suggestion // for the search field
	Next        string
	First       string
	Zone        string
	Days        int // a record is kept
}

type reasonOption struct{ Code, Label string }

// loginFilter is the filter of a list of such logins: that of a list of syncs, as far
// as it says something about them.
type loginFilter struct{ filter }

// loginsSince lets through what came at a time or later.
func loginsSince(t time.Time) loginFilter {
	return loginFilter{filter{From: t, from: t.Format(time.RFC3339)}}
}

// parseLoginFilter reads the filter of an address, typed filters in the text
// included. It gives what it could read beside an error, which is a bad_request.
func parseLoginFilter(v url.Values, now time.Time) (loginFilter, error) {
	f, err := parseFilter(timesInBox(parseBox(v), now), now)
	f.Text, f.Subject = cmp.Or(f.Text, f.Subject), ""
	if err == nil && (f.Open || f.Account != "" || f.Trigger != "" || len(f.Statuses) > 0) {
		err = hotsync.Errorf(
			hotsync.CodeBadRequest,
			"No sync came of these logins: they have no account, status or trigger to search for.",
		)
	}
	return loginFilter{f}, err
}

// Narrowed reports whether more than the text is set.
func (f loginFilter) Narrowed() bool {
	return f.Provider != "" || f.Reason != "" || f.from != "" || f.to != ""
}

// Path is the address of the list.
func (f loginFilter) Path() string { return f.At("/logins") }

// loginEntry is a record as a page shows it: nobody in full.
type loginEntry struct {
	hotsync.LoginRecord
	Who  string // masked
	Hint string
}

func loginEntries(records []hotsync.LoginRecord) []loginEntry {
	out := make([]loginEntry, 0, len(records))
	for _, r := range records {
		out = append(out, loginEntry{r, mask(r.Subject), nothingHint(r.Reason)})
	}
	return out
}

// nothingHint is what to do about a login that led to nothing for that reason.
func nothingHint(reason string) string {
	if hint := wordsFor(reason).ended; hint != "" {
		return hint
	}
	return hotsync.LoginHint(reason)
}

// nothing is how many logins led to nothing, and why.
type nothing struct {
	Groups []nothingGroup // the largest first
	Logins int
	More   bool // there are more than were read
}

// nothingGroup is the logins that led to nothing for one reason.
type nothingGroup struct {
	Reason      string
	Words       words
	Logins      int
	Proven      int // of Logins, those whose name was verified
	First, Last time.Time
	Provider    string // of most of them
	Most        int
	Href        string
}

// Label, Cause and Todo are the words of the group's reason.
func (g nothingGroup) Label() string { return capital(g.Words.label) }

// Todo is what to do about it.
func (g nothingGroup) Todo() string { return nothingHint(g.Reason) }

const nothingPages = 3 // of records that are read to count them by reason

// readNothing counts the logins that led to nothing since a time. Only the newest
// are read where there are very many.
func (c *console) readNothing(ctx context.Context, f loginFilter, since time.Time) (nothing, error) {
	q := eventstore.LoginQuery{From: since, Limit: eventstore.MaxLimit}
	var records []hotsync.LoginRecord
	for range nothingPages {
		page, err := c.Logins.Logins(ctx, q)
		if err != nil {
			return nothing{}, err
		}
		records = append(records, page.Logins...)
		q.Cursor = page.Cursor
		if q.Cursor == "" {
			break
		}
	}
	out := newNothing(records, f)
	out.More = q.Cursor != ""
	return out, nil
}

func newNothing(records []hotsync.LoginRecord, f loginFilter) nothing {
	out := nothing{Logins: len(records)}
	at := map[string]int{}
	providers := map[string]map[string]int{}
	for _, r := range records {
		i, ok := at[r.Reason]
		if !ok {
			i = len(out.Groups)
			at[r.Reason], providers[r.Reason] = i, map[string]int{}
			f.Reason = r.Reason
			out.Groups = append(
				out.Groups,
				nothingGroup{Reason: r.Reason, Words: wordsFor(r.Reason), First: r.At, Last: r.At, Href: f.Path()},
			)
		}
		g := &out.Groups[i]
		g.Logins++
		if r.Verified {
			g.Proven++
		}
		if r.At.Before(g.First) {
			g.First = r.At
		}
		if r.At.After(g.Last) {
			g.Last = r.At
		}
		if r.Provider == "" {
			continue
		}
		n := providers[r.Reason][r.Provider] + 1
		providers[r.Reason][r.Provider] = n
		if n > g.Most || n == g.Most && r.Provider < g.Provider {
			g.Provider, g.Most = r.Provider, n
		}
	}
	slices.SortFunc(out.Groups, func(a, b nothingGroup) int {
		return cmp.Or(cmp.Compare(b.Logins, a.Logins), b.Last.Compare(a.Last), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}

// By says whose logins they are, where most are one provider's.
func (g nothingGroup) By() string { return byProvider(g.Provider, g.Most, g.Logins, "by ") }

// Misset is the part of it that a setting would mend, rather than a person without
// an account: logins of people who were verified, and whose claims nobody could use.
func (n nothing) Misset() nothing {
	out := nothing{More: n.More}
	for _, g := range n.Groups {
		if g.Words.cause == causeSetup && g.Reason != hotsync.ReasonDisabled && g.Proven > 0 {
			g.Logins = g.Proven
			out.Groups, out.Logins = append(out.Groups, g), out.Logins+g.Proven
		}
	}
	return out
}

// Words say how many, and what they lacked.
func (n nothing) Words() string {
	what := " named no account"
	for _, g := range n.Groups {
		if !strings.HasPrefix(g.Reason, "claim_") {
			what = " led to nothing"
		}
	}
	text := plural(n.Logins, "login", "logins") + what
	if n.More {
		return "more than " + text
	}
	return text
}

// Most says what most of it is, and what to do.
func (n nothing) Most() string {
	if len(n.Groups) == 0 {
		return ""
	}
	g := n.Groups[0]
	text := capital(g.Words.label)
	if len(n.Groups) > 1 {
		text = leading(g.Logins, n.Groups[1].Logins, n.Logins, len(n.Groups)) + g.Words.label
	}
	return text + byProvider(g.Provider, g.Most, g.Logins, byThe) + ". " + g.Todo()
}

// loginsPage lists the logins that led to nothing, with the reason of each.
func (c *console) loginsPage(w http.ResponseWriter, r *http.Request, m member) error {
	if c.Logins == nil {
		return hotsync.Errorf(hotsync.CodeNotFound, "Logins are not recorded here.")
	}
	asked, now := r.URL.Query(), c.here(r)
	f, err := parseLoginFilter(asked, now)
	f.Provider = c.providerName(r.Context(), f.Provider)
	if err == nil && elsewhere(w, r, "/logins", f.values()) {
		return nil
	}
	page := loginsView{
		Typed:   f,
		Views:   savedViews(r),
		Zone:    zoneName(now),
		Days:    hotsync.LoginRecordDays,
		Reasons: nothingReasons(f.Reason),
		Presets: presets(f.filter, "/logins", c.Now()),
	}
	page.Providers = c.providerNames(r.Context(), f.Provider)
	page.Suggestions = loginSuggestions(page.Providers)
	status := http.StatusOK
	if err == nil {
		err = c.fillLogins(r.Context(), &page, get(asked, "cursor"))
	}
	if err != nil {
		status, page.Problem = c.incomplete(r, "logins", err)
	}
	part := "layout"
	if staff.IsLive(r) {
		part = "logins"
	}
	return c.renderAs(
		w,
		r,
		m,
		status,
		"logins",
		part,
		view{Title: "Logins that led to nothing", Nav: "logins", Body: page},
	)
}

func (c *console) fillLogins(ctx context.Context, page *loginsView, cursor string) error {
	f := page.Typed
	found, err := c.Logins.Logins(ctx, eventstore.LoginQuery{
		Q:        f.Text,
		Provider: f.Provider,
		Reason:   f.Reason,
		From:     f.From,
		To:       f.To,
		Cursor:   cursor,
	})
	if err != nil {
		return err
	}
	page.Logins = loginEntries(found.Logins)
	if f.Reason != "" {
		page.Todo = nothingHint(f.Reason)
	}
	if f.Reason != "" || f.IsZero() && cursor == "" { // told once, and not at every row
		for i := range page.Logins {
			page.Logins[i].Hint = ""
		}
	}
	if found.Cursor != "" {
		page.Next = withCursor(f.Path(), found.Cursor)
	}
	if cursor != "" {
		page.First = f.Path()
	} else if f.IsZero() {
		page.Causes, err = c.readNothing(ctx, f, time.Time{})
		if len(page.Causes.Groups) == 1 {
			page.Todo = page.Causes.Groups[0].Todo()
		}
	}
	return err
}

func withCursor(path, cursor string) string {
	between := "?"
	if strings.Contains(path, "?") {
		between = "&"
	}
	return path + between + "cursor=" + cursor // an event's id
}

// nothingReasons are the reasons for which logins lead to nothing, by their labels.
func nothingReasons(also string) []reasonOption {
	codes := []string{
		"claim_missing",
		"claim_empty",
		"claim_not_used",
		"claim_too_many",
		"claim_unverified",
		string(hotsync.CodeClaimMalformed),
		hotsync.ReasonNoMatch,
		string(hotsync.CodeLookupField),
		string(hotsync.CodeLookupValue),
		string(hotsync.CodeTokenIssuer),
		string(hotsync.CodeTokenAudience),
		string(hotsync.CodeTokenExpired),
		string(hotsync.CodeTokenSignature),
		string(hotsync.CodeTokenKind),
		hotsync.ReasonDisabled,
	}
	if also != "" && !slices.Contains(codes, also) {
		codes = append(codes, also)
	}
	out := make([]reasonOption, 0, len(codes))
	for _, code := range codes {
		out = append(out, reasonOption{code, capital(label(code))})
	}
	slices.SortFunc(out, func(a, b reasonOption) int { return cmp.Compare(a.Label, b.Label) })
	return out
}

// nothingBeside is how many logins that led to nothing a list of syncs shows.
const nothingBeside = 5

// beside finds the logins that led to nothing and that a list's filter would find:
// those of a person, or of a time. Other filters say nothing about such logins.
func (c *console) beside(ctx context.Context, f filter) (found []loginEntry, all string) {
	timed := !f.From.IsZero() && f.Text == "" && f.Subject == ""
	if c.Logins == nil || f.Account != "" || f.Reason != "" || f.Open || len(f.Statuses) > 0 || f.Trigger != "" ||
		f.Text != "" && f.Subject != "" || f.Text == "" && f.Subject == "" && !timed || hotsync.IsEventID(f.Text) {
		return nil, ""
	}
	who := cmp.Or(f.Text, f.Subject)
	page, err := c.Logins.Logins(
		ctx,
		eventstore.LoginQuery{Q: who, Provider: f.Provider, From: f.From, To: f.To, Limit: nothingBeside},
	)
	if err != nil {
		c.Log.WarnContext(ctx, "logins that led to nothing not read", "error", err)
		return nil, ""
	}
	f.Text, f.Subject = who, ""
	return loginEntries(page.Logins), loginFilter{f}.Path()
}
