package console

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"hotsync/shared/hotsync"
)

// savedView is a filter that somebody named. Views are kept by the browser they
// were made in, in a cookie, since they are one person's convenience.
type savedView struct {
	Name  string `json:"n"`
	Query string `json:"q"`
}

// Href is the list that the view shows.
func (v savedView) Href() string {
	if v.Query == "" {
		return "/events"
	}
	return "/events?" + v.Query
}

const (
	viewsCookie = "views"
	maxViews    = 8
	maxViewName = 40
	maxViewSize = 300 // of its query
)

// savedViews are the views of the request's browser, none where it has none or
// not ours.
func savedViews(r *http.Request) []savedView {
	cookie, err := r.Cookie(viewsCookie)
	if err != nil {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return nil
	}
	var out []savedView
	err = json.Unmarshal(raw, &out)
	if err != nil {
		return nil
	}
	return out[:min(len(out), maxViews)]
}

// saveView keeps the filter of a list under a name, or forgets it.
func (c *console) saveView(w http.ResponseWriter, r *http.Request, _ member) error {
	name := clip(strings.TrimSpace(r.FormValue("name")), maxViewName)
	f, err := parseFilterText(r.FormValue("filter"), c.here(r))
	if err != nil {
		return err
	}
	v := savedView{Name: name, Query: f.Encode()}
	if name == "" || len(v.Query) > maxViewSize {
		return hotsync.Errorf(hotsync.CodeBadRequest, "A view needs a name, and a filter that is not too long.")
	}
	views := slices.DeleteFunc(savedViews(r), func(x savedView) bool { return x.Name == name })
	to := v.Href()
	if r.FormValue("forget") == "" {
		views = append([]savedView{v}, views...)
	} else {
		to = "/events"
	}
	raw, err := json.Marshal(views[:min(len(views), maxViews)])
	if err != nil {
		return err
	}
	http.SetCookie(
		w,
		&http.Cookie{
			Name:     viewsCookie,
			Value:    base64.RawURLEncoding.EncodeToString(raw),
			Path:     "/",
			MaxAge:   365 * 24 * 3600,
			HttpOnly: true,
			SameSite: http.SameSiteLaxMode,
			Secure:   c.Staff.HTTPS(r),
		},
	)
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}
