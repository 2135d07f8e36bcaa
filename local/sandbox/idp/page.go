package idp

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"strings"

	"hotsync/local/sandbox/persona"
)

//go:embed page.html
var pageText string

//go:embed style.css
var styleText []byte

var pages = template.Must(template.New("").Funcs(template.FuncMap{"initials": initials}).Parse(pageText))

// page is what the templates show.
type page struct {
	Title   string
	Text    string
	Issuer  string
	Query   template.URL // of the request to sign in
	People  []persona.Persona
	Issuers []issuerView
}

type issuerView struct {
	URL    string
	People []persona.Persona
}

// headers of every page. Redirects after the form go to loopback addresses,
// which is why form-action names them.
var pageHeaders = map[string]string{
	"Content-Type":           "text/html; charset=utf-8",
	"Cache-Control":          "no-store",
	"X-Content-Type-Options": "nosniff",
	"Referrer-Policy":        "no-referrer",
	"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors " +
		"'none'; " +
		"form-action 'self' http://127.0.0.1:* http://localhost:*",
}

func render(w http.ResponseWriter, status int, name string, p page) {
	var b bytes.Buffer
	err := pages.ExecuteTemplate(&b, name, p)
	if err != nil {
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	for k, v := range pageHeaders {
		w.Header().Set(k, v)
	}
	w.WriteHeader(status)
	_, err = w.Write(b.Bytes())
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

func refusalPage(w http.ResponseWriter, status int, text string) {
	render(w, status, "message", page{Title: "This sign-in cannot go on", Text: text})
}

func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	p := page{Title: "Local identity provider"}
	for _, name := range []string{Direct, Lookup, Staff} {
		i := issuer{s, name}
		p.Issuers = append(p.Issuers, issuerView{URL: i.url(), People: i.personas()})
	}
	render(w, http.StatusOK, "index", p)
}

func (i issuer) renderSignIn(w http.ResponseWriter, query string) {
	render(
		w,
		http.StatusOK,
		"signin",
		page{Title: "Who is signing in?", Issuer: i.url(), Query: template.URL(query), People: i.personas()},
	)
}

// initials are shown in the place of a portrait.
func initials(p persona.Persona) string {
	name, _ := p.Claims["name"].(string)
	out := ""
	for _, word := range strings.Fields(name) {
		out += string([]rune(word)[:1])
	}
	return out
}

func style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, err := w.Write(styleText)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}
