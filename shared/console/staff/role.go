package staff

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

// Member is a signed-in member of staff.
type Member struct {
	subject string
	name    string
	role    Role
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
		return Member{}, hotsync.Errorf(hotsync.CodeUnauthenticated, "Send the ID token of a member of staff as a bearer token.")
	}
	token, err := d.Tokens.Verify(r.Context(), strings.TrimSpace(raw), d.accept)
	if err != nil {
		return Member{}, err
	}
	m := Member{subject: token.Subject, role: roleOf(groups(token, d.GroupsClaim))}
	if m.role < need {
		return Member{}, hotsync.Errorf(hotsync.CodeForbidden, "This needs the role %s; the token gives %s.", need, m.role)
	}
	return m, nil
}
