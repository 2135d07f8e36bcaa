package console_test

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"hotsync/shared/console"
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
	wrong func(format string, args ...any)
}

type formOf struct {
	htmlcheck.Form
	page string
}

var ids = regexp.MustCompile(`event-[0-9a-f]{32}|job-[0-9a-f]{24}|/accounts/[^/?]+|/gallery/[^/?]+|/history/[0-9]+`)

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
		c.wrong("%s: %s shows the link %q: %v", c.role, page, href, err)
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

			b := crawled(t)
			c := b.crawler(role)
			c.add("/", "/")
			for len(c.todo) > 0 {
				next := c.todo[0]
				c.todo = c.todo[1:]
				c.visit(next)
			}
			c.submitAll()
			for _, path := range []string{"/", "/open", "/events", "/logins", "/jobs", "/catalogue", "/settings"} {
				if !c.seen[path] {
					t.Errorf("no page leads to %s", path)
				}
			}
			t.Logf("%d pages, %d forms", len(c.seen), len(c.forms))
			if len(c.seen) < 100 || len(c.forms) < 6 {
				t.Errorf("only %d pages and %d forms were found", len(c.seen), len(c.forms))
			}
		})
	}
}

// TestCrawlNotices breaks the links of pages as they were broken once, or might be, and
// wants the crawler to say so.
func TestCrawlNotices(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct{ name, page, link, broken string }{
		{"an export whose query is escaped twice", "/events?status=failed", `(href="/events\.csv\?)([^"]*)`, "escape"},
		{"an export without its filter", "/events?status=failed", `(href="/events\.jsonl)\?[^"]*`, "$1"},
		{"a bulk retry whose query is escaped twice", "/events?status=failed&reason=limio_request_refused",
			`(href="/retry\?)([^"]*)`, "escape"},
		{"a bulk retry that loses a part of its filter", "/events?status=failed&reason=limio_request_refused",
			`(href="/retry\?)[^"]*(status=[^"&]*)`, "$1$2"},
		{"a second step without the filter of the first", "/events?status=failed&reason=limio_request_refused",
			`(href="/retry/reason)\?[^"]*`, "$1"},
		{"a cause that leads to all that is open", "/open", `(href="/events\?is=open)&amp;reason=[^"]*`, "$1"},
		{"a cause of logins that leads to all of them", "/logins", `(href="/logins)\?reason=[^"]*`, "$1"},
		{"a page that follows without the filter", "/events?trigger=login", `(rel="next" href="/events\?cursor=[^"&]*)[^"]*`,
			"$1"},
		{"a link that leads nowhere", "/open", `href="/events\?is=open[^"]*"`, `href="/opened"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := crawled(t)
			for i, e := range backlog(60) { // a second page
				e.ID = hotsync.EventIDFor(e.RequestedAt, fmt.Sprint("more", i))
				e.Trigger = hotsync.TriggerLogin
				b.events.events[e.ID] = e
			}
			cfg := b.config()
			link := regexp.MustCompile(tc.link)
			broken := 0
			b.server.Close()
			b.server = httptest.NewServer(rewriting(console.New(cfg), func(body string) string {
				broken += len(link.FindAllString(body, -1))
				if tc.broken == "escape" {
					return link.ReplaceAllStringFunc(body, func(s string) string {
						m := link.FindStringSubmatch(s)
						return m[1] + url.QueryEscape(html.UnescapeString(m[2]))
					})
				}
				return link.ReplaceAllString(body, tc.broken)
			}))
			t.Cleanup(b.server.Close)
			c := b.crawler("operator")
			var said []string
			c.wrong = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
			c.visit(tc.page)
			for len(c.todo) > 0 && len(said) == 0 && len(c.seen) < 200 {
				next := c.todo[0]
				c.todo = c.todo[1:]
				c.visit(next)
			}
			if broken == 0 {
				t.Fatal("nothing was broken")
			}
			if len(said) == 0 {
				t.Error("the crawler did not notice")
			}
			t.Logf("%q", said)
		})
	}
}

// rewriting serves pages with their text changed.
func rewriting(h http.Handler, change func(string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Accept-Encoding")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		maps.Copy(w.Header(), rec.Header())
		body := rec.Body.String()
		if strings.HasPrefix(rec.Header().Get("Content-Type"), "text/html") {
			body = change(body)
			w.Header().Del("Content-Length")
		}
		w.WriteHeader(rec.Code)
		_, _ = io.WriteString(w, body)
	})
}

// crawled is a console that has something on every page: events of every state, logins
// that led to nothing, and jobs that ended and that wait.
func crawled(t *testing.T) *bundle {
	t.Helper()
	events, _ := samples()
	b := setupSettings(t)
	for _, e := range append(events, backlog(3)...) {
		b.events.events[e.ID] = e
	}
	b.nothings.records = sample.Logins(start)
	cfg := b.config()
	cfg.Catalogue = somePlans()
	b.serve(cfg)
	c := b.signIn("operator")
	c.post("/retry", url.Values{"reason": {string(hotsync.CodeZuoraUnavailable)}, "status": {"failed"},
		"why": {"Zuora was down"}}).wantStatus(t, 200)
	b.advance(t, 3)
	c.post("/jobs", url.Values{"accounts": {"A00000001\nA00000002\nno account key\n"}, "rate": {"300"},
		"note": {"before the launch"}}).wantStatus(t, 200)
	return b
}

// crawler starts at the console as somebody with that role.
func (b *bundle) crawler(role string) *crawler {
	return &crawler{client: b.signIn(role), role: role, wrong: b.t.Errorf,
		seen: map[string]bool{}, shape: map[string]int{}, from: map[string]string{}, forms: map[string]formOf{}}
}

func (c *crawler) visit(address string) {
	c.t.Helper()
	a := c.get(address)
	if a.status >= http.StatusBadRequest {
		c.wrong("%s: %s answers %d, and %s leads there: %s", c.role, address, a.status, c.from[address], firstText(a))
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
		key := f.Method + " " + shapeOf(f.Action) + " " + f.Button
		if _, ok := c.forms[key]; !ok {
			c.forms[key] = formOf{f, final}
		}
		if f.Method == http.MethodGet && f.Action == "/events" && a.url.Path == "/events" && a.Count("#events") > 0 {
			if to := c.get("/events?" + f.Values.Encode()); to.url.RequestURI() != withoutCursor(a.url) {
				c.wrong("%s: the form of %s sent as it is leads to %s", c.role, final, to.url.RequestURI())
			}
		}
	}
	if a.url.Path == "/events" && a.Count("#events") == 1 {
		c.checkList(a)
	}
	c.checkNumbers(a, ".cause .cause-n b", ".cause h2 a")
	c.checkNumbers(a, "#overview .plainly > li > b", "#overview .plainly > li a")
	if href := a.Attrs(`a[href$="result.csv"]`, "href"); len(href) > 0 {
		c.checkJob(a, href[0])
	}
}

// checkNumbers holds the number beside a link against the rows of the list that it
// leads to.
func (c *crawler) checkNumbers(a answer, numbers, links string) {
	c.t.Helper()
	says, hrefs := a.Texts(numbers), a.Attrs(links, "href")
	if len(says) != len(hrefs) {
		c.wrong("%s: %s has %d numbers and %d links", c.role, a.url.RequestURI(), len(says), len(hrefs))
		return
	}
	for i, href := range hrefs {
		got := 0
		for page := c.get(href); ; {
			got += page.Count(".nothings > li") + page.Count("#events tr.row")
			next := page.Attrs("a[rel=next]", "href")
			if len(next) == 0 {
				break
			}
			page = c.get(next[0])
		}
		if got != firstNumber(says[i]) {
			c.wrong("%s: %s says %s, and %s has %d rows", c.role, a.url.RequestURI(), says[i], href, got)
		}
	}
}

// checkJob holds a job's page against its result and the list of jobs.
func (c *crawler) checkJob(a answer, result string) {
	c.t.Helper()
	here, of := a.url.RequestURI(), a.Text("#job .sheet h2")
	rows := strings.Count(strings.TrimSpace(c.get(result).body), "\n")
	sum := 0
	for _, n := range a.Texts("#job table:first-of-type td.num") {
		sum += firstNumber(n)
	}
	_, total, _ := strings.Cut(of, " of ")
	if firstNumber(total) != rows || sum != rows {
		c.wrong("%s: %s says %q, its outcomes are %d, its result has %d rows", c.role, here, of, sum, rows)
	}
	listed := c.get("/jobs").Texts(`tr:has(a[href="` + a.url.Path + `"]) td.num`)
	if len(listed) != 1 || firstNumber(listed[0]) != firstNumber(of) {
		c.wrong("%s: the list of jobs says %q of %s, its page %q", c.role, listed, here, of)
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
	c.t.Helper()
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
			c.wrong("%s: %s of %s has another set (-page +export):\n%s", c.role, href, here, diff)
		}
	}
	ended := 0
	for _, id := range shown {
		c.events.mu.Lock()
		e := c.events.events[id]
		c.events.mu.Unlock()
		q := a.url.Query()
		about := q.Get("status") != "" || q.Get("is") != "" || q.Get("reason") != ""
		if e.Status == hotsync.StatusFailed || e.Status == hotsync.StatusSkipped && about {
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
	c.t.Helper()
	for _, step := range []string{"count", "reason"} {
		page := c.get(href)
		heads := page.Texts("main .sheet h2")
		if page.status != http.StatusOK || len(heads) == 0 {
			c.wrong("%s: step %s of %s answers %d", c.role, step, list, page.status)
			return
		}
		if got := firstNumber(heads[0]); got != want {
			c.wrong("%s: %s shows %d that can be retried, its step %s says %q", c.role, list, want, step, heads[0])
		}
		if want == 0 || step == "reason" {
			return
		}
		next := page.Attrs(".sheet a.button.primary", "href")
		if len(next) != 1 {
			c.wrong("%s: step %s of %s has the links %q", c.role, step, list, next)
			return
		}
		href = next[0]
	}
}

var number = regexp.MustCompile(`\d[\d,]*|\bNo\b`)

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
	c.t.Helper()
	says := a.Texts(`nav.chips a[href="` + href + `"] b`)
	if len(says) != 1 || strings.ContainsAny(says[0], "+?") || says[0] == "" {
		return
	}
	status := a.Texts(`nav.chips a[href="` + href + `"] .chip-name`)[0]
	v := a.url.Query()
	v.Set("status", status)
	page := c.get("/events?" + v.Encode())
	if got := page.Count("#events tr.row"); got != firstNumber(says[0]) {
		c.wrong("%s: %s says %s %s, and %d rows are there", c.role, a.url.RequestURI(), says[0], status, got)
	}
}

// submitAll sends the forms that the pages showed, filled in as they were.
func (c *crawler) submitAll() {
	c.t.Helper()
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
		case a.status == http.StatusBadRequest || a.status == http.StatusConflict ||
			a.status == http.StatusUnprocessableEntity:
			if len(f.Empty) == 0 && f.Method == http.MethodPost && a.Count(".note.bad, [aria-invalid]") == 0 {
				c.wrong("%s: %s of %s answers %d and does not say why", c.role, key, f.page, a.status)
			}
		case a.status >= http.StatusBadRequest:
			c.wrong("%s: %s of %s answers %d: %s", c.role, key, f.page, a.status, firstText(a))
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
