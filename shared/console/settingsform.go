package console

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"hotsync/shared/hotsync"
)

// field is one setting: a control of the form for an administrator, a line for
// everybody else.
type field struct {
	Path     string // as in hotsync.SettingsFinding, and the name of the control
	Label    string
	Kind     string // text, lines, check or choice
	Value    string
	On       bool
	Options  []option
	Hint     string
	Tag      string // a word of caution beside the label
	Focus    bool
	Findings []hotsync.SettingsFinding
}

type option struct{ Value, Label string }

var idOf = strings.NewReplacer("[", "-", "]", "", ".", "-")

// ID is the id of the control.
func (f field) ID() string { return "f-" + idOf.Replace(f.Path) }

// Invalid reports whether the value keeps the settings from being saved.
func (f field) Invalid() bool {
	return slices.ContainsFunc(f.Findings, func(x hotsync.SettingsFinding) bool { return !x.Warning })
}

// Describedby are the ids of what explains the control.
func (f field) Describedby() string {
	var ids []string
	if f.Hint != "" {
		ids = append(ids, f.ID()+"-hint")
	}
	for i := range f.Findings {
		ids = append(ids, fmt.Sprintf("%s-says-%d", f.ID(), i))
	}
	return strings.Join(ids, " ")
}

// Shown is the value in words.
func (f field) Shown() string {
	switch f.Kind {
	case "check":
		if f.On {
			return "on"
		}
		return "off"
	case "choice":
		for _, o := range f.Options {
			if o.Value == f.Value {
				return o.Label
			}
		}
	case "lines":
		return strings.Join(strings.Fields(f.Value), ", ")
	}
	return f.Value
}

// claimForm is one identity claim.
type claimForm struct {
	N        int
	Title    string
	Provider int // its place in the list
	At       int // the claim's place in the provider's list
	Used     bool
	Fields   []field
}

// providerForm is one identity provider.
type providerForm struct {
	N        int
	Title    string
	At       int
	Fields   []field
	Claims   []claimForm
	Findings []hotsync.SettingsFinding // of its claims as a whole
}

// group is settings that belong together.
type group struct {
	ID, Title string
	Fields    []field
}

// settingsForm is settings as the page shows them, with what is to be said of
// each. Also the differences of two versions are told by it, so that a setting
// has one name everywhere.
type settingsForm struct {
	Switch    field
	Providers []providerForm
	Findings  []hotsync.SettingsFinding // of the providers as a whole
	Groups    []group
}

// formMaker makes fields, each with its findings.
type formMaker struct {
	findings []hotsync.SettingsFinding
	focus    string // path of the field to begin with
}

// about gives the findings of a path, and of the members of a list there that
// has but one control.
func (m formMaker) about(path string, members bool) []hotsync.SettingsFinding {
	var out []hotsync.SettingsFinding
	for _, f := range m.findings {
		if f.Path == path || members && strings.HasPrefix(f.Path, path+"[") {
			out = append(out, f)
		}
	}
	return out
}

func (m formMaker) field(path, kind, label, hint string) field {
	return field{Path: path, Kind: kind, Label: label, Hint: hint, Focus: path == m.focus, Findings: m.about(path, kind == "lines")}
}

func (m formMaker) text(path, label, value, hint string) field {
	f := m.field(path, "text", label, hint)
	f.Value = value
	return f
}

func (m formMaker) check(path, label string, on bool, hint string) field {
	f := m.field(path, "check", label, hint)
	f.On = on
	return f
}

func (m formMaker) choice(path, label, value, hint string, options ...option) field {
	f := m.field(path, "choice", label, hint)
	f.Value, f.Options = value, options
	if !slices.ContainsFunc(options, func(o option) bool { return o.Value == value }) {
		f.Options = append([]option{{value, value}}, options...) // shown as it is, with what is wrong about it
	}
	return f
}

const notRecommended = "not recommended"

func newSettingsForm(s hotsync.Settings, findings []hotsync.SettingsFinding, focus string) settingsForm {
	m := formMaker{findings, focus}
	form := settingsForm{Findings: m.about("providers", false),
		Switch: m.check("hotSync", "Hot sync", s.HotSync, "Off: logins are not synced; what is started in this console still is.")}
	for i, p := range s.Providers {
		form.Providers = append(form.Providers, m.provider(i, p))
	}
	offers := m.check("createOffers", "Create missing offers", s.CreateOffers, "Limio advises to migrate the catalogue instead.")
	addOns := m.check("createAddOns", "Create missing add-ons", s.CreateAddOns, "Likewise.")
	offers.Tag, addOns.Tag = notRecommended, notRecommended
	form.Groups = []group{
		{"zuora", "Reading Zuora", []field{
			m.choice("zuoraPlan", "Zuora plan", string(s.ZuoraPlan), "",
				option{string(hotsync.PlanH), "H: Object Query, 2 calls an account"}, option{string(hotsync.PlanV), "V: v1 only, 3 calls; where Object Query is off or stale"}),
			m.text("timeZone", "Time zone", s.TimeZone, "Of the Zuora tenant, such as Europe/London. Decides which price is today’s."),
			m.check("guardStaleLookups", "Guard stale lookups", s.GuardStaleLookups, "Before writing, an account found by lookup must still name the login."),
			m.check("recordUnmatched", "Record unmatched", s.RecordUnmatched, "Also logins whose lookup finds no account leave an event, for a short time."),
		}},
		{"limio", "Writing Limio", []field{
			m.choice("creationStrategy", "Creation strategy", string(s.CreationStrategy), "",
				option{string(hotsync.CreateObjects), "Objects: hotsync creates each under an id of its own"}, option{string(hotsync.CreatePlugin), "Plugin: Limio’s Zuora sync creates subscription and customer"}),
			m.choice("salesforceId", "Salesforce ID", string(s.SalesforceID), "What the CRM ID of a Zuora account names.",
				option{string(hotsync.SalesforceAccount), "a Salesforce account"}, option{string(hotsync.SalesforceContact), "a Salesforce contact"}),
			offers, addOns,
		}},
		{"links", "Links in this console", []field{
			m.text("zuoraAccountUrl", "Zuora account URL", s.ZuoraAccountURL, "An https address with {id} for the account id. Empty: no link."),
			m.text("limioCustomerUrl", "Limio customer URL", s.LimioCustomerURL, "Likewise, with {id} for the customer’s id."),
		}},
	}
	return form
}

func (m formMaker) provider(i int, p hotsync.Provider) providerForm {
	path := fmt.Sprintf("providers[%d]", i)
	audiences := m.field(path+".audiences", "lines", "Audiences", "The client ids accepted as aud, one a line. A Cognito user pool whose triggers call hotsync needs none.")
	audiences.Value = strings.Join(p.Audiences, "\n")
	lines := func(name, label string, values []string, hint string) field {
		f := m.field(path+"."+name, "lines", label, hint)
		f.Value = strings.Join(values, "\n")
		return f
	}
	out := providerForm{N: i + 1, Title: p.Name, At: i, Findings: m.about(path+".claims", false), Fields: []field{
		m.text(path+".name", "Name", p.Name, "How events and filters call it."),
		m.text(path+".issuer", "Issuer", p.Issuer, "Exactly the iss of its tokens. For Cognito: https://issuer-cognito-idp.REGION.amazonaws.com/POOL, or without issuer-"),
		audiences,
		lines("issuers", "Further issuers", p.Issuers, "Other values of iss that the provider signs tokens with, one a line. Mostly none."),
		m.text(path+".discovery", "Discovery address", p.Discovery, "Where its discovery document is, if not below the issuer: Azure B2C has one for each user flow."),
		lines("algorithms", "Algorithms", p.Algorithms, "That its tokens may be signed with, such as RS256, one a line. None: every safe one."),
		m.text(path+".userPool", "User pool", p.UserPool, "Id of the Cognito user pool whose triggers are logins of this provider, such as eu-west-1_AbCdEfGhI."),
	}}
	for j, c := range p.Claims {
		path := fmt.Sprintf("%s.claims[%d]", path, j)
		out.Claims = append(out.Claims, claimForm{N: j + 1, Title: c.Claim, Provider: i, At: j, Used: c.NamesZuoraAccount(), Fields: []field{
			m.text(path+".claim", "Claim", c.Claim, ""),
			m.text(path+".service", "Service", c.Service, ""),
			m.text(path+".issuer", "Issuer", c.Issuer, ""),
			m.text(path+".type", "Type", c.Type, ""),
			m.check(path+".accountLookup", "Account Lookup", c.AccountLookup, ""),
			m.text(path+".accountLookupField", "Account Lookup Field", c.AccountLookupField, ""),
			m.check(path+".allowUnverified", "Allow Unverified", c.AllowUnverified, ""),
		}})
	}
	return out
}

// settingLine is one setting in words.
type settingLine struct{ what, value string }

// lines are the settings in words, each under a name of its own.
func (f settingsForm) lines() []settingLine {
	var out []settingLine
	seen := map[string]int{}
	add := func(of string, fields ...field) {
		for _, x := range fields {
			what := of + x.Label
			seen[what]++
			if n := seen[what]; n > 1 {
				what += fmt.Sprintf(" (%d)", n)
			}
			out = append(out, settingLine{what, x.Shown()})
		}
	}
	add("", f.Switch)
	for _, p := range f.Providers {
		add(p.Title+": ", p.Fields...)
		for _, c := range p.Claims {
			add(p.Title+", claim "+c.Title+": ", c.Fields...)
		}
	}
	for _, g := range f.Groups {
		add("", g.Fields...)
	}
	return out
}

// settingDifferences tells field by field how b differs from a.
func settingDifferences(a, b hotsync.Settings) []difference {
	before, after := newSettingsForm(a, nil, "").lines(), newSettingsForm(b, nil, "").lines()
	later := map[string]string{}
	for _, l := range after {
		later[l.what] = l.value
	}
	var out []difference
	known := map[string]bool{}
	for _, l := range before {
		known[l.what] = true
		now, there := later[l.what]
		switch {
		case !there && l.value != "":
			out = append(out, difference{What: l.what, Before: l.value, Now: orNone(""), Lost: true})
		case there && now != l.value:
			out = append(out, difference{What: l.what, Before: orNone(l.value), Now: orNone(now)})
		}
	}
	for _, l := range after {
		if !known[l.what] && l.value != "" {
			out = append(out, difference{What: l.what, Before: orNone(""), Now: l.value})
		}
	}
	return out
}

// How many providers, and claims of each, a form may have.
const (
	maxProviders = 50
	maxClaims    = 50
)

// parseSettings reads the form as it was sent, whatever is in it: whether it
// makes sense is for hotsync.Settings.Validate to say.
func parseSettings(v url.Values) (hotsync.Settings, error) {
	text := func(path string) string { return strings.TrimSpace(v.Get(path)) }
	on := func(path string) bool { return v.Get(path) == "on" }
	words := func(path string) []string {
		return strings.FieldsFunc(v.Get(path), func(r rune) bool { return strings.ContainsRune(" \t\r\n,", r) })
	}
	some := func(path string) []string { // nil for none: what is left out stays left out
		all := words(path)
		if len(all) == 0 {
			return nil
		}
		return all
	}
	version, err := strconv.Atoi(text("version"))
	if err != nil || version < 0 {
		return hotsync.Settings{}, hotsync.Errorf(hotsync.CodeBadRequest, "The form does not say which version it was made from. Open the settings again.")
	}
	s := hotsync.Settings{Version: version, HotSync: on("hotSync"), Providers: []hotsync.Provider{},
		ZuoraPlan: hotsync.ZuoraPlan(text("zuoraPlan")), TimeZone: text("timeZone"), CreationStrategy: hotsync.CreationStrategy(text("creationStrategy")),
		SalesforceID: hotsync.SalesforceID(text("salesforceId")), CreateOffers: on("createOffers"), CreateAddOns: on("createAddOns"),
		RecordUnmatched: on("recordUnmatched"), GuardStaleLookups: on("guardStaleLookups"),
		ZuoraAccountURL: text("zuoraAccountUrl"), LimioCustomerURL: text("limioCustomerUrl")}
	for i := range maxProviders {
		path := fmt.Sprintf("providers[%d]", i)
		if !v.Has(path + ".name") {
			break
		}
		p := hotsync.Provider{Name: text(path + ".name"), Issuer: text(path + ".issuer"), Claims: []hotsync.IdentityClaim{},
			Audiences: words(path + ".audiences"), Issuers: some(path + ".issuers"), Discovery: text(path + ".discovery"),
			Algorithms: some(path + ".algorithms"), UserPool: text(path + ".userPool")}
		for j := range maxClaims {
			path := fmt.Sprintf("%s.claims[%d]", path, j)
			if !v.Has(path + ".claim") {
				break
			}
			p.Claims = append(p.Claims, hotsync.IdentityClaim{Claim: text(path + ".claim"), Service: text(path + ".service"), Issuer: text(path + ".issuer"),
				Type: text(path + ".type"), AccountLookup: on(path + ".accountLookup"), AccountLookupField: text(path + ".accountLookupField"),
				AllowUnverified: on(path + ".allowUnverified")})
		}
		s.Providers = append(s.Providers, p)
	}
	return s, nil
}

// newClaim is what most claims are: one that names Zuora accounts.
func newClaim() hotsync.IdentityClaim {
	return hotsync.IdentityClaim{Service: hotsync.ServiceZuora, Issuer: hotsync.IssuerZuora, Type: hotsync.TypeAccount}
}

// editSettings carries out a button of the form that adds or removes something:
// add-provider, add-claim:PROVIDER, remove:PROVIDER or remove:PROVIDER.CLAIM. It
// gives what was done in words and the field to go on with.
func editSettings(s *hotsync.Settings, do string) (done, focus string, err error) {
	refused := hotsync.Errorf(hotsync.CodeBadRequest, "The form has no such button. Open the settings again.")
	what, at, _ := strings.Cut(do, ":")
	if what == "add-provider" {
		if len(s.Providers) == maxProviders {
			return "", "", hotsync.Errorf(hotsync.CodeBadRequest, "There can be at most %d identity providers.", maxProviders)
		}
		s.Providers = append(s.Providers, hotsync.Provider{Claims: []hotsync.IdentityClaim{newClaim()}})
		return "A provider was added to the form.", fmt.Sprintf("providers[%d].name", len(s.Providers)-1), nil
	}
	provider, claim, nested := strings.Cut(at, ".")
	i, err := strconv.Atoi(provider)
	if err != nil || i < 0 || i >= len(s.Providers) {
		return "", "", refused
	}
	p := &s.Providers[i]
	switch {
	case what == "add-claim" && !nested:
		if len(p.Claims) == maxClaims {
			return "", "", hotsync.Errorf(hotsync.CodeBadRequest, "A provider can have at most %d claims.", maxClaims)
		}
		p.Claims = append(p.Claims, newClaim())
		return "A claim was added to the form.", fmt.Sprintf("providers[%d].claims[%d].claim", i, len(p.Claims)-1), nil
	case what == "remove" && !nested:
		s.Providers = slices.Delete(s.Providers, i, i+1)
		return "The provider was taken out of the form.", "", nil
	case what == "remove":
		j, err := strconv.Atoi(claim)
		if err != nil || j < 0 || j >= len(p.Claims) {
			return "", "", refused
		}
		p.Claims = slices.Delete(p.Claims, j, j+1)
		return "The claim was taken out of the form.", fmt.Sprintf("providers[%d].name", i), nil
	default:
		return "", "", refused
	}
}

// mergeSettings takes over into mine what only the others changed since base.
// Providers are told apart by their names and taken whole.
func mergeSettings(base, mine, theirs hotsync.Settings) hotsync.Settings {
	out := mine
	out.Version = theirs.Version
	take(&out.HotSync, base.HotSync, theirs.HotSync)
	take(&out.ZuoraPlan, base.ZuoraPlan, theirs.ZuoraPlan)
	take(&out.TimeZone, base.TimeZone, theirs.TimeZone)
	take(&out.CreationStrategy, base.CreationStrategy, theirs.CreationStrategy)
	take(&out.SalesforceID, base.SalesforceID, theirs.SalesforceID)
	take(&out.CreateOffers, base.CreateOffers, theirs.CreateOffers)
	take(&out.CreateAddOns, base.CreateAddOns, theirs.CreateAddOns)
	take(&out.RecordUnmatched, base.RecordUnmatched, theirs.RecordUnmatched)
	take(&out.GuardStaleLookups, base.GuardStaleLookups, theirs.GuardStaleLookups)
	take(&out.ZuoraAccountURL, base.ZuoraAccountURL, theirs.ZuoraAccountURL)
	take(&out.LimioCustomerURL, base.LimioCustomerURL, theirs.LimioCustomerURL)
	out.Providers = mergeProviders(base.Providers, mine.Providers, theirs.Providers)
	return out
}

func take[T comparable](mine *T, base, theirs T) {
	if *mine == base {
		*mine = theirs
	}
}

func mergeProviders(base, mine, theirs []hotsync.Provider) []hotsync.Provider {
	named := func(list []hotsync.Provider, name string) (hotsync.Provider, bool) {
		i := slices.IndexFunc(list, func(p hotsync.Provider) bool { return p.Name == name })
		if i < 0 {
			return hotsync.Provider{}, false
		}
		return list[i], true
	}
	out := []hotsync.Provider{}
	for _, p := range mine {
		before, was := named(base, p.Name)
		now, is := named(theirs, p.Name)
		switch untouched := was && sameProvider(p, before); {
		case untouched && is:
			out = append(out, now)
		case untouched: // they removed it
		default:
			out = append(out, p)
		}
	}
	for _, p := range theirs {
		_, was := named(base, p.Name)
		_, have := named(out, p.Name)
		if !was && !have {
			out = append(out, p)
		}
	}
	return out
}

func sameProvider(a, b hotsync.Provider) bool {
	return a.Name == b.Name && a.Issuer == b.Issuer && a.Discovery == b.Discovery && a.UserPool == b.UserPool &&
		slices.Equal(a.Audiences, b.Audiences) && slices.Equal(a.Issuers, b.Issuers) && slices.Equal(a.Algorithms, b.Algorithms) &&
		slices.Equal(a.Claims, b.Claims)
}
