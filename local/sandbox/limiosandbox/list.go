package limiosandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"time"
)

// list is GET /objects/{service}/{path_type}: summaries, in order of creation.
// Any parameter but limit and queryMore is refused, as was seen on a live
// tenant. The largest limit is not known; 100 is assumed.
func (s *Sandbox) list(w http.ResponseWriter, r *http.Request) {
	service, pt, ok := place(w, r)
	if !ok {
		return
	}
	limit, after, err := s.page(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	s.store.mu.RLock()
	var summaries []json.RawMessage
	more := false
	all := s.store.byKind[pt.kind]
	first := sort.Search(len(all), func(i int) bool { return all[i].seq > after })
	for _, found := range all[first:] {
		if found.Service != service {
			continue
		}
		if len(summaries) == limit {
			more = true
			break
		}
		summary := found.envelope
		summary.Data = nil
		var raw json.RawMessage
		raw, err = json.Marshal(summary)
		if err != nil {
			break
		}
		summaries, after = append(summaries, raw), found.seq
	}
	s.store.mu.RUnlock()
	switch {
	case err != nil:
		refuse(w, http.StatusInternalServerError, err.Error())
	case more:
		sendRaw(
			w,
			append(
				bytes.TrimSuffix(list("items", summaries), []byte("}")),
				[]byte(`,"queryMore":"`+s.cursor(r.URL.EscapedPath(), after)+`"}`)...),
		)
	default:
		sendRaw(w, list("items", summaries))
	}
}

// page reads limit and queryMore; after is the number of the last object seen.
func (s *Sandbox) page(r *http.Request) (limit, after int, err error) {
	limit, after = 10, -1
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return 0, 0, errors.New("the query cannot be read")
	}
	for name, values := range query {
		switch name {
		case "limit":
			limit, err = strconv.Atoi(values[0])
			if err != nil || limit < 1 {
				return 0, 0, errors.New("limit is no number above 0")
			}
			limit = min(limit, 100)
		case "queryMore":
			after, err = s.readCursor(r.URL.EscapedPath(), values[0])
			if err != nil {
				return 0, 0, err
			}
		default:
			return 0, 0, errors.New("unknown parameter: " + name)
		}
	}
	return limit, after, nil
}

// A cursor says which list it goes on with, from where, and until when it holds.
func (s *Sandbox) cursor(path string, after int) string {
	text := fmt.Sprintf("%d %d %s", after, s.now().Add(cursorLife).UnixMilli(), path)
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func (s *Sandbox) readCursor(path, cursor string) (after int, err error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, errors.New("unknown queryMore")
	}
	var until int64
	var of string
	_, err = fmt.Sscanf(string(text), "%d %d %s", &after, &until, &of)
	switch {
	case err != nil || of != path:
		return 0, errors.New("unknown queryMore")
	case !s.now().Before(time.UnixMilli(until)):
		return 0, errors.New("queryMore has expired")
	}
	return after, nil
}
