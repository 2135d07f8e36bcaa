package console

import (
	"net/http"
	"strings"

	"hotsync/shared/console/internal/sample"
	"hotsync/shared/hotsync"
)

// The gallery shows every state with made-up events, so that each can be looked
// at and tested without having to happen. It is served on request only.

type galleryView struct {
	Cases []sample.Case
}

// slug is a case's name in an address.
func slug(name string) string { return strings.ReplaceAll(strings.ReplaceAll(name, ",", ""), " ", "-") }

func (c *console) galleryPage(w http.ResponseWriter, r *http.Request, m member) error {
	return c.render(
		w,
		r,
		m,
		"gallery",
		view{Title: "Gallery", Nav: "gallery", Body: galleryView{sample.Events(c.Now())}},
	)
}

// galleryList shows the list with one event of every state.
func (c *console) galleryList(w http.ResponseWriter, r *http.Request, m member) error {
	page := eventsView{Triggers: triggers, Presets: presets(filter{}, "/events", c.Now())}
	for _, s := range sample.Events(c.Now()) {
		page.Events = append(page.Events, rows([]hotsync.Event{s.Event}, c.Now(), m)...)
	}
	return c.render(w, r, m, "events", view{Title: "Events", Nav: "gallery", Body: page})
}

// galleryEvent shows the event of one state.
func (c *console) galleryEvent(w http.ResponseWriter, r *http.Request, m member) error {
	var good *hotsync.Event
	cases := sample.Events(c.Now())
	for i, s := range cases {
		if s.Name == "succeeded, unchanged" {
			good = &cases[i].Event
		}
	}
	for _, s := range cases {
		if slug(s.Name) != r.PathValue("state") {
			continue
		}
		page := c.newEventView(s.Event, c.here(r), m)
		page.Who, page.LastGood = mask(s.Event.Subject), good
		page.Differs, page.Holds = differences(*good, s.Event), newHolding(&s.Event)
		page.Findings, page.Sight = attentionFirst(s.Event.Findings), sightOf(s.Event, nil, false)
		page.Event, page.Request = masked(s.Event)
		if s.Event.Request.Lookup != nil {
			page.Lookup = mask(s.Event.Request.Lookup.Value)
		}
		return c.render(w, r, m, "event", view{Title: s.Name, Nav: "gallery", Body: page})
	}
	return hotsync.Errorf(hotsync.CodeNotFound, "The gallery has no such state.")
}
