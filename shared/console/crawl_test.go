package console_test

import (
	"cmp"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"hotsync/shared/console/internal/htmlcheck"
	"hotsync/shared/console/internal/sample"
	"hotsync/shared/hotsync"
)

// perShape is how many pages of one shape (a path and the names of its query)
// the crawler looks at: filters multiply without telling more.
const perShape = 5

// crawler walks the console as somebody who clicks on everything.
type crawler struct {
	client
	role  string
	seen  map[string]bool
	shape map[string]int
	todo  []string
	from  map[string]string // the page that showed a link first
	forms map[string]formOf // by method and shape of the target
}

type formOf struct {
	htmlcheck.Form
	page string
}

var ids = regexp.MustCompile(`event-[0-9a-f]{32}|/accounts/[^/?]+|/gallery/[^/?]+`)

func shapeOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	var names []string
	for name := range u.Query() {
		names = append(names, name)
	}
	slices.Sort(names)
	return ids.ReplaceAllString(u.Path, "*") + "?" + strings.Join(names, "&")
}

func (c *crawler) add(page, href string) {
	c.t.Helper()
	u, err := url.Parse(href)
	if err != nil {
		c.t.Errorf("%s: %s shows the link %q: %v", c.role, page, href, err)
		return
	}
	base := mustParse(c.t, page)
	to := base.ResolveReference(u)
	if to.Host != "" || to.RequestURI() == "" || strings.HasPrefix(to.Path, "/signin") {
		return // another site, or the door
	}
	address := to.RequestURI()
	if c.seen[address] || c.shape[shapeOf(address)] >= perShape {
		return
	}
	c.seen[address] = true
	c.shape[shapeOf(address)]++
	c.from[address] = page
	c.todo = append(c.todo, address)
}

func mustParse(t testing.TB, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestCrawl follows every link and submits every form that a page itself shows,
// as every role. Every link leads somewhere, nobody is shown what they may not
// do, and the pages, exports and retries behind a list are about the set that the
// list shows.
func TestCrawl(t *testing.T) {
	t.Parallel()

	for _, role := range []string{"viewer", "operator", "admin"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()

			events, _ := samples()
			b := setupSettings(t)
			for _, e := range events {
				b.events.events[e.ID] = e
			}
			b.nothings.records = sample.Logins(start)
			c := &crawler{client: b.signIn(role), role: role, seen: map[string]bool{}, shape: map[string]int{}, from: map[string]string{}, forms: map[string]formOf{}}
			c.add("/", "/")
			for len(c.todo) > 0 {
				next := c.todo[0]
				c.todo = c.todo[1:]
				c.visit(next)
			}
			c.submitAll()
			if len(c.seen) < 40 {
				t.Errorf("only %d pages were found", len(c.seen))
			}
		})
	}
}

func (c *crawler) visit(address string) {
	t := c.t
	t.Helper()
	a := c.get(address)
	if a.status >= http.StatusBadRequest {
		t.Errorf("%s: %s answers %d, and %s leads there: %s", c.role, address, a.status, c.from[address], firstText(a))
		return
	}
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		return
	}
	a.Sound()
	final := a.url.RequestURI()
	for _, href := range a.Attrs("a[href]", "href") {
		c.add(final, href)
	}
	for _, live := range append(a.Attrs("[hx-get]", "hx-get"), a.Attrs("[data-live]", "data-live")...) {
		c.add(final, live)
	}
	for _, f := range a.Forms() {
		f.Action = cmp.Or(f.Action, final)
		key := f.Method + " " + shapeOf(f.Action)
		if _, ok := c.forms[key]; !ok {
			c.forms[key] = formOf{f, final}
		}
		if f.Method == http.MethodGet && f.Action == "/events" && a.url.Path == "/events" && a.Count("#events") > 0 {
			if to := c.get("/events?" + f.Values.Encode()); to.url.RequestURI() != withoutCursor(a.url) {
				t.Errorf("%s: the form of %s sent as it is leads to %s", c.role, final, to.url.RequestURI())
			}
		}
	}
	if a.url.Path == "/events" && a.Count("#events") == 1 {
		c.checkList(a)
	}
	numbers := a.Texts(".cause.few .cause-n b")
	for i, href := range a.Attrs(".cause.few h2 a", "href") {
		if got := c.get(href).Count(".nothings > li"); got != firstNumber(numbers[i]) {
			t.Errorf("%s: %s says %s, and %s has %d rows", c.role, final, numbers[i], href, got)
		}
	}
}

func withoutCursor(u *url.URL) string {
	v := u.Query()
	v.Del("cursor")
	if len(v) == 0 {
		return u.Path
	}
	return u.Path + "?" + v.Encode()
}

func firstText(a answer) string {
	if texts := a.Texts("main p"); len(texts) > 0 {
		return texts[0]
	}
	return a.body[:min(len(a.body), 200)]
}

// checkList holds what a list leads to against what it shows, on all its pages.
func (c *crawler) checkList(a answer) {
	t := c.t
	t.Helper()
	here := a.url.RequestURI()
	if a.url.Query().Has("cursor") {
		return // its first page tells
	}
	shown := slices.Clone(a.Attrs("#events tr.row", "id"))
	for page := a; ; {
		next := page.Attrs("a[rel=next]", "href")
		if len(next) == 0 {
			break
		}
		page = c.get(next[0])
		shown = append(shown, page.Attrs("#events tr.row", "id")...)
	}
	for _, href := range a.Attrs("a[download]", "href") {
		if diff := gocmp.Diff(shown, exportedIDs(c.get(href).body)); diff != "" {
			t.Errorf("%s: %s of %s has another set (-page +export):\n%s", c.role, href, here, diff)
		}
	}
	ended := 0
	for _, id := range shown {
		c.events.mu.Lock()
		e := c.events.events[id]
		c.events.mu.Unlock()
		if e.Status == hotsync.StatusFailed || e.Status == hotsync.StatusSkipped && a.url.Query().Get("status") != "" {
			ended++
		}
	}
	for _, href := range a.Attrs(`#list a[href^="/retry"]`, "href") {
		c.checkRetry(here, href, ended)
	}
	for _, href := range a.Attrs("nav.chips a", "href") {
		c.checkChip(a, href)
	}
}

// checkRetry follows the steps of a bulk retry by their own links.
func (c *crawler) checkRetry(list, href string, want int) {
	t := c.t
	t.Helper()
	for _, step := range []string{"count", "reason"} {
		page := c.get(href)
		heads := page.Texts("main .sheet h2")
		if page.status != http.StatusOK || len(heads) == 0 {
			t.Errorf("%s: step %s of %s answers %d", c.role, step, list, page.status)
			return
		}
		if got := firstNumber(heads[0]); got != want {
			t.Errorf("%s: %s shows %d that can be retried, its step %s says %q", c.role, list, want, step, heads[0])
		}
		if want == 0 || step == "reason" {
			return
		}
		next := page.Attrs(".sheet a.button.primary", "href")
		if len(next) != 1 {
			t.Errorf("%s: step %s of %s has the links %q", c.role, step, list, next)
			return
		}
		href = next[0]
	}
}

var number = regexp.MustCompile(`\d[\d\x{202f}]*|\bNo\b`)

func firstNumber(s string) int {
	n := 0
	for _, r := range number.FindString(s) {
		if r >= '0' && r <= '9' {
			n = 10*n + int(r-'0')
		}
	}
	return n
}

// checkChip compares the number on a status with the rows it leads to.
func (c *crawler) checkChip(a answer, href string) {
	t := c.t
	t.Helper()
	says := a.Texts(`nav.chips a[href="` + href + `"] b`)
	if len(says) != 1 || strings.ContainsAny(says[0], "+?") || says[0] == "" {
		return
	}
	status := a.Texts(`nav.chips a[href="` + href + `"] .chip-name`)[0]
	v := a.url.Query()
	v.Set("status", status)
	page := c.get("/events?" + v.Encode())
	if got := page.Count("#events tr.row"); got != firstNumber(says[0]) {
		t.Errorf("%s: %s says %s %s, and %d rows are there", c.role, a.url.RequestURI(), says[0], status, got)
	}
}

// submitAll sends the forms that the pages showed, filled in as they were.
func (c *crawler) submitAll() {
	t := c.t
	t.Helper()
	var keys []string
	for key := range c.forms {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		f := c.forms[key]
		if strings.HasPrefix(f.Action, "/signout") || f.Action == "/me/end" { // ends the crawler's own session
			continue
		}
		for _, name := range f.Empty {
			f.Values.Set(name, "because")
		}
		var a answer
		if f.Method == http.MethodGet {
			a = c.get(withQueryOf(f.Action, f.Values))
		} else {
			a = c.post(f.Action, f.Values)
		}
		switch {
		case a.status == http.StatusBadRequest || a.status == http.StatusConflict || a.status == http.StatusUnprocessableEntity:
			if len(f.Empty) == 0 && f.Method == http.MethodPost && a.Count(".note.bad, [aria-invalid]") == 0 {
				t.Errorf("%s: %s of %s answers %d and does not say why", c.role, key, f.page, a.status)
			}
		case a.status >= http.StatusBadRequest:
			t.Errorf("%s: %s of %s answers %d: %s", c.role, key, f.page, a.status, firstText(a))
		}
		if strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			a.Sound()
		}
	}
}

func withQueryOf(path string, v url.Values) string {
	u, err := url.Parse(path)
	if err != nil {
		return path
	}
	u.RawQuery = v.Encode()
	return u.RequestURI()
}
