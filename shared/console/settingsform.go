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
	Kind     string // text, lines, map, check or choice
	Value    string
	On       bool
	Options  []option
	Hint     string
	Tag      string // a word of caution beside the label
	Focus    bool
	Rare     bool // few need it
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
	case "map":
		return strings.ReplaceAll(f.Value, "\n", "; ")
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

// Often are the fields that every provider needs.
func (p providerForm) Often() []field { return p.where(false) }

// Rarely are the fields that few need.
func (p providerForm) Rarely() []field { return p.where(true) }

func (p providerForm) where(rare bool) []field {
	return slices.DeleteFunc(slices.Clone(p.Fields), func(f field) bool { return f.Rare != rare })
}

// UsesRare reports whether one of the rare fields has something to show.
func (p providerForm) UsesRare() bool {
	return slices.ContainsFunc(p.Rarely(), func(f field) bool { return f.Value != "" || len(f.Findings) > 0 || f.Focus })
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

// about returns the findings of a path, and of the members of a list or of pairs
// that have but one control.
func (m formMaker) about(path, kind string) []hotsync.SettingsFinding {
	var out []hotsync.SettingsFinding
	for _, f := range m.findings {
		if f.Path == path || kind == "lines" && strings.HasPrefix(f.Path, path+"[") ||
			kind == "map" && strings.HasPrefix(f.Path, path+".") {
			out = append(out, f)
		}
	}
	return out
}

// fieldOf is the control, or the line, of a row at that path.
func fieldOf[T any](m formMaker, prefix string, r row[T], of *T) field {
	path := prefix + r.name
	f := field{
		Path:     path,
		Kind:     r.kind,
		Label:    r.label,
		Hint:     r.hint,
		Tag:      r.tag,
		Rare:     r.rare,
		Options:  r.options,
		Focus:    path == m.focus,
		Findings: m.about(path, r.kind),
	}
	f.Value = r.read(of)
	f.On = r.kind == "check" && f.Value == "on"
	if r.kind == "choice" && !slices.ContainsFunc(r.options, func(o option) bool { return o.Value == f.Value }) {
		f.Options = append([]option{{f.Value, f.Value}}, r.options...) // shown as it is, with what is wrong about it
	}
	return f
}

func fieldsOf[T any](m formMaker, prefix string, rows []row[T], of *T) []field {
	var out []field
	for _, r := range rows {
		out = append(out, fieldOf(m, prefix, r, of))
	}
	return out
}

func newSettingsForm(s hotsync.Settings, findings []hotsync.SettingsFinding, focus string) settingsForm {
	m := formMaker{findings, focus}
	form := settingsForm{Findings: m.about("providers", ""), Switch: fieldOf(m, "", switchRow, &s)}
	for i, p := range s.Providers {
		form.Providers = append(form.Providers, m.provider(i, p))
	}
	for _, g := range settingRows {
		form.Groups = append(form.Groups, group{g.id, g.title, fieldsOf(m, "", g.rows, &s)})
	}
	return form
}

func (m formMaker) provider(i int, p hotsync.Provider) providerForm {
	path := fmt.Sprintf("providers[%d].", i)
	out := providerForm{
		N:        i + 1,
		Title:    p.Name,
		At:       i,
		Findings: m.about(path+"claims", ""),
		Fields:   fieldsOf(m, path, providerRows, &p),
	}
	for j, c := range p.Claims {
		out.Claims = append(
			out.Claims,
			claimForm{N: j + 1, Title: c.Claim, Provider: i, At: j, Used: c.NamesZuoraAccount(),
				Fields: fieldsOf(m, fmt.Sprintf("%sclaims[%d].", path, j), claimRows, &c)},
		)
	}
	return out
}

// telling collects how two versions differ, under the names of the form.
type telling []difference

// rows tells which rows of a differ from those of b; nil stands for something
// that was not there, or is not any more.
func tellRows[T any](out *telling, of string, rows []row[T], a, b *T) {
	for _, r := range rows {
		shown := func(t *T) string {
			if t == nil {
				return ""
			}
			return fieldOf(formMaker{}, "", r, t).Shown()
		}
		before, now := shown(a), shown(b)
		switch {
		case before == now:
		case a == nil && (r.kind == "check" && now == "off"): // as it is without being said
		case b == nil:
			*out = append(*out, difference{What: of + r.label, Before: orNone(before), Now: orNone(""), Lost: true})
		default:
			*out = append(*out, difference{What: of + r.label, Before: orNone(before), Now: orNone(now)})
		}
	}
}

// settingDifferences tells field by field how b differs from a. A provider or a
// claim that has another name but is otherwise the same has only its name told.
func settingDifferences(a, b hotsync.Settings) []difference {
	var out telling
	tellRows(&out, "", []row[hotsync.Settings]{switchRow}, &a, &b)
	became := pairProviders(a.Providers, b.Providers)
	for i := range a.Providers {
		if j := became[i]; j >= 0 {
			tellProvider(&out, b.Providers[j].Name, &a.Providers[i], &b.Providers[j])
			continue
		}
		tellProvider(&out, a.Providers[i].Name, &a.Providers[i], nil)
	}
	for j := range b.Providers {
		if !slices.Contains(became, j) {
			tellProvider(&out, b.Providers[j].Name, nil, &b.Providers[j])
		}
	}
	for _, g := range settingRows {
		tellRows(&out, "", g.rows, &a, &b)
	}
	return out
}

func tellProvider(out *telling, name string, a, b *hotsync.Provider) {
	tellRows(out, name+": ", providerRows, a, b)
	var before, now []hotsync.IdentityClaim
	if a != nil {
		before = a.Claims
	}
	if b != nil {
		now = b.Claims
	}
	nth := map[string]int{}
	of := func(c hotsync.IdentityClaim) string {
		nth[c.Claim]++
		if n := nth[c.Claim]; n > 1 {
			return fmt.Sprintf("%s, claim %s (%d): ", name, c.Claim, n)
		}
		return name + ", claim " + c.Claim + ": "
	}
	became := pairClaims(before, now)
	for i := range before {
		if j := became[i]; j >= 0 {
			tellRows(out, of(now[j]), claimRows, &before[i], &now[j])
			continue
		}
		tellRows(out, of(before[i]), claimRows, &before[i], nil)
	}
	for j := range now {
		if !slices.Contains(became, j) {
			tellRows(out, of(now[j]), claimRows, nil, &now[j])
		}
	}
}

// How many providers, and claims of each, a form may have.
const (
	maxProviders = 50
	maxClaims    = 50
)

// parseSettings reads the form as it was sent, whatever is in it: whether it
// makes sense is for hotsync.Settings.Validate to say.
func parseSettings(v url.Values) (hotsync.Settings, error) {
	version, err := strconv.Atoi(strings.TrimSpace(v.Get("version")))
	if err != nil || version < 0 {
		return hotsync.Settings{}, hotsync.Errorf(
			hotsync.CodeBadRequest,
			"The form does not say which version it was made from. Open the settings again.",
		)
	}
	s := hotsync.Settings{Version: version, Providers: []hotsync.Provider{}}
	readRows(v, "", []row[hotsync.Settings]{switchRow}, &s)
	for _, g := range settingRows {
		readRows(v, "", g.rows, &s)
	}
	for i := range maxProviders {
		path := fmt.Sprintf("providers[%d].", i)
		if !v.Has(path + "name") {
			break
		}
		p := hotsync.Provider{Claims: []hotsync.IdentityClaim{}}
		readRows(v, path, providerRows, &p)
		for j := range maxClaims {
			path := fmt.Sprintf("%sclaims[%d].", path, j)
			if !v.Has(path + "claim") {
				break
			}
			var c hotsync.IdentityClaim
			readRows(v, path, claimRows, &c)
			p.Claims = append(p.Claims, c)
		}
		s.Providers = append(s.Providers, p)
	}
	return s, nil
}

func readRows[T any](v url.Values, prefix string, rows []row[T], into *T) {
	for _, r := range rows {
		r.write(into, v.Get(prefix+r.name))
	}
}

// newClaim is what most claims are: one that names Zuora accounts.
func newClaim() hotsync.IdentityClaim {
	return hotsync.IdentityClaim{Service: hotsync.ServiceZuora, Issuer: hotsync.IssuerZuora, Type: hotsync.TypeAccount}
}

// errNoButton refuses what no button of the form sends.
var errNoButton = hotsync.Errorf(hotsync.CodeBadRequest, "The form has no such button. Open the settings again.")

// editSettings carries out a button of the form that adds or removes something:
// add-provider, add-claim:PROVIDER, remove:PROVIDER or remove:PROVIDER.CLAIM. name is
// the preset of a provider that is added. It returns what was done in words and
// the field to go on with.
func editSettings(s *hotsync.Settings, do, name string) (done, focus string, err error) {
	refused := errNoButton
	what, at, _ := strings.Cut(do, ":")
	if what == "add-provider" {
		if len(s.Providers) == maxProviders {
			return "", "", hotsync.Errorf(
				hotsync.CodeBadRequest,
				"There can be at most %d identity providers.",
				maxProviders,
			)
		}
		s.Providers = append(s.Providers, presetOf(name))
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
