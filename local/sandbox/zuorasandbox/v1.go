package zuorasandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxPage is the most a page of v1 holds; asking for more gives this many.
// https://developer.zuora.com/docs/guides/pagination
const (
	maxPage     = 40
	defaultPage = 20
)

// found finds the account of the path, by id or number. It has answered when it
// is false.
func (s *Server) found(w http.ResponseWriter, r *http.Request) (*entry, bool) {
	key := r.PathValue("key")
	e, ok := s.store.account(key)
	if !ok {
		refuse(w, r, http.StatusNotFound, notFound, "Cannot find entity by key: '"+key+"'.")
	}
	return e, ok
}

func (s *Server) getAccount(w http.ResponseWriter, r *http.Request) {
	_, ok := parameters(w, r)
	if !ok {
		return
	}
	e, ok := s.found(w, r)
	if ok {
		send(w, r, http.StatusOK, "application/json;charset=utf-8", e.account)
	}
}

func (s *Server) getPaymentMethods(w http.ResponseWriter, r *http.Request) {
	q, ok := parameters(w, r, "isActiveOnly", "isDefaultOnly")
	if !ok {
		return
	}
	active, ok1 := boolOf(q.Get("isActiveOnly"))
	only, ok2 := boolOf(q.Get("isDefaultOnly"))
	if !ok1 || !ok2 {
		refuse(w, r, http.StatusBadRequest, badParameter, "isActiveOnly and isDefaultOnly are true or false.")
		return
	}
	e, ok := s.found(w, r)
	if !ok {
		return
	}
	answer := maps.Clone(e.methodsHead)
	for _, m := range e.methods {
		if m.doc["status"] == "Scrubbed" || active && m.doc["status"] != "Active" ||
			only && m.doc["isDefault"] != true {
			continue
		}
		docs, ok := answer[m.key].([]object)
		if !ok {
			docs = nil
		}
		answer[m.key] = append(docs, m.doc)
	}
	sendJSON(w, r, http.StatusOK, answer)
}

// boolOf reads a boolean parameter; absent is false.
func boolOf(v string) (value, ok bool) { return v == "true", v == "" || v == "true" || v == "false" }

// detail is what charge-detail and its companions ask for.
type detail struct {
	mode         string // last-segment, current-segment, all-segments or specific-segment
	day          string // that charges must hold on; "" takes the last segment
	withoutEmpty bool   // leave out rate plans that have no charges
}

// detailParameters are those of detailOf. getDetailedMetrics and asOfDay are
// taken and change nothing: the sandbox has no metrics of its own.
var detailParameters = []string{
	"charge-detail",
	"as-of-date",
	"exclude-rate-plans-with-no-charges",
	"getDetailedMetrics",
	"asOfDay",
}

func (s *Server) detailOf(q url.Values) (detail, string) {
	d := detail{mode: q.Get("charge-detail")}
	asOf := q.Get("as-of-date")
	_, err := time.Parse(time.DateOnly, asOf)
	if (d.mode == "specific-segment" || asOf != "") && err != nil {
		return d, "as-of-date is no date."
	}
	switch d.mode {
	case "":
		d.mode = "last-segment"
	case "last-segment", "all-segments":
	case "current-segment":
		d.day = s.today().Format(time.DateOnly)
	case "specific-segment":
		d.day = asOf
	default:
		return d, "charge-detail is none of last-segment, current-segment, all-segments and specific-segment."
	}
	var ok bool
	d.withoutEmpty, ok = boolOf(q.Get("exclude-rate-plans-with-no-charges"))
	if !ok {
		return d, "exclude-rate-plans-with-no-charges is true or false."
	}
	return d, ""
}

func (s *Server) getSubscriptions(w http.ResponseWriter, r *http.Request) {
	q, ok := parameters(w, r, append([]string{"page", "pageSize"}, detailParameters...)...)
	if !ok {
		return
	}
	d, problem := s.detailOf(q)
	page, err1 := positive(q.Get("page"), 1)
	size, err2 := positive(q.Get("pageSize"), defaultPage)
	switch {
	case problem != "":
	case err1 != nil:
		problem = "page: " + err1.Error()
	case err2 != nil:
		problem = "pageSize: " + err2.Error()
	}
	if problem != "" {
		refuse(w, r, http.StatusBadRequest, badParameter, problem)
		return
	}
	e, ok := s.found(w, r)
	if !ok {
		return
	}
	size = min(size, maxPage)
	all := e.renderSubscriptions(d)
	from := min(len(all), (page-1)*size)
	until := min(len(all), from+size)
	body := bytes.NewBufferString(`{"success":true,`)
	if until < len(all) {
		fmt.Fprintf(body, `"nextPage":%s,`, encode(s.nextPage(r, q, page+1)))
	}
	body.WriteString(`"subscriptions":[`)
	for i, sub := range all[from:until] {
		if i > 0 {
			body.WriteByte(',')
		}
		sub.write(body, "")
	}
	body.WriteString(`]}`)
	send(w, r, http.StatusOK, "application/json;charset=utf-8", body.Bytes())
}

// positive reads a whole number above 0.
func positive(text string, otherwise int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1_000_000 {
		return 0, fmt.Errorf("%q is no number above 0", text)
	}
	return n, nil
}

// nextPage is the link to a page. Zuora's specification shows an address,
// recorded answers a path; the options say which, or a stranger's host.
func (s *Server) nextPage(r *http.Request, q url.Values, page int) string {
	q.Set("page", strconv.Itoa(page))
	link := r.URL.EscapedPath() + "?" + q.Encode()
	switch s.options.Load().NextPage {
	case nextPageRelative:
		return link
	case nextPageForeign:
		return "https://zuora.attacker.example" + link
	case nextPageOther:
		return "https://api.zuora.com/rest" + link
	default:
		return "http://" + r.Host + link
	}
}

func (s *Server) getSubscription(w http.ResponseWriter, r *http.Request) {
	q, ok := parameters(w, r, detailParameters...)
	if !ok {
		return
	}
	d, problem := s.detailOf(q)
	if problem != "" {
		refuse(w, r, http.StatusBadRequest, badParameter, problem)
		return
	}
	key := r.PathValue("key")
	e, ok := s.store.ofSubscription(key)
	if ok {
		for _, sub := range e.subscriptions {
			if sub.id == key || sub.number == key && sub.latest {
				var body bytes.Buffer
				render(sub, d).write(&body, `"success":true,`)
				send(w, r, http.StatusOK, "application/json;charset=utf-8", body.Bytes())
				return
			}
		}
	}
	refuse(w, r, http.StatusNotFound, notFound, "Cannot find entity by key: '"+key+"'.")
}

// rendering is a subscription as JSON, with its rate plans apart: Zuora gives
// them in random order.
type rendering struct {
	head  []byte // the other members, without the braces
	plans [][]byte
}

func (s rendering) write(to *bytes.Buffer, first string) {
	to.WriteByte('{')
	to.WriteString(first)
	to.Write(s.head)
	to.WriteString(`,"ratePlans":[`)
	for i, n := range rand.Perm(len(s.plans)) {
		if i > 0 {
			to.WriteByte(',')
		}
		to.Write(s.plans[n])
	}
	to.WriteString(`]}`)
}

// renderSubscriptions returns the latest versions in the order they were put,
// which stands for Zuora's order, newest change first. What is asked for often
// is rendered once.
func (e *entry) renderSubscriptions(d detail) []rendering {
	known, ok := e.rendered.Load(d)
	if ok {
		return known.([]rendering)
	}
	out := []rendering{}
	for _, s := range e.subscriptions {
		if s.latest {
			out = append(out, render(s, d))
		}
	}
	if d.mode != "specific-segment" { // as many as there are days
		e.rendered.Store(d, out)
	}
	return out
}

func render(s *subscription, d detail) rendering {
	rest := maps.Clone(s.doc)
	delete(rest, "ratePlans")
	var out rendering
	for _, plan := range list(s.doc, "ratePlans") {
		plan = maps.Clone(plan)
		charges := []object{}
		for _, c := range list(plan, "ratePlanCharges") {
			if c, ok := d.apply(c); ok {
				charges = append(charges, c)
			}
		}
		if len(charges) == 0 && d.withoutEmpty {
			continue
		}
		plan["ratePlanCharges"] = charges
		out.plans = append(out.plans, encode(plan))
	}
	head := encode(rest)
	out.head = head[1 : len(head)-1]
	return out
}

// segmentMembers are those of a charge that belong to its segment, for charges
// that were put without chargeSegments.
var segmentMembers = []string{
	"id",
	"segment",
	"effectiveStartDate",
	"effectiveEndDate",
	"currency",
	"price",
	"quantity",
	"tiers",
	"discountAmount",
	"discountPercentage",
	"mrr",
	"tcv",
	"dmrc",
	"dtcv",
	"pricingSummary",
	"chargedThroughDate",
	"processedThroughDate",
	"done",
	"includedUnits",
	"overagePrice",
	"originalListPrice",
}

// apply returns the charge as asked for; it is false when the charge has no
// segment on that day, as with current-segment before its start.
func (d detail) apply(charge object) (object, bool) {
	segments := list(charge, "chargeSegments")
	if len(segments) == 0 {
		only := object{}
		for _, name := range segmentMembers {
			if v, ok := charge[name]; ok {
				only[name] = v
			}
		}
		segments = []object{only}
	}
	chosen, ok := d.choose(segments)
	if !ok {
		return nil, false
	}
	out := maps.Clone(charge)
	delete(out, "chargeSegments")
	maps.Copy(out, chosen)
	if d.mode == "all-segments" {
		out["chargeSegments"] = segments
	}
	return out, true
}

func (d detail) choose(segments []object) (object, bool) {
	if d.day == "" {
		return slices.MaxFunc(segments, func(a, b object) int {
			return strings.Compare(textOf(a["effectiveStartDate"]), textOf(b["effectiveStartDate"]))
		}), true
	}
	i := slices.IndexFunc(segments, func(s object) bool { return holds(s, d.day) })
	if i < 0 && d.mode == "current-segment" { // Zuora lists what ends today, though its text says that it does not
		i = slices.IndexFunc(
			segments,
			func(s object) bool { return textOf(s["effectiveEndDate"]) == d.day && holds(s, addDays(d.day, -1)) },
		)
	}
	if i < 0 {
		return nil, false
	}
	return segments[i], true
}

// holds: effectiveStartDate <= day and day before effectiveEndDate; no end is
// open, and no start has not begun.
func holds(segment object, day string) bool {
	start, end := textOf(segment["effectiveStartDate"]), textOf(segment["effectiveEndDate"])
	return start != "" && start <= day && (end == "" || day < end)
}

// encode cannot fail for what was decoded from JSON.
func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}
