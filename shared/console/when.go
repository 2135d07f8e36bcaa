package console

import (
	"bytes"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // Lambda's system has no zones

	"hotsync/shared/hotsync"
)

// zoneOf is the reader's time zone: the one their browser named, or UTC where it
// named none or the reader chose so.
func zoneOf(r *http.Request) *time.Location {
	if c, err := r.Cookie("zone"); err == nil && c.Value == "utc" {
		return time.UTC
	}
	c, err := r.Cookie("tz")
	if err != nil || len(c.Value) > 64 {
		return time.UTC
	}
	name, err := url.QueryUnescape(c.Value)
	if err != nil || name == "" || name == "Local" {
		return time.UTC
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return zone
}

// here is what the time is for the reader of a page.
func (c *console) here(r *http.Request) time.Time { return c.Now().In(zoneOf(r)) }

// parseWhen reads a time as people write it, in the zone of now: a moment, a day,
// a time of day, or how long ago. A day as an end counts whole. ok is false where
// it is none of these.
func parseWhen(s string, end bool, now time.Time) (_ time.Time, ok bool) {
	s = strings.ToLower(strings.Join(strings.Fields(s), " "))
	if t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(s)); err == nil {
		return t.UTC(), true
	}
	if s == "now" {
		return now.UTC(), true
	}
	for _, zone := range []string{" utc", " gmt"} {
		if rest, ok := strings.CutSuffix(s, zone); ok {
			return parseWhen(rest, end, now.UTC())
		}
	}
	if d, ok := parseAgo(s); ok {
		return now.Add(-d).UTC().Truncate(time.Second), true
	}
	if t, ok := parseClock(s, now); ok {
		if t.After(now) {
			t = t.AddDate(0, 0, -1) // the last time it was that late
		}
		return t.UTC(), true
	}
	word, rest, _ := strings.Cut(s, " ")
	if day, ok := parseDay(word, now); ok {
		return onDay(day, strings.TrimPrefix(rest, "at "), end)
	}
	for _, layout := range []string{"2 Jan", "2 January", "Jan 2", "January 2", "2 Jan 2006", "2 January 2006"} {
		n := len(strings.Fields(layout))
		fields := strings.Fields(strings.ReplaceAll(s, ",", ""))
		if len(fields) < n {
			continue
		}
		day, err := time.ParseInLocation(layout, strings.Join(fields[:n], " "), now.Location())
		if err != nil {
			continue
		}
		if day.Year() == 0 {
			day = time.Date(now.Year(), day.Month(), day.Day(), 0, 0, 0, 0, now.Location())
			if day.After(now) {
				day = day.AddDate(-1, 0, 0)
			}
		}
		if t, ok := onDay(day, strings.TrimPrefix(strings.Join(fields[n:], " "), "at "), end); ok {
			return t, true
		}
	}
	return time.Time{}, false
}

// onDay is a time of a day; without one, the day's begin or, as an end, the next
// day's.
func onDay(day time.Time, clock string, end bool) (time.Time, bool) {
	if clock == "" {
		if end {
			day = day.AddDate(0, 0, 1)
		}
		return day.UTC(), true
	}
	t, ok := parseClock(clock, day)
	return t.UTC(), ok
}

// parseDay reads today, yesterday, a day of the week, 2026-11-22, whose time of
// day may follow after a T, 2026/11/22, 22.11.2026 or 22/11/2026.
func parseDay(s string, now time.Time) (time.Time, bool) {
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch s {
	case "today":
		return midnight, true
	case "yesterday":
		return midnight.AddDate(0, 0, -1), true
	}
	for back := range 7 {
		day := midnight.AddDate(0, 0, -back)
		name := strings.ToLower(day.Weekday().String())
		if s == name || s == name[:3] {
			return day, true
		}
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02t15:04", "2006-01-02t15:04:05", "2006/01/02", "2.1.2006"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, true
		}
	}
	return slashedDay(s, now.Location())
}

// slashedDay reads 26/11/2026 and 11/26/2026. Which is the month must be plain: of
// 05/06/2026 nobody can tell.
func slashedDay(s string, zone *time.Location) (time.Time, bool) {
	european, err := time.ParseInLocation("2/1/2006", s, zone)
	if err != nil {
		american, err := time.ParseInLocation("1/2/2006", s, zone)
		return american, err == nil
	}
	_, err = time.ParseInLocation("1/2/2006", s, zone)
	return european, err != nil || european.Day() == int(european.Month())
}

// isNumericDay reports whether a text is a day in numbers with its year, and no
// number of an account that happens to have dots or slashes.
func isNumericDay(s string) bool { return numericDay.MatchString(s) }

var numericDay = regexp.MustCompile(`^(\d{4}/\d{2}/\d{2}|\d{1,2}\.\d{1,2}\.\d{4}|\d{1,2}/\d{1,2}/\d{4})$`)

func parseClock(s string, day time.Time) (time.Time, bool) {
	switch s {
	case "noon":
		s = "12:00"
	case "midnight":
		s = "00:00"
	}
	for _, layout := range []string{"15:04", "15:04:05", "15.04", "3pm", "3 pm", "3:04pm", "3:04 pm"} {
		if t, err := time.Parse(layout, s); err == nil {
			return time.Date(
				day.Year(),
				day.Month(),
				day.Day(),
				t.Hour(),
				t.Minute(),
				t.Second(),
				0,
				day.Location(),
			), true
		}
	}
	return time.Time{}, false
}

var units = map[string]time.Duration{
	"s":      time.Second,
	"sec":    time.Second,
	"second": time.Second,
	"m":      time.Minute,
	"min":    time.Minute,
	"minute": time.Minute,
	"h":      time.Hour,
	"hour":   time.Hour,
	"hr":     time.Hour,
	"d":      24 * time.Hour,
	"day":    24 * time.Hour,
	"w":      7 * 24 * time.Hour,
	"week":   7 * 24 * time.Hour,
}

var ago = regexp.MustCompile(`^(?:(?:last|past) )?(\d{1,4}|an?) ?([a-z]+?)s?(?: ago)?$`)

// lastOne is one of a unit, without saying so.
var lastOne = regexp.MustCompile(`^(?:last|past) ([a-z]+)$`)

// parseAgo reads 24h, 7d, 90 min, an hour ago.
func parseAgo(s string) (time.Duration, bool) {
	if d, ok := parseAge(s); ok {
		return d, true
	}
	if m := lastOne.FindStringSubmatch(s); m != nil {
		unit, ok := units[m[1]]
		return unit, ok
	}
	m := ago.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		n = 1 // "an hour ago"
	}
	unit, ok := units[m[2]]
	return time.Duration(n) * unit, ok && n > 0
}

// written is a time as its control shows it, which parseWhen reads back.
func written(t time.Time, zone *time.Location) string {
	switch {
	case t.IsZero():
		return ""
	case t.Second() == 0 && t.Nanosecond() == 0:
		return t.In(zone).Format("2006-01-02 15:04")
	case t.Nanosecond() == 0:
		return t.In(zone).Format("2006-01-02 15:04:05")
	default:
		return t.In(zone).Format(time.RFC3339Nano)
	}
}

// zoneName is what the reader's zone is called in a sentence.
func zoneName(t time.Time) string {
	if t.Location() == time.UTC {
		return "UTC"
	}
	return t.Location().String() + " (" + t.Format("MST") + ")"
}

// The forms of a time on a page. Each names its zone; the script makes relative
// times of the short ones, and keeps them true.
const (
	wholeTime = "2 Jan 2006 15:04:05 MST"
	shortTime = "2 Jan 15:04 MST"
	todayTime = "15:04 MST"
	shortDate = "2 Jan 2006 MST"
)

// formTime writes a time for a reader.
func formTime(t time.Time, short bool, now time.Time) string {
	switch {
	case !short:
		return t.Format(wholeTime)
	case now.Sub(t) > 300*24*time.Hour:
		return t.Format(shortDate)
	case now.Format(time.DateOnly) == t.Format(time.DateOnly):
		return t.Format(todayTime)
	default:
		return t.Format(shortTime)
	}
}

const (
	timeOpen  = `<time datetime="`
	stampForm = "2006-01-02T15:04:05.000Z07:00"
)

// localise writes the times of a page, which templates write in UTC, in the
// reader's zone.
func localise(page []byte, now time.Time) []byte {
	var out bytes.Buffer
	out.Grow(len(page) + 256)
	for {
		i := bytes.Index(page, []byte(timeOpen))
		if i < 0 {
			break
		}
		head := i + len(timeOpen)
		shut := bytes.Index(page[head:], []byte("</time>"))
		text := bytes.IndexByte(page[head:], '>')
		if shut < 0 || text < 0 || text > shut || len(page) < head+24 {
			break
		}
		t, err := time.Parse(stampForm, string(page[head:head+24]))
		out.Write(page[:head+text+1])
		if err == nil {
			short := !bytes.Contains(page[head:head+text], []byte(`data-t="abs"`))
			out.WriteString(formTime(t.In(now.Location()), short, now))
		} else {
			out.Write(page[head+text+1 : head+shut])
		}
		page = page[head+shut:]
	}
	out.Write(page)
	return out.Bytes()
}

// badTime says how a time may be written.
func badTime(name string) error {
	return hotsync.Errorf(hotsync.CodeBadRequest,
		"%s must be a time such as 19:40, yesterday, 2 hours ago, 2026-11-22 or 2026-11-22T09:00:00Z.", name)
}
