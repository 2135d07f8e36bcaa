package console

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"hotsync/shared/hotsync"
)

// row is one setting of a T. The rows below are the one table of settings: the
// form, what is read of it, the differences of two versions and the merging of
// two people's changes all come from it.
type row[T any] struct {
	name    string // of the member in JSON; the path of the control ends with it
	kind    string // text, lines, map, check or choice
	label   string
	hint    string
	tag     string // a word of caution beside the label
	rare    bool   // few need it
	options []option

	read  func(*T) string // what the control holds; "on" or "" for a check
	write func(*T, string)
}

func textRow[T any, V ~string](name, label, hint string, at func(*T) *V) row[T] {
	return row[T]{name: name, kind: "text", label: label, hint: hint,
		read:  func(t *T) string { return string(*at(t)) },
		write: func(t *T, v string) { *at(t) = V(strings.TrimSpace(v)) }}
}

func choiceRow[T any, V ~string](name, label, hint string, at func(*T) *V, options ...option) row[T] {
	r := textRow(name, label, hint, at)
	r.kind, r.options = "choice", options
	return r
}

func checkRow[T any](name, label, hint string, at func(*T) *bool) row[T] {
	return row[T]{name: name, kind: "check", label: label, hint: hint,
		read: func(t *T) string {
			if *at(t) {
				return "on"
			}
			return ""
		},
		write: func(t *T, v string) { *at(t) = v == "on" }}
}

// linesRow is a list of words, one a line. none is what no words are.
func linesRow[T any](name, label, hint string, none []string, at func(*T) *[]string) row[T] {
	return row[T]{name: name, kind: "lines", label: label, hint: hint,
		read: func(t *T) string { return strings.Join(*at(t), "\n") },
		write: func(t *T, v string) {
			*at(t) = strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(" \t\r\n,", r) })
			if len(*at(t)) == 0 {
				*at(t) = none
			}
		}}
}

// mapRow is pairs, one a line: a name, = and what it stands for.
func mapRow[T any](name, label, hint string, at func(*T) *map[string]string) row[T] {
	return row[T]{name: name, kind: "map", label: label, hint: hint,
		read: func(t *T) string {
			var lines []string
			for _, key := range slices.Sorted(maps.Keys(*at(t))) {
				lines = append(lines, key+" = "+(*at(t))[key])
			}
			return strings.Join(lines, "\n")
		},
		write: func(t *T, v string) {
			out := map[string]string{}
			for line := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == '\n' || r == '\r' }) {
				key, value, _ := strings.Cut(line, "=")
				key, value = strings.TrimSpace(key), strings.TrimSpace(value)
				if key != "" || value != "" {
					out[key] = value
				}
			}
			*at(t) = nil
			if len(out) > 0 {
				*at(t) = out
			}
		}}
}

func (r row[T]) tagged(tag string) row[T] {
	r.tag = tag
	return r
}

// seldom marks a row that few need.
func (r row[T]) seldom() row[T] {
	r.rare = true
	return r
}

// same reports whether two have the same value.
func (r row[T]) same(a, b *T) bool { return r.read(a) == r.read(b) }

// take gives mine what only they changed since base.
func (r row[T]) take(mine, base, theirs *T) {
	if r.same(mine, base) {
		r.write(mine, r.read(theirs))
	}
}

const notRecommended = "not recommended"

var switchRow = checkRow("hotSync", "Hot sync", "Off: logins are not synced; what is started in this console still is.",
	func(s *hotsync.Settings) *bool { return &s.HotSync })

// rowGroup is settings that belong together.
type rowGroup struct {
	id, title string
	rows      []row[hotsync.Settings]
}

var settingRows = []rowGroup{
	{
		"zuora",
		"Reading Zuora",
		[]row[hotsync.Settings]{
			choiceRow("zuoraPlan", "Zuora plan", "",
				func(s *hotsync.Settings) *hotsync.ZuoraPlan { return &s.ZuoraPlan },
				option{string(hotsync.PlanH), "H: Object Query, 2 calls an account"},
				option{string(hotsync.PlanV), "V: v1 only, 3 calls; where Object Query is off or stale"}),
			textRow(
				"timeZone",
				"Time zone",
				"Of the Zuora tenant, such as Europe/London. Decides which price is today’s.",
				func(s *hotsync.Settings) *string { return &s.TimeZone },
			),
			checkRow(
				"guardStaleLookups",
				"Guard stale lookups",
				"Before writing, an account found by lookup must still name the login.",
				func(s *hotsync.Settings) *bool { return &s.GuardStaleLookups },
			),
			loginRecordsRow(),
			checkRow(
				"recordUnmatched",
				"Record unmatched",
				"Also logins whose lookup finds no account leave an event, for a short time.",
				func(s *hotsync.Settings) *bool { return &s.RecordUnmatched },
			),
		},
	},
	{
		"limio",
		"Writing Limio",
		[]row[hotsync.Settings]{
			choiceRow("creationStrategy", "Creation strategy", "",
				func(s *hotsync.Settings) *hotsync.CreationStrategy { return &s.CreationStrategy },
				option{string(hotsync.CreateObjects), "Objects: hotsync creates each under an id of its own"},
				option{string(hotsync.CreatePlugin), "Plugin: Limio’s Zuora sync creates subscription and customer"}),
			choiceRow("salesforceId", "Salesforce ID", "What the CRM ID of a Zuora account names.",
				func(s *hotsync.Settings) *hotsync.SalesforceID { return &s.SalesforceID },
				option{string(hotsync.SalesforceAccount), "a Salesforce account"},
				option{string(hotsync.SalesforceContact), "a Salesforce contact"}),
			schedulesRow(),
			mapRow(
				"catalogueMap",
				"Catalogue overrides",
				"Where matching by name does not find the right item: the id of the product rate plan, = and the item’s path, "+
					"one a line.",
				func(s *hotsync.Settings) *map[string]string { return &s.CatalogueMap },
			),
			checkRow("createOffers", "Create missing offers", "Limio advises to migrate the catalogue instead.",
				func(s *hotsync.Settings) *bool { return &s.CreateOffers }).tagged(notRecommended),
			checkRow("createAddOns", "Create missing add-ons", "Likewise.",
				func(s *hotsync.Settings) *bool { return &s.CreateAddOns }).tagged(notRecommended),
		},
	},
	{
		"links",
		"Links in this console",
		[]row[hotsync.Settings]{
			textRow(
				"zuoraAccountUrl",
				"Zuora account URL",
				"An https address with {id} for the account id. Empty: no link.",
				func(s *hotsync.Settings) *string { return &s.ZuoraAccountURL },
			),
			textRow("limioCustomerUrl", "Limio customer URL", "Likewise, with {id} for the customer’s id.",
				func(s *hotsync.Settings) *string { return &s.LimioCustomerURL }),
		},
	},
}

// schedulesRow shows the default, which settings saved before it do not name.
func schedulesRow() row[hotsync.Settings] {
	r := choiceRow("schedules", "Payments to come", "Where a subscription’s schedule of payments comes from.",
		func(s *hotsync.Settings) *hotsync.ScheduleSource { return &s.Schedules },
		option{string(hotsync.SchedulesPreview), "Zuora’s billing preview, one call an account"},
		option{string(hotsync.SchedulesCharges), "worked out from the charges"},
		option{string(hotsync.SchedulesOff), "none are written"})
	r.read = func(s *hotsync.Settings) string { return string(cmp.Or(s.Schedules, hotsync.SchedulesPreview)) }
	r.write = func(s *hotsync.Settings, v string) {
		s.Schedules = hotsync.ScheduleSource(strings.TrimSpace(v))
		if s.Schedules == hotsync.SchedulesPreview {
			s.Schedules = ""
		}
	}
	return r
}

// loginRecordsRow shows the default likewise.
func loginRecordsRow() row[hotsync.Settings] {
	r := choiceRow(
		"loginRecords",
		"Logins without a sync",
		"Whether a login that leads to nothing leaves a short record that says why.",
		func(s *hotsync.Settings) *hotsync.LoginRecording { return &s.LoginRecords },
		option{string(hotsync.LoginRecordsOn), "leave a record for 7 days"},
		option{string(hotsync.LoginRecordsOff), "are only counted"},
	)
	r.read = func(s *hotsync.Settings) string { return string(cmp.Or(s.LoginRecords, hotsync.LoginRecordsOn)) }
	r.write = func(s *hotsync.Settings, v string) {
		s.LoginRecords = cmp.Or(hotsync.LoginRecording(strings.TrimSpace(v)), hotsync.LoginRecordsOn)
	}
	return r
}

var providerRows = []row[hotsync.Provider]{
	textRow("name", "Name", "How events and filters call it.",
		func(p *hotsync.Provider) *string { return &p.Name }),
	textRow(
		"issuer",
		"Issuer",
		"Exactly the iss of its tokens. For Cognito: https://issuer-cognito-idp.REGION.amazonaws.com/POOL, or without issuer-",
		func(p *hotsync.Provider) *string { return &p.Issuer },
	),
	linesRow(
		"audiences",
		"Audiences",
		"The client ids accepted as aud, one a line. A Cognito user pool whose triggers call hotsync needs none.",
		[]string{},
		func(p *hotsync.Provider) *[]string { return &p.Audiences },
	),
	linesRow(
		"issuers",
		"Further issuers",
		"Other values of iss that the provider signs tokens with, one a line. Mostly none.",
		nil,
		func(p *hotsync.Provider) *[]string { return &p.Issuers },
	).seldom(),
	textRow(
		"discovery",
		"Discovery address",
		"Where its discovery document is, if not below the issuer: Azure B2C has one for each user flow.",
		func(p *hotsync.Provider) *string { return &p.Discovery },
	).seldom(),
	linesRow(
		"algorithms",
		"Algorithms",
		"That its tokens may be signed with, such as RS256, one a line. None: every safe one.",
		nil,
		func(p *hotsync.Provider) *[]string { return &p.Algorithms },
	).seldom(),
	textRow(
		"userPool",
		"User pool",
		"Id of the Cognito user pool whose triggers are logins of this provider, such as eu-west-1_AbCdEfGhI.",
		func(p *hotsync.Provider) *string { return &p.UserPool },
	).seldom(),
	textRow(
		"syncScope",
		"Scope of systems",
		"Access tokens of this provider with this scope may sync accounts by POST /sync. Empty: none may.",
		func(p *hotsync.Provider) *string { return &p.SyncScope },
	).seldom(),
	linesRow(
		"syncAudiences",
		"Audiences of systems",
		"The aud of those access tokens, one a line; with Cognito the client ids.",
		nil,
		func(p *hotsync.Provider) *[]string { return &p.SyncAudiences },
	).seldom(),
}

// The labels of a claim are those of Limio's settings page.
var claimRows = []row[hotsync.IdentityClaim]{
	textRow("claim", "Claim", "", func(c *hotsync.IdentityClaim) *string { return &c.Claim }),
	textRow("service", "Service", "", func(c *hotsync.IdentityClaim) *string { return &c.Service }),
	textRow("issuer", "Issuer", "", func(c *hotsync.IdentityClaim) *string { return &c.Issuer }),
	textRow("type", "Type", "", func(c *hotsync.IdentityClaim) *string { return &c.Type }),
	checkRow("accountLookup", "Account Lookup", "", func(c *hotsync.IdentityClaim) *bool { return &c.AccountLookup }),
	textRow(
		"accountLookupField",
		"Account Lookup Field",
		"",
		func(c *hotsync.IdentityClaim) *string { return &c.AccountLookupField },
	),
	checkRow(
		"allowUnverified",
		"Allow Unverified",
		"",
		func(c *hotsync.IdentityClaim) *bool { return &c.AllowUnverified },
	),
}

// pair finds, for each of a, which of b it became, or -1. The first rule that
// says so counts, and nothing is paired twice: what has a new name but is
// otherwise the same is the same still.
func pair[T any](a, b []T, rules ...func(x, y T) bool) []int {
	out := slices.Repeat([]int{-1}, len(a))
	taken := make([]bool, len(b))
	for _, rule := range rules {
		for i := range a {
			for j := range b {
				if out[i] < 0 && !taken[j] && rule(a[i], b[j]) {
					out[i], taken[j] = j, true
				}
			}
		}
	}
	return out
}

func pairProviders(a, b []hotsync.Provider) []int {
	return pair(a, b,
		func(x, y hotsync.Provider) bool { return x.Name == y.Name },
		func(x, y hotsync.Provider) bool { return x.Issuer != "" && x.Issuer == y.Issuer },
		func(x, y hotsync.Provider) bool { return x.UserPool != "" && x.UserPool == y.UserPool },
	)
}

func pairClaims(a, b []hotsync.IdentityClaim) []int {
	return pair(a, b,
		func(x, y hotsync.IdentityClaim) bool { return x == y },
		func(x, y hotsync.IdentityClaim) bool { return x.Claim == y.Claim },
		func(x, y hotsync.IdentityClaim) bool { x.Claim = y.Claim; return x == y },
	)
}

// mergeSettings takes over into mine what only the others changed since base.
func mergeSettings(base, mine, theirs hotsync.Settings) hotsync.Settings {
	out := mine
	out.Version = theirs.Version
	switchRow.take(&out, &base, &theirs)
	for _, g := range settingRows {
		for _, r := range g.rows {
			r.take(&out, &base, &theirs)
		}
	}
	out.Providers = mergeProviders(base.Providers, mine.Providers, theirs.Providers)
	return out
}

func mergeProviders(base, mine, theirs []hotsync.Provider) []hotsync.Provider {
	became, theirBecame := pairProviders(base, mine), pairProviders(base, theirs)
	out := []hotsync.Provider{}
	for i, p := range mine {
		was := slices.Index(became, i)
		switch {
		case was < 0: // I added it
			out = append(out, p)
		case theirBecame[was] >= 0:
			out = append(out, mergeProvider(base[was], p, theirs[theirBecame[was]]))
		case !sameProvider(p, base[was]): // they removed what I changed
			out = append(out, p)
		}
	}
	have := pairProviders(theirs, out)
	for i, p := range theirs {
		if !slices.Contains(theirBecame, i) && have[i] < 0 { // they added it
			out = append(out, p)
		}
	}
	return out
}

func mergeProvider(base, mine, theirs hotsync.Provider) hotsync.Provider {
	for _, r := range providerRows {
		r.take(&mine, &base, &theirs)
	}
	if slices.Equal(mine.Claims, base.Claims) {
		mine.Claims = theirs.Claims
	}
	return mine
}

func sameProvider(a, b hotsync.Provider) bool {
	for _, r := range providerRows {
		if !r.same(&a, &b) {
			return false
		}
	}
	return slices.Equal(a.Claims, b.Claims)
}
