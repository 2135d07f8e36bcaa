package console

import (
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"hotsync/shared/hotsync"
)

// sent is what a browser sends of a form.
func sent(form settingsForm, version int) url.Values {
	v := url.Values{"version": {strconv.Itoa(version)}}
	add := func(fields []field) {
		for _, f := range fields {
			switch {
			case f.Kind != "check":
				v.Set(f.Path, f.Value)
			case f.On:
				v.Set(f.Path, "on")
			}
		}
	}
	add([]field{form.Switch})
	for _, p := range form.Providers {
		add(p.Fields)
		for _, c := range p.Claims {
			add(c.Fields)
		}
	}
	for _, g := range form.Groups {
		add(g.Fields)
	}
	return v
}

// Whatever is posted, the form that comes back holds exactly what was read of
// it, so that nothing somebody typed gets lost on the way.
func FuzzSettingsForm(f *testing.F) {
	f.Add(
		"version=1&hotSync=on&providers[0].name=a&providers[0].audiences=x%0Ay,z&providers[0].claims[0].claim=sub&providers[0].claims[0].accountLookup=on")
	f.Add("version=0&timeZone=%00&zuoraPlan=%3Cscript%3E&providers[1].name=skipped")
	f.Add("version=-1")
	f.Fuzz(func(t *testing.T, body string) {
		posted, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		first, err := parseSettings(posted)
		if err != nil {
			return // an answer, not a crash
		}
		again, err := parseSettings(sent(newSettingsForm(first, first.Validate(), ""), first.Version))
		if err != nil {
			t.Fatalf("the form of %q cannot be read: %v", body, err)
		}
		if diff := cmp.Diff(first, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("the form of %q reads differently (-first +again):\n%s", body, diff)
		}
	})
}

// Nothing of what was pasted comes into an error, and a token is not kept as text.
func FuzzPasted(f *testing.F) {
	for _, seed := range []string{`{"iss": "a", "sub": "b"}`, "Bearer a.e30.c", "a.b.c",
		`{"region": "eu", "userPoolId": "x", "request": {"userAttributes": {"sub": 1}}}`, "{", "{} {}", "null",
		`{"request": {"userAttributes": null}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := readPasted(text, "")
		if p.kind == inputToken && p.text != "" {
			t.Fatalf("the token %q is kept as text", text)
		}
		if err == nil {
			if p.claims == nil {
				t.Fatalf("%q is read as nothing", text)
			}
			return
		}
		if trimmed := strings.TrimSpace(text); len(trimmed) > 12 && strings.Contains(err.Error(), trimmed) {
			t.Fatalf("the error %q holds what was pasted", err)
		}
	})
}

func TestMergeSettings(t *testing.T) {
	t.Parallel()

	claim := newClaim()
	provider := func(name string, audiences ...string) hotsync.Provider {
		return hotsync.Provider{Name: name, Issuer: "https://" + name, Audiences: audiences,
			Claims: []hotsync.IdentityClaim{claim}}
	}
	settings := func(version int, zone string, providers ...hotsync.Provider) hotsync.Settings {
		s := hotsync.DefaultSettings()
		s.Version, s.TimeZone, s.Providers = version, zone, providers
		return s
	}
	a, b, c := provider("a", "1"), provider("b", "1"), provider("c", "1")
	for _, tc := range []struct {
		name                     string
		base, mine, theirs, want hotsync.Settings
	}{
		{"only they", settings(1, "UTC", a), settings(1, "UTC", a), settings(2, "Europe/Paris", provider("a", "2"), b),
			settings(2, "Europe/Paris", provider("a", "2"), b)},
		{"only I", settings(1, "UTC", a), settings(1, "Europe/Paris", b), settings(2, "UTC", a),
			settings(2, "Europe/Paris", b)},
		{"both", settings(1, "UTC", a), settings(1, "Europe/Rome", provider("a", "mine")),
			settings(2, "Europe/Paris", provider("a", "theirs")), settings(2, "Europe/Rome", provider("a", "mine"))},
		{"they removed what I left alone", settings(1, "UTC", a, b), settings(1, "UTC", a, b, c), settings(2, "UTC", a),
			settings(2, "UTC", a, c)},
		{"they removed what I changed", settings(1, "UTC", a, b), settings(1, "UTC", a, provider("b", "mine")),
			settings(2, "UTC", a), settings(2, "UTC", a, provider("b", "mine"))},
		{"I removed what they changed", settings(1, "UTC", a, b), settings(1, "UTC", a),
			settings(2, "UTC", a, provider("b", "theirs")), settings(2, "UTC", a)},
		{"both added the same", settings(1, "UTC"), settings(1, "UTC", provider("c", "mine")), settings(2, "UTC", c),
			settings(2, "UTC", provider("c", "mine"))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			if diff := cmp.Diff(tc.want, mergeSettings(tc.base, tc.mine, tc.theirs), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("merge mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSettingDifferencesAreTold(t *testing.T) {
	t.Parallel()

	a := hotsync.DefaultSettings()
	b := a
	b.HotSync, b.Providers = true, []hotsync.Provider{
		{Name: "p", Issuer: "https://p", Claims: []hotsync.IdentityClaim{newClaim(), newClaim()}}}
	b.Providers[0].Claims[0].Claim, b.Providers[0].Claims[1].Claim, b.Providers[0].Claims[1].AccountLookup = "sub", "sub",
		true
	var got []string
	for _, d := range settingDifferences(a, b) {
		got = append(got, d.What+": "+d.Before+" > "+d.Now)
	}
	want := []string{"Hot sync: off > on", "p: Name: — > p", "p: Issuer: — > https://p",
		"p, claim sub: Claim: — > sub", "p, claim sub: Service: — > zuora", "p, claim sub: Issuer: — > zuora",
		"p, claim sub: Type: — > account",
		"p, claim sub (2): Claim: — > sub", "p, claim sub (2): Service: — > zuora", "p, claim sub (2): Issuer: — > zuora",
		"p, claim sub (2): Type: — > account",
		"p, claim sub (2): Account Lookup: — > on"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences mismatch (-want +got):\n%s", diff)
	}
	if got := settingDifferences(b, b); got != nil {
		t.Errorf("settings differ from themselves: %v", got)
	}
}

func TestIssuerAddressesThatMayBeRead(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		issuer, address string
		want            bool
	}{
		{"https://login.example.com", "93.184.215.14:443", true},
		{"https://login.example.com", "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:443", true},
		{"https://login.example.com", "127.0.0.1:9001", false}, // Lambda's runtime API
		{"https://login.example.com", "169.254.169.254:80", false},
		{"https://login.example.com", "169.254.170.2:80", false}, // credentials of a container
		{"https://login.example.com", "[fd00:ec2::254]:80", false},
		{"https://login.example.com", "[::ffff:169.254.169.254]:80", false},
		{"https://login.example.com", "[fe80::1]:80", false},
		{"https://login.example.com", "[::1]:80", false},
		{"https://login.example.com", "10.1.2.3:443", false},
		{"https://login.example.com", "172.16.0.1:443", false},
		{"https://login.example.com", "192.168.1.1:443", false},
		{"https://login.example.com", "100.64.0.1:443", false},
		{"https://login.example.com", "0.0.0.0:443", false},
		{"https://login.example.com", "255.255.255.255:443", false},
		{"https://login.example.com", "nonsense", false},
		{"http://127.0.0.1:8093/direct", "127.0.0.1:8093", true},
		{"http://localhost:8093/direct", "[::1]:8093", true},
		{"http://127.0.0.1:8093/direct", "169.254.169.254:80", false},
		{"http://127.0.0.1:8093/direct", "93.184.215.14:443", false},
	} {
		issuer, err := url.Parse(tc.issuer)
		if err != nil {
			t.Fatal(err)
		}
		if got := guard(issuer.Hostname())(tc.address) == nil; got != tc.want {
			t.Errorf("%s at %s may be read: %t, want %t", tc.issuer, tc.address, got, tc.want)
		}
	}
}

// TestRenameIsOneDifference: a provider, or a claim, that has another name and is
// otherwise the same is told by its name alone, and two people's changes of it
// are merged all the same.
func TestRenameIsOneDifference(t *testing.T) {
	t.Parallel()

	a := hotsync.DefaultSettings()
	claim := newClaim()
	claim.Claim = "ids"
	a.Providers = []hotsync.Provider{
		{Name: "okta", Issuer: "https://x.okta.com", Audiences: []string{"web"}, Claims: []hotsync.IdentityClaim{claim}}}
	b := a
	b.Providers = []hotsync.Provider{a.Providers[0]}
	b.Providers[0].Name = "Okta EU"
	if diff := cmp.Diff([]difference{{What: "Okta EU: Name", Before: "okta", Now: "Okta EU"}},
		settingDifferences(a, b)); diff != "" {
		t.Errorf("a renamed provider differs by (-want +got):\n%s", diff)
	}
	c := a
	c.Providers = []hotsync.Provider{a.Providers[0]}
	c.Providers[0].Claims = []hotsync.IdentityClaim{claim}
	c.Providers[0].Claims[0].Claim = "accounts"
	if diff := cmp.Diff([]difference{{What: "okta, claim accounts: Claim", Before: "ids", Now: "accounts"}},
		settingDifferences(a, c)); diff != "" {
		t.Errorf("a renamed claim differs by (-want +got):\n%s", diff)
	}
	merged := mergeSettings(a, b, c)
	if len(merged.Providers) != 1 || merged.Providers[0].Name != "Okta EU" ||
		merged.Providers[0].Claims[0].Claim != "accounts" {
		t.Errorf("merged into %+v", merged.Providers)
	}
}

// TestTheTableHasEverySetting: what the form does not show, saving it would lose.
func TestTheTableHasEverySetting(t *testing.T) {
	t.Parallel()

	has := map[string]bool{"version": true, "updatedAt": true, "updatedBy": true, "updatedFor": true, "providers": true,
		switchRow.name: true}
	for _, g := range settingRows {
		for _, r := range g.rows {
			has[r.name] = true
		}
	}
	of := func(v any, has map[string]bool) {
		for f := range reflect.TypeOf(v).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !has[name] {
				t.Errorf("%T: the form has no row for %s: add it to settingstable.go", v, name)
			}
		}
	}
	of(hotsync.Settings{}, has)
	has = map[string]bool{"claims": true}
	for _, r := range providerRows {
		has[r.name] = true
	}
	of(hotsync.Provider{}, has)
	has = map[string]bool{}
	for _, r := range claimRows {
		has[r.name] = true
	}
	of(hotsync.IdentityClaim{}, has)
}
