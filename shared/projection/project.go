// Package projection says which Limio objects a Zuora account should have.
//
// Project is a pure function: no clock, no input or output, no order of its
// inputs matters. There is a file for each kind of Limio object, which holds
// every rule of that kind; price.go, country.go, identity.go and id.go hold what
// several share. To change a rule, change it there and run the tests with
// -update: the golden accounts under testdata show what the change does.
//
// Data follows three conventions, on which package convergence relies:
//
//   - a member that is left out is none of hotsync's business and stays as it is;
//   - an explicit nil says that Limio must not have the member;
//   - text that Zuora has empty is "".
package projection

import (
	"cmp"

	"hotsync/shared/billing"
	"hotsync/shared/catalogue"
	"hotsync/shared/hotsync"
)

// Options is what a projection depends on besides the account and the login.
type Options struct {
	Today  string // YYYY-MM-DD in the Zuora tenant's time zone: decides which price is current
	Tenant string // the Limio tenant: ids differ between tenants
	// id of the owner a new customer gets; "" is the login's own, or the account's where nobody signed in
	Owner        string
	SalesforceID hotsync.SalesforceID // what a CRM ID names; "" is an account
	Catalogue    *catalogue.Index     // Limio's published offers and add-ons; nil where none could be read
	CatalogueMap map[string]string    // the merchant's own: path by product rate plan id
	Schedules    hotsync.ScheduleSource
	CreateOffers bool // see catalogue.go
	CreateAddOns bool // see catalogue.go
}

// Result is what Limio should have of an account.
type Result struct {
	Tenant    string // as in Options
	Today     string // as in Options
	AccountID string // Zuora's id of the account

	// Objects are in an order in which they could be created: what an object
	// refers to in its envelope comes before it. Every id they mention is the id
	// of one of them.
	Objects []Object
	// Gone is what Zuora says is over: closed payment methods and removed rate
	// plans. Whoever made the objects of that kind and key in Limio, they end.
	Gone []Ref
	// Unclear are the numbers of subscriptions that Zuora has and that have no
	// place in Limio (drafts, statuses unknown to hotsync). They are not in
	// Objects, but they are not gone either: what Limio may have of them stays.
	Unclear []string
	// Findings are for the event. They hold account data such as
	// numbers, never anything personal.
	Findings []hotsync.Finding
	// Matches are the account's rate plans that are not over with what they stand
	// for in the catalogue, each once; none where there is no catalogue.
	Matches []PlanMatch `json:",omitempty"`
	// Seen is what Limio's pages show of the subscriptions, by number.
	Seen []hotsync.Subscription `json:"-"`
}

// Ref names an object of the account.
type Ref struct {
	Kind Kind
	Key  string
	End  string `json:",omitempty"` // the first day without it; "" is not known

	// Of a rate plan: what an offer of Limio's own, which has no key, is known by.
	Subscription string `json:",omitempty"`
	RatePlan     string `json:",omitempty"`
}

// Project says what Limio should have of account for login, who may be nobody.
// It neither changes account nor keeps any of it.
func Project(account billing.Account, login hotsync.Identity, opt Options) Result {
	p := &projector{
		account:   canonical(account),
		opt:       opt,
		offerKeys: map[string]bool{},
		offers:    map[[3]string]map[string]any{},
	}
	if p.opt.SalesforceID == "" {
		p.opt.SalesforceID = hotsync.SalesforceAccount
	}
	p.owner = cmp.Or(opt.Owner, OwnerID(opt.Tenant, account.ID, login))
	p.customer = p.id(Customer, keyCustomer)

	p.add(p.ownerIdentity(), p.customerObject())
	p.add(p.accountIdentities()...)
	subscriptions := p.subscriptions()
	p.add(p.paymentMethods(subscriptions)...)
	for _, s := range subscriptions {
		p.add(s.object)
	}
	for _, s := range subscriptions {
		p.add(p.planObjects(s)...)
	}
	p.add(p.schedules(subscriptions)...)
	p.add(p.addresses(subscriptions)...)
	p.add(p.loginIdentity(login)...)

	return Result{
		Tenant:    opt.Tenant,
		Today:     opt.Today,
		AccountID: account.ID,
		Objects:   p.objects,
		Gone:      p.gone,
		Unclear:   p.unclear,
		Findings:  p.findings,
		Matches:   p.matches,
		Seen:      p.seen(subscriptions),
	}
}

// projector is one run of Project.
type projector struct {
	account   billing.Account // a copy in canonical order
	opt       Options
	owner     string                       // id of the owner identity
	customer  string                       // id of the customer
	offerKeys map[string]bool              // taken
	offers    map[[3]string]map[string]any // copies of catalogue items
	matches   []PlanMatch
	objects   []Object
	gone      []Ref
	unclear   []string
	findings  []hotsync.Finding
}

// add puts objects into the result and fills in what they all have alike.
func (p *projector) add(objects ...Object) {
	for _, o := range objects {
		if o.Service == "" {
			o.Service = serviceLimio
		}
		if o.Status == "" {
			o.Status = StatusActive
		}
		p.objects = append(p.objects, o)
	}
}

// hanging is an object that belongs to the owner and the customer.
func (p *projector) hanging(kind Kind, key string) Object {
	return Object{Kind: kind, Key: key, ID: p.id(kind, key), Owner: p.owner, Customer: p.customer}
}

func (p *projector) id(kind Kind, key string) string {
	return ID(p.opt.Tenant, kind, p.account.ID, key)
}

// find says something once; hint is what to do about it.
func (p *projector) find(f hotsync.Finding, hint string) {
	f.Hint = cmp.Or(f.Hint, hint)
	p.findings = hotsync.AddFinding(p.findings, f)
}

// orNil is text, or nil where Zuora has none: for dates and codes, where "" would
// be no value.
func orNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}
