package cataloguestore

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"hotsync/shared/catalogue"
	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

const (
	// maxCounted is up to how many subscriptions a plan's are counted: enough to
	// tell a gap that concerns one customer from one that concerns many, and an end
	// to the writes that counting costs.
	maxCounted = 50
	// maxPlans bounds the list; what was not seen for longest goes first.
	maxPlans = 2000
	// maxCandidates bounds the paths that are listed for a plan.
	maxCandidates = 10
	// planAge is how long a plan is listed that no sync sees any more.
	planAge = 90 * 24 * time.Hour
	// planTries is how often a write is tried that others get in the way of.
	planTries   = 3
	attrVersion = "version"
)

// Plan is a rate plan that syncs have seen, with what it stands for in the
// catalogue: the mapping of the tenant, whosever account it was seen on. A rate
// plan that stands for several items, as promotional prices do, is listed once
// for each.
type Plan struct {
	ProductRatePlanID string             `json:"productRatePlanId"`
	RatePlan          string             `json:"ratePlan"` // its name
	Product           string             `json:"product"`
	SKU               string             `json:"sku"`
	Currency          string             `json:"currency"`
	Discount          bool               `json:"discount"` // a discount or a credit, which no customer buys
	Outcome           catalogue.Standing `json:"outcome"`  // matched, ambiguous or unmatched
	Path              string             `json:"path"`     // of the item that was taken; "" when unmatched
	Candidates        []string           `json:"candidates"`
	ByTable           bool               `json:"byTable"` // the settings' own table says so
	Subscriptions     int                `json:"subscriptions"`
	More              bool               `json:"more"`     // there are more subscriptions than were counted
	LastSeen          string             `json:"lastSeen"` // day in UTC, YYYY-MM-DD
}

// seenPlan is a plan as it is stored.
type seenPlan struct {
	Plan
	Counted []string `json:"counted,omitempty"` // short hashes of subscription numbers, sorted
}

// planKey is what a rate plan is known by.
type planKey struct{ id, name, currency string }

func (p *seenPlan) key() planKey { return planKey{p.ProductRatePlanID, p.RatePlan, p.Currency} }

// isSame reports whether both list the same rate plan with the same match.
func (p *seenPlan) isSame(o *seenPlan) bool {
	return p.key() == o.key() && p.Outcome == o.Outcome && p.Path == o.Path
}

// Plans returns the rate plans that syncs have seen: first those without a
// match, then the ambiguous ones, each kind by product and rate plan.
func (s *Store) Plans(ctx context.Context) (_ []Plan, err error) {
	defer hotsync.In(&err, "cataloguestore.Plans")
	stored, _, err := s.loadPlans(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Plan, 0, len(stored))
	for _, p := range stored {
		p.Plan.Subscriptions = len(p.Counted)
		if p.Candidates == nil {
			p.Plan.Candidates = []string{}
		}
		out = append(out, p.Plan)
	}
	order := map[catalogue.Standing]int{catalogue.Unmatched: 0, catalogue.Ambiguous: 1, catalogue.Matched: 2}
	slices.SortFunc(out, func(a, b Plan) int {
		return cmp.Or(cmp.Compare(order[a.Outcome], order[b.Outcome]), cmp.Compare(a.Product, b.Product),
			cmp.Compare(a.RatePlan, b.RatePlan), cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.ProductRatePlanID, b.ProductRatePlanID))
	})
	return out, nil
}

// loadPlans returns the stored plans and the version they are of, 0 for none.
func (s *Store) loadPlans(ctx context.Context) ([]seenPlan, int64, error) {
	it, err := s.get(ctx, "plans")
	if err != nil || it == nil {
		return nil, 0, err
	}
	zip, err := gzip.NewReader(bytes.NewReader(dynamo.GetBytes(it, attrData)))
	if err != nil {
		return nil, 0, damaged(err)
	}
	var out []seenPlan
	err = json.NewDecoder(io.LimitReader(zip, maxUnzip)).Decode(&out)
	if err != nil {
		return nil, 0, damaged(err)
	}
	return out, dynamo.GetNumber(it, attrVersion), nil
}

// savePlans stores plans in place of those of a version; taken says that others
// were quicker, and that nothing was stored.
func (s *Store) savePlans(ctx context.Context, plans []seenPlan, version int64, now time.Time) (taken bool, err error) {
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	err = errors.Join(json.NewEncoder(zip).Encode(plans), zip.Close())
	if err != nil {
		return false, hotsync.Errorf(hotsync.CodeInternal, "The list of rate plans has no JSON form.").Because(err)
	}
	it := s.key("plans")
	it[attrData], it[attrVersion] = dynamo.Bytes(zipped.Bytes()), dynamo.Number(version+1)
	it[dynamo.Expires] = dynamo.Number(now.Add(planAge).Unix())
	err = s.table.Replace(ctx, it, dynamo.Condition{Expression: "attribute_not_exists(pk) OR version = :version",
		Values: dynamo.Item{":version": dynamo.Number(version)}})
	if errors.Is(err, dynamo.ErrRefused) {
		return true, nil
	}
	return false, err
}

// SeenPlans notes what syncs see, for Store.Plans. It keeps what is stored, so
// that a sync that sees nothing new reads and writes nothing. It is safe for
// concurrent use.
type SeenPlans struct {
	store *Store
	now   func() time.Time

	mu      sync.Mutex
	loaded  bool
	have    []seenPlan
	version int64
}

// NewSeenPlans makes a SeenPlans that has read nothing yet. A nil now is
// time.Now.
func NewSeenPlans(store *Store, now func() time.Time) *SeenPlans {
	if now == nil {
		now = time.Now
	}
	return &SeenPlans{store: store, now: now}
}

// Note keeps the matches of an account's sync. It writes when a rate plan, its
// match or one of its subscriptions is new, and once a day for each plan. When
// others keep getting in the way, what is new is left for the next sync that
// sees it.
func (n *SeenPlans) Note(ctx context.Context, matches []projection.PlanMatch) (err error) {
	defer hotsync.In(&err, "cataloguestore.Note")
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := n.seen(matches)
	if n.loaded {
		_, changed := merge(n.have, seen, n.now())
		if !changed {
			return nil
		}
	}
	for range planTries {
		n.have, n.version, err = n.store.loadPlans(ctx)
		if err != nil {
			return err
		}
		n.loaded = true
		merged, changed := merge(n.have, seen, n.now())
		if !changed {
			return nil
		}
		taken, err := n.store.savePlans(ctx, merged, n.version, n.now())
		if err != nil {
			return err
		}
		if !taken {
			n.have, n.version = merged, n.version+1
			return nil
		}
	}
	return nil
}

// seen are the matches in the form in which they are stored.
func (n *SeenPlans) seen(matches []projection.PlanMatch) []seenPlan {
	today := n.now().UTC().Format(time.DateOnly)
	out := make([]seenPlan, 0, len(matches))
	for _, m := range matches {
		p := seenPlan{
			Plan: Plan{ProductRatePlanID: m.ProductRatePlanID, RatePlan: m.RatePlanName, Product: m.ProductName,
				SKU: m.ProductSKU, Currency: m.Currency, Discount: m.Discount, Outcome: m.Standing, Path: m.Path,
				Candidates: m.Candidates, ByTable: m.ByTable, LastSeen: today},
		}
		for _, number := range m.Subscriptions {
			p.Counted = append(p.Counted, n.store.short(number))
		}
		out = append(out, p)
	}
	return out
}

// short is enough of a hash to tell fifty subscriptions apart, and no number
// that could be looked up.
func (s *Store) short(number string) string {
	sum := sha256.Sum256([]byte(s.tenant + "\x00" + number))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// merge puts what was seen into what there is, and reports whether that changes
// anything. A subscription stands with the matches that were seen of it last:
// where it was counted before, it is not any more, and a match without
// subscriptions is none. What the catalogue has for a rate plan is the same for
// everybody, so that a match ends that there was none, and the reverse.
func merge(have, seen []seenPlan, now time.Time) (_ []seenPlan, changed bool) {
	out := make([]seenPlan, 0, len(have)+len(seen))
	oldest := now.Add(-planAge).UTC().Format(time.DateOnly)
	for _, p := range have {
		kept := p
		kept.Counted = slices.Clone(p.Counted)
		gone := p.LastSeen < oldest || moved(&kept, seen)
		changed = changed || gone || len(kept.Counted) != len(p.Counted)
		if !gone {
			out = append(out, kept)
		}
	}
	for i := range seen {
		at := slices.IndexFunc(out, func(p seenPlan) bool { return p.isSame(&seen[i]) })
		if at < 0 {
			at, out = len(out), append(out, seenPlan{Plan: seen[i].Plan})
			out[at].Candidates = nil
			changed = true
		}
		changed = out[at].take(&seen[i]) || changed
	}
	if len(out) > maxPlans {
		slices.SortStableFunc(out, func(a, b seenPlan) int { return cmp.Compare(b.LastSeen, a.LastSeen) })
		out = out[:maxPlans]
	}
	return out, changed
}

// moved takes the subscriptions out of p that were seen with another match of
// its rate plan, and reports whether p is thereby gone.
func moved(p *seenPlan, seen []seenPlan) bool {
	here, elsewhere := map[string]bool{}, map[string]bool{}
	for i := range seen {
		s := &seen[i]
		switch {
		case p.isSame(s):
			for _, h := range s.Counted {
				here[h] = true
			}
		case p.key() != s.key():
		case (p.Outcome == catalogue.Unmatched) != (s.Outcome == catalogue.Unmatched):
			return true
		default:
			for _, h := range s.Counted {
				elsewhere[h] = true
			}
		}
	}
	maps.DeleteFunc(elsewhere, func(h string, _ bool) bool { return here[h] })
	before := len(p.Counted)
	p.Counted = slices.DeleteFunc(p.Counted, func(h string) bool { return elsewhere[h] })
	return before > 0 && len(p.Counted) == 0 && !p.More
}

// take takes over what was seen of the same plan and match, and reports whether
// that says anything new.
func (p *seenPlan) take(s *seenPlan) bool {
	before, counted, more := p.Plan, len(p.Counted), p.More
	for _, h := range s.Counted {
		at, known := slices.BinarySearch(p.Counted, h)
		switch {
		case known:
		case len(p.Counted) >= maxCounted:
			more = true
		default:
			p.Counted = slices.Insert(p.Counted, at, h)
		}
	}
	// One price may leave two items to choose from and another three: all are kept.
	candidates := slices.Clone(before.Candidates)
	for _, path := range s.Candidates {
		if len(candidates) < maxCandidates && !slices.Contains(candidates, path) {
			candidates = append(candidates, path)
		}
	}
	slices.Sort(candidates)
	p.Plan = s.Plan
	p.More, p.LastSeen, p.Candidates = more, max(s.LastSeen, before.LastSeen), candidates
	return len(p.Counted) != counted || p.More != before.More || p.LastSeen != before.LastSeen ||
		p.ByTable != before.ByTable || len(candidates) != len(before.Candidates)
}
