package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// compareView is two syncs of an account side by side.
type compareView struct {
	Older, Newer hotsync.Event
	Subs         []subPair
	Changes      []changeLine // from the older to the newer
	One          *changeLine  // that is shown with its fields, nil where all are listed
	Differs      []difference // of how they went
	Cut          bool         // there are more syncs between them than were read
	Between      int
	Others       []eventRow // to compare with instead
}

// subPair is a subscription as it was seen after each of two syncs.
type subPair struct {
	Number        string
	Before, After string
}

// Same reports whether nothing changed.
func (p subPair) Same() bool { return p.Before == p.After }

// compareFields is how many changes are shown with their fields; where there are more,
// each has a page.
const compareFields = 20

// comparePages bounds how much is read of what lies between two syncs.
const comparePages = 4

// comparePage compares two syncs of an account by data: what every sync between
// them changed, put together.
func (c *console) comparePage(w http.ResponseWriter, r *http.Request, m member) error {
	e, err := c.event(r)
	if err != nil {
		return err
	}
	if e.Account.ID == "" {
		return hotsync.Errorf(hotsync.CodeNotFound, "The sync has no account, so there is nothing to compare it with.")
	}
	id := get(r.URL.Query(), "with")
	if id == "" {
		return hotsync.Errorf(hotsync.CodeBadRequest, "with names the other sync.")
	}
	other, err := c.eventByID(r.Context(), id)
	if err != nil {
		return err
	}
	if other.Account.ID != e.Account.ID || other.ID == e.ID {
		return hotsync.Errorf(hotsync.CodeBadRequest, "Only two syncs of one account can be compared.")
	}
	page := compareView{Older: other, Newer: e}
	if other.ID > e.ID {
		page.Older, page.Newer = e, other
	}
	page.Differs = differences(page.Older, page.Newer)
	n, _ := strconv.Atoi(get(r.URL.Query(), "n")) // what is no number asks for no change
	err = c.fillCompare(r.Context(), &page, m, n)
	if err != nil {
		return err
	}
	return c.render(w, r, m, "compare", view{Title: "Two syncs of " + accountName(e), Nav: "events", Body: page})
}

// path is the address of this page, narrowed to a change.
func (v compareView) path(n int) string {
	return withQuery("/events/"+v.Newer.ID+"/compare", url.Values{"with": {v.Older.ID}, "n": {strconv.Itoa(n)}})
}

// Path is the address of this page.
func (v compareView) Path() string { return "/events/" + v.Newer.ID + "/compare?with=" + v.Older.ID }

func (c *console) fillCompare(ctx context.Context, page *compareView, m member, n int) error {
	// Ids tell what lies between: that of a login has the beginning of the ten seconds in
	// which it counts as one, so that the later of two may have been asked for earlier.
	f := filter{
		Account: page.Newer.Account.ID,
		From:    hotsync.EventTime(page.Older.ID),
		To:      hotsync.EventTime(page.Newer.ID).Add(time.Millisecond),
	}
	var between []hotsync.Event
	cursor := ""
	for range comparePages {
		found, err := c.search(ctx, f, eventstore.DefaultLimit, cursor, true)
		if err != nil {
			return err
		}
		between = append(between, found.Events...)
		cursor = found.Cursor
		if cursor == "" {
			break
		}
	}
	page.Cut = cursor != ""
	slices.Reverse(between)
	between = slices.DeleteFunc(
		between,
		func(x hotsync.Event) bool { return x.ID <= page.Older.ID || x.ID > page.Newer.ID },
	)
	page.Between = max(0, len(between)-1)
	together := page.Newer
	together.Changes = merged(between)
	page.Changes = changeLines(together)
	if n > 0 && n <= len(page.Changes) {
		page.One = &page.Changes[n-1]
	} else if len(page.Changes) > compareFields {
		for i := range page.Changes {
			page.Changes[i].Fields, page.Changes[i].Href = nil, page.path(i+1)
		}
	}
	page.Subs = pairs(page.Older.Subscriptions, page.Newer.Subscriptions)
	found, err := c.search(ctx, filter{Account: page.Newer.Account.ID}, 12, "", false)
	if err != nil {
		return err
	}
	ended := slices.DeleteFunc(found.Events, func(x hotsync.Event) bool { return !x.Status.Final() })
	page.Others = rows(ended, c.Now(), m)
	return nil
}

// pairs are the subscriptions of two syncs, by number.
func pairs(before, after []hotsync.Subscription) []subPair {
	var out []subPair
	at := map[string]int{}
	for _, s := range before {
		at[s.Number] = len(out)
		out = append(out, subPair{Number: s.Number, Before: subWords(s), After: "—"})
	}
	for _, s := range after {
		i, ok := at[s.Number]
		if !ok {
			i = len(out)
			out = append(out, subPair{Number: s.Number, Before: "—"})
		}
		out[i].After = subWords(s)
	}
	return out
}

// subWords is a subscription in a line.
func subWords(s hotsync.Subscription) string {
	return joined(", ", s.Plan, s.Status, price(s), nextPayment(s))
}

// price is what a subscription costs, "" where it cannot be told.
func price(s hotsync.Subscription) string {
	if s.Amount == "" {
		return ""
	}
	return joined(" ", s.Amount, s.Currency, s.Every)
}

// nextPayment is when a subscription is paid next, and what.
func nextPayment(s hotsync.Subscription) string {
	if s.NextDay == "" {
		return ""
	}
	return joined(": ", "next payment "+s.NextDay, joined(" ", s.NextAmount, s.Currency))
}
