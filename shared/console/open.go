package console

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"hotsync/shared/console/staff"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// openView is what is open, by cause.
type openView struct {
	Groups []openGroup // what somebody can do something about, the largest first
	Later  []openGroup // what the next sign-in settles
	Logins int         // in Groups
	More   bool
	Views  []savedView
	Now    time.Time
}

// openGroup is what is open for one reason.
type openGroup struct {
	Reason      string
	Words       words
	Status      hotsync.Status
	Logins      int // people and accounts
	Failures    int
	First, Last time.Time
	Provider    string // of most of them
	Most        int
	Spark       []sparkBar
	Href        string // the list of them
	Bulk        string // their bulk retry, "" where a retry does not help
}

// Label, Cause and Todo are the words of the group's reason.
func (g openGroup) Label() string { return capital(g.Words.label) }

// Name is the group's reason within a sentence.
func (g openGroup) Name() string { return g.Words.label }

// Cause is who can do something about it.
func (g openGroup) Cause() string { return string(g.Words.cause) }

// By says whose logins they are, where most are one provider's.
func (g openGroup) By() string { return byProvider(g.Provider, g.Most, g.Logins, "by ") }

// Todo is what to do.
func (g openGroup) Todo() string { return g.Words.ended }

// sparkBar is a slot of time of a small chart, in its units.
type sparkBar struct{ X, Y, Height float64 }

// The small chart of a group.
const (
	sparkBars   = 24
	sparkHeight = 20
	sparkStep   = 4
)

func (c *console) openPage(w http.ResponseWriter, r *http.Request, m member) error {
	list, err := c.Events.Open(r.Context())
	if err != nil {
		return err
	}
	page := newOpenView(list, c.Now(), m)
	page.Views = savedViews(r)
	part := "layout"
	if staff.IsLive(r) {
		part = "open"
	}
	return c.renderAs(w, r, m, http.StatusOK, "open", part, view{Title: "Open", Nav: "open", Body: page})
}

func newOpenView(list eventstore.OpenList, now time.Time, m member) openView {
	page := openView{More: list.More, Now: now}
	by := map[string][]eventstore.Open{}
	oldest := now
	for _, o := range list.Events {
		by[o.Reason] = append(by[o.Reason], o)
		if o.Last.Before(oldest) {
			oldest = o.Last
		}
	}
	for reason, events := range by {
		g := newOpenGroup(reason, events, oldest, now, m)
		if g.Words.cause == causeNextSign {
			page.Later = append(page.Later, g)
			continue
		}
		page.Groups = append(page.Groups, g)
		page.Logins += g.Logins
	}
	slices.SortFunc(page.Groups, func(a, b openGroup) int {
		return cmp.Or(cmp.Compare(b.Logins, a.Logins), b.Last.Compare(a.Last), cmp.Compare(a.Reason, b.Reason))
	})
	return page
}

func newOpenGroup(reason string, events []eventstore.Open, oldest, now time.Time, m member) openGroup {
	g := openGroup{Reason: reason, Words: wordsFor(reason), Status: events[0].Status, Logins: len(events), First: now}
	providers := map[string]int{}
	slots := make([]int, sparkBars)
	for _, o := range events {
		g.Failures += o.Failures
		if o.First.Before(g.First) {
			g.First = o.First
		}
		if o.Last.After(g.Last) {
			g.Last = o.Last
		}
		if o.Provider != "" {
			providers[o.Provider]++
		}
		if n := providers[o.Provider]; n > g.Most || n == g.Most && o.Provider < g.Provider {
			g.Provider, g.Most = o.Provider, n
		}
		i := int(float64(sparkBars) * float64(o.Last.Sub(oldest)) / float64(max(now.Sub(oldest), time.Minute)))
		slots[min(max(i, 0), sparkBars-1)]++
	}
	most := slices.Max(slots)
	for i, n := range slots {
		h := sparkHeight * float64(n) / float64(most)
		if n > 0 {
			h = max(h, 2)
		}
		g.Spark = append(g.Spark, sparkBar{X: float64(i * sparkStep), Y: sparkHeight - h, Height: h})
	}
	f := filter{Open: true, Reason: reason}
	g.Href = f.Path()
	sample := hotsync.Event{Status: g.Status, Reason: reason}
	if m.Operator() && sample.Retriable() {
		g.Bulk = f.At("/retry")
	}
	return g
}

// Words say how much is open.
func (v openView) Words() string {
	text := plural(v.Logins, "sync needs somebody", "syncs need somebody")
	if v.More {
		return "more than " + text
	}
	return text
}

// Most says what most of it is.
func (v openView) Most() string {
	if len(v.Groups) == 0 {
		return ""
	}
	g, next := v.Groups[0], 0
	if len(v.Groups) > 1 {
		next = v.Groups[1].Logins
	}
	text := "All of it: " + g.Words.label
	if len(v.Groups) > 1 {
		text = leading(g.Logins, next, v.Logins, len(v.Groups)) + g.Words.label
	}
	if g.Logins > 1 {
		text += byProvider(g.Provider, g.Most, g.Logins, byThe)
	}
	return text + ". " + g.Todo()
}

// byThe names a provider within a sentence.
const byThe = "by provider "

// leading begins a sentence about the most frequent of several causes, which n of all
// have, and next the one after it.
func leading(n, next, all, causes int) string {
	switch {
	case 2*n > all:
		return "Most (" + count(n) + "): "
	case n > next:
		return count(causes) + " causes, the most frequent (" + count(n) + "): "
	default:
		return count(causes) + " causes, one of them (" + count(n) + "): "
	}
}

// byProvider says whose logins they are, where that is told by one name: n of all are
// this provider's.
func byProvider(name string, n, all int, by string) string {
	switch {
	case name == "" || 2*n <= all:
		return ""
	case n == all:
		return ", " + by + name
	default:
		return ", mostly " + by + name
	}
}

// plain is a word for one and another for more.
func plain(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
