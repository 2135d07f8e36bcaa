package zuorasandbox

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Page sizes of Object Query: unlike v1, what is outside is refused.
const (
	minQueryPage     = 1
	maxQueryPage     = 99
	defaultQueryPage = 10
)

// querySet is a kind of object that can be queried.
type querySet struct {
	name       string
	filterable []string
	expands    map[string]string // by the name asked for: the member that shows it
}

var accountSet = querySet{
	name: "account",
	filterable: []string{
		"id",
		"updatedDate",
		"accountNumber",
		"balance",
		"batch",
		"billCycleDay",
		"billToId",
		"crmId",
		"currency",
		"defaultPaymentMethodId",
		"lastInvoiceDate",
		"name",
		"parentId",
		"shipToId",
		"soldToId",
		"status",
	},
	expands: map[string]string{
		"billto":               "billTo",
		"soldto":               "soldTo",
		"shipto":               "shipTo",
		"paymentmethods":       "paymentMethods",
		"defaultpaymentmethod": "defaultPaymentMethod",
		"subscriptions":        "subscriptions",
		"invoices":             "invoices",
		"payments":             "payments",
		"refunds":              "refunds",
		"creditmemos":          "creditMemos",
		"debitmemos":           "debitMemos",
		"usages":               "usages",
	},
}

var subscriptionSet = querySet{
	name: "subscription",
	filterable: []string{
		"id",
		"updatedDate",
		"accountId",
		"contractEffectiveDate",
		"invoiceOwnerId",
		"name",
		"originalId",
		"previousSubscriptionId",
		"status",
		"isLatestVersion",
		"termStartDate",
		"termEndDate",
		"version",
		"cMRR",
		"quoteNumber__QT",
	},
}

// objectQuery is a query as it was asked.
type objectQuery struct {
	set       querySet
	pageSize  int
	from      int // of the cursor
	filters   []filter
	expands   []string // members
	sort      string   // field
	backwards bool
	fields    map[string][]string // by member, "" for the object itself; nil: all
	nulls     bool
	omitEmpty bool   // leave out expanded lists that are empty
	hash      string // of all that a cursor belongs to
}

// objectQueryOf reads the parameters. It has answered when it is false.
func (s *Server) objectQueryOf(w http.ResponseWriter, r *http.Request, set querySet) (objectQuery, bool) {
	allowed := []string{
		"pageSize",
		"cursor",
		"filter[]",
		"expand[]",
		"sort[]",
		"fields[]",
		"includeNullFields",
		set.name + ".fields[]",
	}
	for name := range set.expands {
		allowed = append(allowed, name+".fields[]")
	}
	params, ok := parameters(w, r, allowed...)
	if !ok {
		return objectQuery{}, false
	}
	q, problem := s.readObjectQuery(params, set)
	if problem != "" {
		refuse(w, r, http.StatusBadRequest, badParameter, problem)
	}
	return q, problem == ""
}

func (s *Server) readObjectQuery(params url.Values, set querySet) (objectQuery, string) {
	q := objectQuery{set: set, pageSize: defaultQueryPage, omitEmpty: s.options.Load().EmptyLists == emptyListsAbsent}
	var err error
	if text := params.Get("pageSize"); params.Has("pageSize") {
		q.pageSize, err = strconv.Atoi(text)
		if err != nil || q.pageSize < minQueryPage || q.pageSize > maxQueryPage {
			return q, "Invalid page size: it must be between 1 and 99."
		}
	}
	var ok bool
	q.nulls, ok = boolOf(params.Get("includeNullFields"))
	if !ok {
		return q, "includeNullFields is true or false."
	}
	for _, name := range params["expand[]"] {
		member, ok := set.expands[name]
		if !ok {
			return q, "Invalid expand parameter: " + name
		}
		q.expands = append(q.expands, member)
	}
	for _, text := range params["filter[]"] {
		f, err := parseFilter(text)
		if err != nil {
			return q, "Invalid filter parameter: " + err.Error()
		}
		f.field, err = s.filterable(set, f.field)
		if err != nil {
			return q, "Invalid filter parameter: " + f.field
		}
		q.filters = append(q.filters, f)
	}
	problem := q.readSort(params["sort[]"])
	if problem != "" {
		return q, problem
	}
	problem = s.readFields(&q, params)
	if problem != "" {
		return q, problem
	}
	return q, q.readCursor(params)
}

// filterable returns the name of the field in the view. Custom fields can be
// filtered by when they are indexed.
func (s *Server) filterable(set querySet, name string) (string, error) {
	i := slices.IndexFunc(set.filterable, func(f string) bool { return strings.EqualFold(f, name) })
	if i >= 0 {
		return set.filterable[i], nil
	}
	if set.name == accountSet.name && isCustom(name) {
		api, setting, ok := s.store.field(name)
		if ok && setting.Indexed {
			return lowerFirst(api), nil
		}
	}
	return name, fmt.Errorf("%s cannot be filtered by", name)
}

// readSort reads <field>.<ASC|DESC> (Assumed: its form), at most one.
func (q *objectQuery) readSort(sorts []string) string {
	if len(sorts) == 0 {
		return ""
	}
	name, direction, ok := strings.Cut(sorts[0], ".")
	i := slices.IndexFunc(q.set.filterable, func(f string) bool { return strings.EqualFold(f, name) })
	if len(sorts) > 1 || !ok || i < 0 || direction != "ASC" && direction != "DESC" {
		return "Invalid sort parameter: one field that can be filtered by, with .ASC or .DESC"
	}
	q.sort, q.backwards = q.set.filterable[i], direction == "DESC"
	return ""
}

// readFields reads fields[]=id,name and fields[]=id&fields[]=name of the object
// itself, and billto.fields[]=firstname of what is expanded.
func (s *Server) readFields(q *objectQuery, params url.Values) string {
	q.fields = map[string][]string{}
	for name, values := range params {
		prefix, ok := strings.CutSuffix(name, "fields[]")
		if !ok {
			continue
		}
		member := q.set.expands[strings.TrimSuffix(prefix, ".")] // "" for the object itself, with and without its name
		for _, field := range strings.Split(strings.Join(values, ","), ",") {
			if !s.hasField(cmp.Or(member, q.set.name), field) {
				return "Invalid fields parameter: " + field
			}
			q.fields[member] = append(q.fields[member], field)
		}
	}
	return ""
}

// readCursor reads where to go on. A cursor is good for its own query only.
func (q *objectQuery) readCursor(params url.Values) string {
	rest := maps.Clone(params)
	delete(rest, "cursor")
	h := fnv.New64a()
	_, err := h.Write([]byte(q.set.name + "?" + rest.Encode()))
	if err != nil {
		return "no hash"
	}
	q.hash = fmt.Sprintf("%016x", h.Sum64())
	if !params.Has("cursor") {
		return ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(params.Get("cursor"))
	from, ok := strings.CutPrefix(string(raw), q.hash+":")
	if err == nil && ok {
		q.from, err = strconv.Atoi(from)
	}
	if err != nil || !ok || q.from < 0 {
		return "Invalid cursor."
	}
	return ""
}

func (q objectQuery) cursor(from int) string {
	return base64.RawURLEncoding.EncodeToString([]byte(q.hash + ":" + strconv.Itoa(from)))
}

func (q objectQuery) selects(view object) bool {
	for _, f := range q.filters {
		if !f.matches(view[f.field]) {
			return false
		}
	}
	return true
}

// exact is the value of an EQ filter on that field.
func (q objectQuery) exact(field string) (string, bool) {
	for _, f := range q.filters {
		if f.field == field && f.op == "EQ" && len(f.values) == 1 {
			return f.values[0], true
		}
	}
	return "", false
}

// shape leaves out nulls and empty text (unless nulls are wanted) and the
// fields that were not asked for. member is "" for the object itself.
func (q objectQuery) shape(view object, member string) object {
	out := make(object, len(view))
	wanted := q.fields[member]
	for name, value := range view {
		if wanted != nil && !slices.ContainsFunc(wanted, func(f string) bool { return strings.EqualFold(f, name) }) {
			continue
		}
		switch {
		case value != nil && value != "":
			out[name] = value
		case q.nulls:
			out[name] = nil
		}
	}
	return out
}

// shapeAll shapes an expanded list. It is cut at the page size without a word.
func (q objectQuery) shapeAll(views []object, member string) []object {
	out := []object{}
	for _, v := range views[:min(len(views), q.pageSize)] {
		out = append(out, q.shape(v, member))
	}
	return out
}

func (q objectQuery) answerAccount(e *entry) object {
	out := q.shape(e.view, "")
	for _, member := range q.expands {
		switch member {
		case "billTo", "soldTo", "shipTo":
			if c, ok := e.contactViews[member]; ok {
				out[member] = q.shape(c, member)
			}
		case "paymentMethods":
			out[member] = q.shapeAll(e.methodViews, member)
		case "defaultPaymentMethod":
			for _, m := range e.methodViews {
				if m["id"] == e.view["defaultPaymentMethodId"] {
					out[member] = q.shape(m, member)
				}
			}
		case "subscriptions": // of every version
			out[member] = q.shapeAll(e.subscriptionViews, member)
		default: // the sandbox has no invoices and payments
			out[member] = []object{}
		}
		if listed, ok := out[member].([]object); ok && len(listed) == 0 && q.omitEmpty {
			delete(out, member)
		}
	}
	return out
}

func (s *Server) queryAccount(w http.ResponseWriter, r *http.Request) {
	q, ok := s.objectQueryOf(w, r, accountSet)
	if !ok {
		return
	}
	e, ok := s.found(w, r)
	if ok {
		sendJSON(w, r, http.StatusOK, q.answerAccount(e))
	}
}

func (s *Server) queryAccounts(w http.ResponseWriter, r *http.Request) {
	q, ok := s.objectQueryOf(w, r, accountSet)
	if !ok {
		return
	}
	var hits []*entry
	for _, e := range s.candidates(q) {
		if q.selects(e.view) {
			hits = append(hits, e)
		}
	}
	if q.sort != "" {
		slices.SortStableFunc(hits, func(a, b *entry) int { return q.compare(a.view, b.view) })
	}
	page, next := pageOf(q, hits)
	data := []object{}
	for _, e := range page {
		data = append(data, q.answerAccount(e))
	}
	s.answerList(w, r, q, data, next)
}

// candidates narrows the accounts by a filter for one value.
func (s *Server) candidates(q objectQuery) []*entry {
	for _, f := range q.filters {
		if f.op == "EQ" && len(f.values) == 1 && lookedUp(f.field) {
			return s.store.withValue(f.field, f.values[0])
		}
	}
	return s.store.all()
}

func (s *Server) querySubscriptions(w http.ResponseWriter, r *http.Request) {
	q, ok := s.objectQueryOf(w, r, subscriptionSet)
	if !ok {
		return
	}
	accounts := s.store.all()
	if id, ok := q.exact("accountId"); ok {
		accounts = s.store.withValue("id", id)
	}
	var hits []object
	for _, e := range accounts {
		for _, view := range e.subscriptionViews {
			if q.selects(view) {
				hits = append(hits, view)
			}
		}
	}
	if q.sort != "" {
		slices.SortStableFunc(hits, q.compare)
	}
	page, next := pageOf(q, hits)
	s.answerList(w, r, q, q.shapeAll(page, ""), next)
}

func (q objectQuery) compare(a, b object) int {
	c := cmp.Compare(fmt.Sprint(a[q.sort]), fmt.Sprint(b[q.sort]))
	if b[q.sort] != nil && a[q.sort] != nil {
		c = compareValues(a[q.sort], fmt.Sprint(b[q.sort]))
	}
	if q.backwards {
		return -c
	}
	return c
}

// pageOf cuts a page out; next is 0 on the last.
func pageOf[T any](q objectQuery, all []T) (page []T, next int) {
	from := min(q.from, len(all))
	until := min(len(all), from+q.pageSize)
	if until < len(all) {
		next = until
	}
	return all[from:until], next
}

func (s *Server) answerList(w http.ResponseWriter, r *http.Request, q objectQuery, data []object, next int) {
	answer := object{"data": data}
	switch {
	case next > 0:
		answer["nextPage"] = q.cursor(next)
	case q.nulls:
		answer["nextPage"] = nil
	}
	sendJSON(w, r, http.StatusOK, answer)
}
