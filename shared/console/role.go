package console

import (
	"net/http"
	"slices"
	"strings"

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

// String gives the name, which is also the name of the group that gives the role.
func (r Role) String() string { return roleNames[r] }

// roleOf is the highest role that the groups give.
func roleOf(groups []string) Role {
	for r := Admin; r > Nobody; r-- {
		if slices.Contains(groups, r.String()) || slices.Contains(groups, "hotsync-"+r.String()) {
			return r
		}
	}
	return Nobody
}

// groups reads the groups claim: a list, or one group as text.
func groups(token oidc.Token, claim string) []string {
	switch v := token.Claims[claim].(type) {
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

// member is a signed-in member of staff.
type member struct {
	subject string
	name    string
	role    Role
}

// Name is how the pages call the member.
func (m member) Name() string {
	if m.name != "" {
		return m.name
	}
	return m.subject
}

// Role is the member's role.
func (m member) Role() Role { return m.role }

// Operator reports whether the member may act.
func (m member) Operator() bool { return m.role >= Operator }

// Admin reports whether the member may change settings.
func (m member) Admin() bool { return m.role >= Admin }

// In reports whether anybody is signed in.
func (m member) In() bool { return m.role > Nobody }

// staffOnly accepts tokens of the staff's provider for this console.
func (c *console) staffOnly(issuer string) (oidc.Rules, bool) {
	return oidc.Rules{Audiences: []string{c.Staff.ClientID}}, issuer == c.Staff.Issuer
}

// bearer tells who sends the request's bearer token, and requires a role.
func (c *console) bearer(r *http.Request, need Role) (member, error) {
	scheme, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || raw == "" {
		return member{}, hotsync.Errorf(hotsync.CodeUnauthenticated, "Send the ID token of a member of staff as a bearer token.")
	}
	token, err := c.Tokens.Verify(r.Context(), strings.TrimSpace(raw), c.staffOnly)
	if err != nil {
		return member{}, err
	}
	m := member{subject: token.Subject, role: roleOf(groups(token, c.Staff.GroupsClaim))}
	if m.role < need {
		return member{}, hotsync.Errorf(hotsync.CodeForbidden, "This needs the role %s; the token gives %s.", need, m.role)
	}
	return m, nil
}
