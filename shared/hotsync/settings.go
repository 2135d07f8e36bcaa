package hotsync

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The triple that makes an identity claim name a Zuora account, as Limio's
// hot-sync page defines it:
// https://docs.limio.com/integrations/keeping-zuora-and-limio-in-sync/configuring-zuora-to-limio-hot-sync
const (
	ServiceZuora = "zuora"
	IssuerZuora  = "zuora"
	TypeAccount  = "account"
)

// IdentityClaim says which claim of a provider's tokens names Zuora accounts.
// The field names are those of Limio's settings page.
type IdentityClaim struct {
	Claim              string `json:"claim"`
	Service            string `json:"service"`
	Issuer             string `json:"issuer"`
	Type               string `json:"type"`
	AccountLookup      bool   `json:"accountLookup"`                // Option B: look the value up in a custom field
	AccountLookupField string `json:"accountLookupField,omitempty"` // such as LimioExternalId__c
	// look it up also when the provider does not say that it is verified
	AllowUnverified bool `json:"allowUnverified,omitempty"`
}

// NamesZuoraAccount reports whether hotsync uses the claim: only the exact
// triple zuora, zuora, account counts.
func (c IdentityClaim) NamesZuoraAccount() bool {
	return c.Service == ServiceZuora && c.Issuer == IssuerZuora && c.Type == TypeAccount
}

// ZuoraPlan chooses how an account is read from Zuora.
type ZuoraPlan string

// The plans.
const (
	PlanH ZuoraPlan = "H" // Object Query for account, contacts and payment methods; 2 calls
	PlanV ZuoraPlan = "V" // v1 only; 3 calls; for tenants where Object Query is off or stale
)

// CreationStrategy chooses how objects come into being in Limio, for which
// Limio publishes no endpoint.
type CreationStrategy string

// The strategies.
const (
	CreateObjects CreationStrategy = "objects" // POST with ids made by hotsync
	CreatePlugin  CreationStrategy = "plugin"  // Limio's own Zuora sync makes subscription and customer
)

// SalesforceID says what a CRM ID of a Zuora account names in Salesforce.
type SalesforceID string

// The Salesforce objects a CRM ID may name.
const (
	SalesforceAccount SalesforceID = "account"
	SalesforceContact SalesforceID = "contact"
)

// ScheduleSource says where the coming payments of a subscription come from.
type ScheduleSource string

// The sources.
const (
	SchedulesPreview ScheduleSource = "preview" // Zuora's billing preview, else the charges; the default
	SchedulesCharges ScheduleSource = "charges" // what the charges say, without a call of its own
	SchedulesOff     ScheduleSource = "off"     // none are written
)

// LoginRecording says whether logins that lead to nothing leave a record.
type LoginRecording string

// Whether they do.
const (
	LoginRecordsOn  LoginRecording = "on" // the default: a short record for LoginRecordDays
	LoginRecordsOff LoginRecording = "off"
)

// LoginRecordDays is how long the record of a login that led to nothing is kept.
const LoginRecordDays = 7

// Settings is what an administrator decides. They live in the settings table
// and are read by every function.
type Settings struct {
	Version   int        `json:"version"`
	HotSync   bool       `json:"hotSync"` // the one switch
	Providers []Provider `json:"providers"`

	ZuoraPlan        ZuoraPlan        `json:"zuoraPlan"`
	TimeZone         string           `json:"timeZone"` // of the Zuora tenant: decides which price is today's
	CreationStrategy CreationStrategy `json:"creationStrategy"`
	SalesforceID     SalesforceID     `json:"salesforceId"`
	CreateOffers     bool             `json:"createOffers"`        // not recommended
	CreateAddOns     bool             `json:"createAddOns"`        // not recommended
	Schedules        ScheduleSource   `json:"schedules,omitempty"` // "" is preview: settings saved before have none
	RecordUnmatched  bool             `json:"recordUnmatched"`
	LoginRecords     LoginRecording   `json:"loginRecords,omitempty"` // "" is on: settings saved before have none
	// before writing, the account found by lookup must still name the login
	GuardStaleLookups bool `json:"guardStaleLookups"`

	// CatalogueMap names the catalogue item (its path) of a Zuora product rate plan
	// (its id), where matching by name does not find the right one.
	CatalogueMap map[string]string `json:"catalogueMap,omitempty"`

	ZuoraAccountURL  string `json:"zuoraAccountUrl"`  // pattern with {id}, for links in the console
	LimioCustomerURL string `json:"limioCustomerUrl"` // pattern with {id}

	UpdatedAt time.Time `json:"updatedAt,omitzero"`
	UpdatedBy string    `json:"updatedBy,omitempty"`
	// UpdatedFor is why, in the words of who saved.
	UpdatedFor string `json:"updatedFor,omitempty"`
}

// DefaultSettings is what holds before anybody saved anything: hot sync is off.
func DefaultSettings() Settings {
	return Settings{ZuoraPlan: PlanH, TimeZone: "UTC", CreationStrategy: CreateObjects, SalesforceID: SalesforceAccount,
		LoginRecords: LoginRecordsOn, GuardStaleLookups: true, Providers: []Provider{}}
}

// RecordsLogins reports whether logins that lead to nothing leave a record.
func (s Settings) RecordsLogins() bool { return s.LoginRecords != LoginRecordsOff }

// SettingsFinding is something to say about a setting. An error keeps the settings
// from being saved; a warning does not.
type SettingsFinding struct {
	Path    string `json:"path"` // such as providers[0].claims[1].type
	Message string `json:"message"`
	Warning bool   `json:"warning"`
}

var productRatePlan = regexp.MustCompile(`^[0-9a-f]{32}$`)

var lookupField = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*__c$`)

// IsLookupField reports whether name can be the API name of a Zuora custom
// field. The name goes into a query unescaped, so nothing else is let through.
func IsLookupField(name string) bool { return len(name) <= 80 && lookupField.MatchString(name) }

// Validate finds what is wrong or suspicious, in the order of the fields.
func (s Settings) Validate() []SettingsFinding {
	var out []SettingsFinding
	fail := func(path, format string, args ...any) {
		out = append(out, SettingsFinding{Path: path, Message: fmt.Sprintf(format, args...)})
	}
	warn := func(path, format string, args ...any) {
		out = append(out, SettingsFinding{Path: path, Message: fmt.Sprintf(format, args...), Warning: true})
	}
	oneOf := func(path, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			fail(path, "%q is not one of %s.", value, strings.Join(allowed, ", "))
		}
	}
	if s.HotSync && len(s.Providers) == 0 {
		warn("providers", "Hot sync is on, but no identity provider is configured: no login is synced.")
	}
	validateProviders(s.Providers, fail, warn)
	oneOf("zuoraPlan", string(s.ZuoraPlan), string(PlanH), string(PlanV))
	oneOf("creationStrategy", string(s.CreationStrategy), string(CreateObjects), string(CreatePlugin))
	oneOf("salesforceId", string(s.SalesforceID), string(SalesforceAccount), string(SalesforceContact))
	oneOf(
		"schedules",
		string(cmp.Or(s.Schedules, SchedulesPreview)),
		string(SchedulesPreview),
		string(SchedulesCharges),
		string(SchedulesOff),
	)
	oneOf(
		"loginRecords",
		string(cmp.Or(s.LoginRecords, LoginRecordsOn)),
		string(LoginRecordsOn),
		string(LoginRecordsOff),
	)
	for _, id := range slices.Sorted(maps.Keys(s.CatalogueMap)) {
		if !productRatePlan.MatchString(id) {
			fail("catalogueMap", "%.40q is not the id of a product rate plan: 32 hexadecimal digits.", id)
		}
		if path := s.CatalogueMap[id]; !strings.HasPrefix(path, "/") || len(path) > 500 {
			fail("catalogueMap."+id, "Give the path of an item of Limio's catalogue, such as /offers/Digital Monthly.")
		}
	}
	if _, err := time.LoadLocation(s.TimeZone); s.TimeZone == "" || err != nil {
		fail("timeZone", "%q is not a time zone such as Europe/London.", s.TimeZone)
	}
	if s.CreateOffers {
		warn(
			"createOffers",
			"Limio publishes no way to create offers, so this does nothing: a plan without an offer gets a stand-in in any case.",
		)
	}
	if s.CreateAddOns {
		warn(
			"createAddOns",
			"Limio publishes no way to create add-ons, so this does nothing: what is an add-on, the catalogue says.",
		)
	}
	for _, link := range [...]struct{ path, pattern string }{
		{"zuoraAccountUrl", s.ZuoraAccountURL}, {"limioCustomerUrl", s.LimioCustomerURL},
	} {
		if link.pattern != "" && !isLinkPattern(link.pattern) {
			fail(link.path, "Give an https address with {id} in it.")
		}
	}
	return out
}

func isLinkPattern(pattern string) bool {
	return strings.Contains(pattern, "{id}") &&
		(strings.HasPrefix(pattern, "https://") || strings.HasPrefix(pattern, "http://127.0.0.1"))
}

func validateClaims(path string, p Provider, fail, warn func(path, format string, args ...any)) {
	used := 0
	seen := map[string]bool{}
	for j, c := range p.Claims {
		path := fmt.Sprintf("%s.claims[%d]", path, j)
		if strings.TrimSpace(c.Claim) == "" {
			fail(path+".claim", "Name the claim.")
		}
		key := c.Claim + "\x00" + c.AccountLookupField
		if seen[key] {
			fail(path+".claim", "The claim %q is configured twice.", c.Claim)
		}
		seen[key] = true
		for _, part := range [...]struct{ name, got, want string }{
			{"service", c.Service, ServiceZuora}, {"issuer", c.Issuer, IssuerZuora}, {"type", c.Type, TypeAccount},
		} {
			if part.got != part.want {
				warn(path+"."+part.name, "%q is not %q, so hotsync does not use this claim.", part.got, part.want)
			}
		}
		if c.NamesZuoraAccount() {
			used++
		}
		switch {
		case c.AccountLookup && !IsLookupField(c.AccountLookupField):
			fail(
				path+".accountLookupField",
				"Give the API name of a Zuora Account custom field, such as LimioExternalId__c.",
			)
		case c.AccountLookup && c.AllowUnverified:
			warn(
				path+".allowUnverified",
				"Whoever types in somebody else's address at a sign-up finds that customer's account, unless the provider lets "+
					"nobody do so.",
			)
		case !c.AccountLookup && c.AccountLookupField != "":
			warn(path+".accountLookupField", "Account lookup is off, so the field is not used.")
		}
	}
	if used == 0 {
		warn(path+".claims", "No claim of this provider names a Zuora account, so none of its logins is synced.")
	}
}
