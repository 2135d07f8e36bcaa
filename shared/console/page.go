package console

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"hotsync/shared/console/staff"
	"hotsync/shared/hotsync"
	"hotsync/shared/telemetry"
)

//go:embed templates
var templateFiles embed.FS

// pages are the templates: the layout and the parts in templates/parts,
// together with one page each.
type pages map[string]*template.Template

// loaded are the static files and the templates, which all consoles of a process share.
var loaded = sync.OnceValues(func() (assets, pages) {
	a := loadAssets()
	return a, loadPages(a)
})

func loadPages(a assets) pages {
	base := template.Must(
		template.New("layout").
			Funcs(functions(a)).
			ParseFS(templateFiles, "templates/layout.html", "templates/parts/*.html"),
	)
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err) // the pattern is right
	}
	out := pages{}
	for _, f := range files {
		name := strings.TrimSuffix(path.Base(f), ".html")
		if name != "layout" {
			out[name] = template.Must(template.Must(base.Clone()).ParseFS(templateFiles, f))
		}
	}
	return out
}

// view is what the layout shows, around what the page itself shows.
type view struct {
	Title   string // of the document and, unless the page says otherwise, its h1
	Nav     string // the entry of the navigation the page belongs to
	Body    any
	Member  member
	Theme   string
	Gallery bool
	Now     time.Time
	Self    string // path and query of the page
	Zone    string // of the times on it

	Recorded bool // logins that led to nothing are
}

// page serves a page to who has the role, and leads who is not signed in to the
// sign-in and back.
func (c *console) page(need staff.Role, serve func(http.ResponseWriter, *http.Request, member) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		m, ok, err := c.Staff.Member(w, r)
		if err != nil {
			c.fail(w, r, member{}, err)
			return
		}
		if !ok {
			err := c.askToSignIn(w, r)
			if err != nil {
				c.fail(w, r, member{}, err)
			}
			return
		}
		if m.Role() < need {
			c.fail(
				w,
				r,
				m,
				hotsync.Errorf(hotsync.CodeForbidden, "This needs the role %s; you are %s.", need, m.Role()),
			)
			return
		}
		err = serve(w, r, m)
		if err != nil {
			c.fail(w, r, m, err)
		}
	}
}

// askToSignIn leads to the sign-in and back. What was posted is not carried out
// and not lost: it can be sent again.
func (c *console) askToSignIn(w http.ResponseWriter, r *http.Request) error {
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Redirect", "/signin?to="+url.QueryEscape(refererPath(r)))
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	if r.Method == http.MethodPost {
		err := parseForm(w, r, maxForm)
		if err != nil {
			return err
		}
		page := signInView{Ended: true, Action: r.URL.Path, Sent: sentAgain(r.PostForm)}
		return c.renderAs(
			w,
			r,
			member{},
			http.StatusUnauthorized,
			"signin",
			"layout",
			view{Title: "Sign in", Body: page},
		)
	}
	http.Redirect(w, r, "/signin?to="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
	return nil
}

// refererPath is the console's page that a request came from, "/" if none.
func refererPath(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if err != nil || u.Host != r.Host {
		return "/"
	}
	return staff.OwnPath(u.RequestURI())
}

// render writes a page. It is made whole before the first byte is sent, so that
// a mistake in a template cannot send half of one.
func (c *console) render(w http.ResponseWriter, r *http.Request, m member, name string, v view) error {
	return c.renderAs(w, r, m, http.StatusOK, name, "layout", v)
}

func (c *console) renderAs(
	w http.ResponseWriter,
	r *http.Request,
	m member,
	status int,
	name, part string,
	v view,
) (err error) {
	defer hotsync.In(&err, "console.render(%s, %s)", name, part)
	now := c.here(r)
	v.Member, v.Theme, v.Gallery, v.Now, v.Self, v.Zone = m, theme(r), c.Gallery, now, r.URL.RequestURI(), zoneName(now)
	v.Recorded = c.Logins != nil
	var out bytes.Buffer
	err = c.pages[name].ExecuteTemplate(&out, part, v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err = w.Write(localise(out.Bytes(), now))
	if err != nil {
		c.Log.WarnContext(r.Context(), "page not written", "error", err)
	}
	return nil
}

func theme(r *http.Request) string {
	cookie, err := r.Cookie("theme")
	if err != nil || cookie.Value != "light" && cookie.Value != "dark" {
		return "auto"
	}
	return cookie.Value
}

type problemView struct {
	hotsync.Problem
	Status int
}

// fail writes the page of an error: a sentence, and what to do. Its cause goes
// to the log.
func (c *console) fail(w http.ResponseWriter, r *http.Request, m member, err error) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		c.refuse(r.Context(), w, err)
		return
	}
	e := hotsync.AsError(err)
	status := e.Code.HTTPStatus()
	if status >= http.StatusInternalServerError {
		c.Log.ErrorContext(r.Context(), "console page failed", "path", r.URL.Path, "error", err)
	}
	v := view{Title: problemTitle(status), Body: problemView{*e.Problem(), status}}
	err = c.renderAs(w, r, m, status, "problem", "layout", v)
	if err != nil {
		c.Log.ErrorContext(r.Context(), "error page failed", "error", err)
		http.Error(w, e.Message, status)
	}
}

func problemTitle(status int) string {
	switch {
	case status == http.StatusNotFound:
		return "Not found"
	case status == http.StatusForbidden:
		return "Not allowed"
	case status == http.StatusConflict:
		return "Not possible now"
	case status == http.StatusServiceUnavailable, status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		return "Something does not answer"
	case status >= http.StatusInternalServerError:
		return "Internal error"
	default:
		return "That did not work"
	}
}

// functions are what templates may call.
func functions(a assets) template.FuncMap {
	return template.FuncMap{
		"asset":       a.url,
		"version":     telemetry.Version,
		"clock":       func(t time.Time) template.HTML { return timeTag(t, "abs") },
		"ago":         func(t time.Time) template.HTML { return timeTag(t, "rel") },
		"at":          func(t time.Time) template.HTML { return timeTag(t, "at") },
		"middle":      middle,
		"joined":      joined,
		"who":         who,
		"via":         via,
		"price":       price,
		"capital":     capital,
		"lastAttempt": lastAttempt,
		"millis":      millis,
		"duration":    duration,
		"count":       count,
		"plural":      plural,
		"json":        prettyJSON,
		"value":       value,
		"short":       shortID,
		"mask":        mask,
		"explain":     explain,
		"todo":        todo,
		"headline":    headline,
		"label":       label,
		"join":        strings.Join,
		"took":        took,
		"isEvent":     hotsync.IsEventID,
		"slug":        slug,
		"account":     accountName,
		"accountPath": accountPath,
		"accountAt":   accountAt,
		"accountKey":  isAccountKey,
		"sub":         func(a, b int) int { return a - b },
		"percent":     func(part float64) float64 { return max(1, 100*part) },
		"pair":        func(a, b any) [2]any { return [2]any{a, b} },
		"list":        func(items ...any) []any { return items },
	}
}

// timeTag shows a time in UTC, which localise turns into the reader's; a script
// makes it relative and keeps that true.
func timeTag(t time.Time, form string) template.HTML {
	if t.IsZero() {
		return ""
	}
	t = t.UTC()
	//nolint:gosec // digits and fixed text only
	return template.HTML(
		fmt.Sprintf(
			`<time datetime="%s" data-t="%s">%s</time>`,
			t.Format(stampForm),
			form,
			formTime(t, form != "abs", t),
		),
	)
}

func millis(ms int64) string { return duration(time.Duration(ms) * time.Millisecond) }

// duration is a length of time as people say it, with two to three digits.
func duration(d time.Duration) string {
	switch {
	case d < 0:
		return "0 ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d days", int(d.Hours())/24)
	}
}

// count writes a number with its thousands apart.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural returns a number with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

func prettyJSON(v any) (string, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // the template escapes
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return strings.TrimRight(out.String(), "\n"), err
}

// value shows one JSON value of a change; absent is not the same as "".
func value(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "—", nil
	case string:
		if v == "" {
			return `""`, nil
		}
		return v, nil
	default:
		return prettyJSON(v)
	}
}

// shortID is enough of an event id to tell it from its neighbours.
func shortID(id string) string {
	if len(id) <= 12 {
		return id
	}
	return "…" + id[len(id)-8:]
}

// middle is an id with what is least telling left out: its middle.
func middle(id string) string {
	r := []rune(id)
	if len(r) <= 16 {
		return id
	}
	return string(r[:7]) + "…" + string(r[len(r)-6:])
}

// joined puts what is there of some texts together.
func joined(between string, texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), between)
}

// mask shows just enough of a subject to recognise it.
func mask(s string) string {
	r := []rune(s)
	switch {
	case len(r) == 0:
		return ""
	case len(r) <= 4:
		return "••••"
	case len(r) <= 10:
		return string(r[:2]) + "••••"
	default:
		return string(r[:4]) + "••••" + string(r[len(r)-2:])
	}
}

// clip bounds a text from outside.
func clip(s string, limit int) string { return hotsync.Clip(s, limit) }
