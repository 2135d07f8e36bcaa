package limiosandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"hotsync/local/sandbox"
)

// maxAnswer is the most an answer holds, as documented. A page that is larger
// fails, as a function behind a gateway does.
const maxAnswer = 6 << 20

// catalogueItem is an item that is published.
type catalogueItem struct {
	path, id string
	kind     string // record_type
	raw      json.RawMessage
}

// catalogueTypes are the documented record types, and which items are of them.
var catalogueTypes = map[string]func(catalogueItem) bool{
	"offers":   func(i catalogueItem) bool { return i.kind == "offer" && !strings.HasPrefix(i.path, "/offers2/") },
	"offers2":  func(i catalogueItem) bool { return i.kind == "offer" && strings.HasPrefix(i.path, "/offers2/") },
	"add_on":   ofKind("add_on"),
	"discount": ofKind("discount"),
	"product":  ofKind("product"),
	"page":     ofKind("page"),
	"campaign": ofKind("campaign"),
	"segment":  ofKind("segment"),
}

func ofKind(kind string) func(catalogueItem) bool {
	return func(i catalogueItem) bool { return i.kind == kind }
}

// readCatalogue checks the items of PUT /_sandbox/catalogue.
func readCatalogue(items []json.RawMessage) ([]catalogueItem, error) {
	out := make([]catalogueItem, 0, len(items))
	for n, raw := range items {
		var i struct {
			Path    string `json:"path"`
			ID      string `json:"id"`
			Version string `json:"version"`
			Data    *struct {
				RecordType string `json:"record_type"`
			} `json:"data"`
		}
		err := json.Unmarshal(raw, &i)
		switch {
		case err != nil:
			return nil, fmt.Errorf("items[%d]: %w", n, err)
		case !strings.HasPrefix(i.Path, "/") || i.ID == "" || i.Version == "" || i.Data == nil || i.Data.RecordType == "":
			return nil, fmt.Errorf("items[%d]: path, id, version or data.record_type is missing", n)
		}
		out = append(out, catalogueItem{path: i.Path, id: i.ID, kind: i.Data.RecordType, raw: raw})
	}
	slices.SortStableFunc(out, func(a, b catalogueItem) int { return cmp.Compare(a.path, b.path) })
	return out, nil
}

// putCatalogue is PUT /_sandbox/catalogue {"items":[…]}: what is published from
// now on.
func (s *Sandbox) putCatalogue(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Items []json.RawMessage `json:"items"`
	}
	err := sandbox.ReadJSON(r, &body)
	if err != nil {
		sandbox.Refuse(w, http.StatusBadRequest, err)
		return
	}
	items, err := readCatalogue(body.Items)
	if err != nil {
		sandbox.Refuse(w, http.StatusBadRequest, err)
		return
	}
	s.store.mu.Lock()
	s.store.catalogue = items
	s.store.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// publishedItems is GET /published_catalog_items. Its hits are an object, those
// of the older operations a number: both were seen.
func (s *Sandbox) publishedItems(w http.ResponseWriter, r *http.Request) {
	s.store.mu.RLock()
	there := s.store.assume.PublishedCatalogue
	s.store.mu.RUnlock()
	of, known := catalogueTypes[r.URL.Query().Get("record_type")]
	switch {
	case !there:
		refuse(w, http.StatusNotFound, "no such path")
	case !known:
		refuse(w, http.StatusBadRequest, "record_type is missing or unknown")
	default:
		s.catalogue(w, r, of, func(n int) any { return map[string]any{"value": n, "relation": "eq"} })
	}
}

// offers and addOns are GET /offers and GET /add_ons.
func (s *Sandbox) offers(w http.ResponseWriter, r *http.Request) {
	s.catalogue(w, r, ofKind("offer"), func(n int) any { return n })
}

func (s *Sandbox) addOns(w http.ResponseWriter, r *http.Request) {
	s.catalogue(w, r, ofKind("add_on"), func(n int) any { return n })
}

func (s *Sandbox) catalogue(w http.ResponseWriter, r *http.Request, of func(catalogueItem) bool, hits func(int) any) {
	q, err := readCatalogueQuery(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	s.store.mu.RLock()
	var found []json.RawMessage
	for _, i := range s.store.catalogue {
		if of(i) && (q.path == "" || q.path == i.path) && (q.id == "" || q.id == i.id) {
			found = append(found, i.raw)
		}
	}
	s.store.mu.RUnlock()
	page := found[min(q.from, len(found)):min(q.from+q.pageSize, len(found))]
	tail := map[string]any{
		"hits":      hits(len(found)),
		"commitId":  "0123456789abcdef0123456789abcdef01234567",
		"indexName": "catalog-live",
	}
	if end := q.from + len(page); q.all && end < len(found) {
		tail["queryMore"] = map[string]string{"from": strconv.Itoa(end), "alias": catalogueAlias}
	}
	rest, err := json.Marshal(tail)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err.Error())
		return
	}
	body := list("items", page) // the items go first, as recorded
	body = append(append(body[:len(body)-1], ','), rest[1:]...)
	if len(body) > maxAnswer {
		refuse(w, http.StatusBadGateway, "the answer is larger than 6 MB")
		return
	}
	sendRaw(w, body)
}

// catalogueAlias names the index that a paged read goes on with.
const catalogueAlias = "catalog-live-1"

type catalogueQuery struct {
	path, id       string
	all            bool
	pageSize, from int
}

func readCatalogueQuery(r *http.Request) (q catalogueQuery, err error) {
	q.pageSize = 50
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, errors.New("the query cannot be read")
	}
	for name := range values {
		value := values.Get(name)
		switch name {
		case "path":
			q.path = value
		case "id":
			q.id = value
		case "opt.all":
			q.all, err = strconv.ParseBool(value)
		case "opt.pageSize":
			q.pageSize, err = strconv.Atoi(value)
		case "opt.queryMoreFrom":
			q.from, err = strconv.Atoi(value)
		case "record_type", "tags", "reducedData", "opt.modifiedAfter":
		case "opt.queryMoreAlias":
			if value != catalogueAlias {
				err = errors.New("unknown alias")
			}
		default:
			if !strings.HasPrefix(name, "attributes.") {
				err = errors.New("unknown parameter: " + name)
			}
		}
		if err != nil {
			return q, fmt.Errorf("%s: %w", name, err)
		}
	}
	switch {
	case q.pageSize < 1 || q.from < 0:
		return q, errors.New("opt.pageSize or opt.queryMoreFrom is out of range")
	case values.Has("opt.queryMoreFrom") != values.Has("opt.queryMoreAlias") || values.Has("opt.queryMoreFrom") && !q.all:
		return q, errors.New("opt.queryMoreFrom, opt.queryMoreAlias and opt.all go together")
	}
	return q, nil
}
