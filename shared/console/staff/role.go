package staff

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// Role is what a member of staff may do; a higher one may do all that a lower
// one may.
type Role int

// The roles.
const (
	Nobody   Role = iota
	Viewer        // reads
	Operator      // also retries, syncs and reveals who signed in
	Admin         // also changes settings
)

var roleNames = []string{"nobody", "viewer", "operator", "admin"}

// String returns the name, which is also the name of the group that gives the role.
func (r Role) String() string { return roleNames[r] }

// Groups are the names of the groups that give each role.
type Groups map[Role][]string

// DefaultGroups returns the groups that count where none are configured: those
// called as the role, with or without "hotsync-" before it.
func DefaultGroups() Groups {
	out := Groups{}
	for r := Viewer; r <= Admin; r++ {
		out[r] = []string{r.String(), "hotsync-" + r.String()}
	}
	return out
}

// ParseGroups reads groups written as "admin=Billing IT; operator=Support,Night shift".
// Nothing at all is no groups; a role that is left out is given by none.
func ParseGroups(text string) (Groups, error) {
	out := Groups{}
	for part := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, list, ok := strings.Cut(part, "=")
		role := Role(slices.Index(roleNames, strings.TrimSpace(name)))
		if !ok || role <= Nobody {
			return nil, fmt.Errorf(
				"%q is not a role (viewer, operator, admin), = and names of groups",
				strings.TrimSpace(part),
			)
		}
		for group := range strings.SplitSeq(list, ",") {
			if group = strings.TrimSpace(group); group != "" {
				out[role] = append(out[role], group)
			}
		}
	}
	return out, nil
}

// role is the highest one that the groups of a member give.
func (g Groups) role(of []string) Role {
	for r := Admin; r > Nobody; r-- {
		if slices.ContainsFunc(g[r], func(name string) bool { return slices.Contains(of, name) }) {
			return r
		}
	}
	return Nobody
}

// claimAt returns the claim of that name, or, where there is none, the one that
// a.b names: member b of claim a. Keycloak has roles in realm_access.roles.
func claimAt(claims map[string]any, name string) any {
	if v, ok := claims[name]; ok {
		return v
	}
	outer, inner, ok := strings.Cut(name, ".")
	if !ok {
		return nil
	}
	object, _ := claims[outer].(map[string]any) // what is none has no members
	return claimAt(object, inner)
}

// groups reads the groups claim: a list, or one group as text.
func groups(token oidc.Token, claim string) []string {
	switch v := claimAt(token.Claims, claim).(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, g := range v {
			if s, ok := g.(string); ok {
				out = append(out, s)
			}
		}
		return out
	default:
		return nil
	}
}

// Member is a signed-in member of staff.
type Member struct {
	subject string
	name    string
	role    Role
	began   time.Time // when the session did; zero for who shows a token
}

// Subject is the member's sub, which names them in the audit log.
func (m Member) Subject() string { return m.subject }

// Name is how the pages call the member.
func (m Member) Name() string {
	if m.name != "" {
		return m.name
	}
	return m.subject
}

// Began is when the member signed in, zero for who shows a token.
func (m Member) Began() time.Time { return m.began }

// Ends is when the session ends at the latest.
func (m Member) Ends() time.Time { return m.began.Add(sessionLimit) }

// Role is the member's role.
func (m Member) Role() Role { return m.role }

// Operator reports whether the member may act.
func (m Member) Operator() bool { return m.role >= Operator }

// Admin reports whether the member may change settings.
func (m Member) Admin() bool { return m.role >= Admin }

// In reports whether anybody is signed in.
func (m Member) In() bool { return m.role > Nobody }

// accept accepts tokens of the staff's provider for this console.
func (d *Door) accept(issuer string) (oidc.Rules, bool) {
	return oidc.Rules{Audiences: []string{d.ClientID}}, issuer == d.Issuer
}

// Bearer tells who sends the request's bearer token, and requires a role.
func (d *Door) Bearer(r *http.Request, need Role) (Member, error) {
	scheme, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || raw == "" {
		return Member{}, hotsync.Errorf(
			hotsync.CodeUnauthenticated,
			"Send the ID token of a member of staff as a bearer token.",
		)
	}
	token, err := d.Tokens.Verify(r.Context(), strings.TrimSpace(raw), d.accept)
	if err != nil {
		return Member{}, err
	}
	m := Member{subject: token.Subject, role: d.Groups.role(groups(token, d.GroupsClaim))}
	if m.role < need {
		return Member{}, hotsync.Errorf(
			hotsync.CodeForbidden,
			"This needs the role %s; the token gives %s.",
			need,
			m.role,
		)
	}
	return m, nil
}
