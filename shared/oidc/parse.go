package oidc

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lestrrat-go/jwx/v2/jwa"

	"hotsync/shared/hotsync"
)

// Bounds of what is read from a token before anything vouches for it.
const (
	maxToken   = 16 << 10
	maxSubject = 255 // OpenID Connect Core 2: sub must not exceed 255 ASCII characters
	maxKeyID   = 1024
)

// unverified is a token taken apart, before its signature is checked.
type unverified struct {
	Token
	alg       jwa.SignatureAlgorithm
	kid       string
	typ       string
	notBefore time.Time
	signed    []byte // what the signature covers
	signature []byte
}

func malformed(sentence string) error {
	return hotsync.Errorf(hotsync.CodeTokenMalformed, "%s", sentence)
}

// parse takes a token in JWS compact serialisation apart. Its errors carry
// nothing of the token.
func parse(raw string) (unverified, error) {
	if len(raw) > maxToken {
		return unverified{}, malformed("The token is longer than 16 KB.")
	}
	switch strings.Count(raw, ".") {
	case 2:
	case 4:
		return unverified{}, malformed("The token is encrypted (JWE); only signed ID tokens are read.")
	default:
		return unverified{}, malformed("The token is not a JWT of three parts.")
	}
	var parts [3][]byte
	for i, s := range strings.Split(raw, ".") {
		b, err := base64.RawURLEncoding.Strict().DecodeString(s)
		// DecodeString skips line breaks, which no token has.
		if err != nil || strings.ContainsAny(s, "\r\n") {
			return unverified{}, malformed("A part of the token is not base64url.")
		}
		parts[i] = b
	}
	u := unverified{signed: []byte(raw[:strings.LastIndexByte(raw, '.')]), signature: parts[2]}
	err := u.readHeader(parts[0])
	if err != nil {
		return unverified{}, err
	}
	return u, u.readClaims(parts[1])
}

// object decodes one JSON object and nothing after it.
func object(raw []byte) (map[string]any, bool) {
	if !utf8.Valid(raw) {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	var m map[string]any
	if dec.Decode(&m) != nil || m == nil {
		return nil, false
	}
	_, err := dec.Token()
	return m, err == io.EOF
}

// text reads an optional member that must be a string.
func text(m map[string]any, name string) (_ string, ok bool) {
	v, present := m[name]
	if !present {
		return "", true
	}
	s, ok := v.(string)
	return s, ok
}

func (u *unverified) readHeader(raw []byte) error {
	h, ok := object(raw)
	if !ok {
		return malformed("The token's header is not a JSON object.")
	}
	alg, algOK := text(h, "alg")
	kid, kidOK := text(h, "kid")
	typ, typOK := text(h, "typ")
	if !algOK || !kidOK || !typOK || len(kid) > maxKeyID {
		return malformed("The token's header has an alg, kid or typ that is no short text.")
	}
	u.alg, u.kid, u.typ = jwa.SignatureAlgorithm(alg), kid, typ
	if !slices.Contains(hotsync.SignatureAlgorithms, alg) {
		return hotsync.Errorf(
			hotsync.CodeTokenAlgorithm,
			"The token's algorithm is not one of %s.",
			strings.Join(hotsync.SignatureAlgorithms, ", "),
		)
	}
	for _, name := range []string{"crit", "zip", "enc", "b64"} {
		if _, present := h[name]; present {
			return malformed("The token's header has the member " + name + ", which is not supported.")
		}
	}
	cty, ok := text(h, "cty")
	if !ok || strings.EqualFold(strings.TrimPrefix(strings.ToLower(cty), "application/"), "jwt") {
		return malformed("The token is nested.")
	}
	return nil
}

func (u *unverified) readClaims(raw []byte) error {
	c, ok := object(raw)
	if !ok {
		return malformed("The token's content is not a JSON object.")
	}
	u.Claims = c
	for _, x := range []struct {
		name string
		to   *string
	}{{"iss", &u.Issuer}, {"sub", &u.Subject}} {
		s, ok := c[x.name].(string)
		if !ok || s == "" {
			return malformed("The token has no " + x.name + ".")
		}
		*x.to = s
	}
	if len(u.Subject) > maxSubject {
		return malformed("The token's sub is longer than 255 bytes.")
	}
	if problem := SubjectProblem(u.Subject); problem != "" {
		return hotsync.Errorf(hotsync.CodeBadRequest, "The token's sub %s.", problem)
	}
	u.Email, _ = c["email"].(string)
	u.Audience, ok = audience(c["aud"])
	if !ok && (c["aud"] != nil || c["token_use"] != "access") { // Cognito's access tokens have none
		return malformed("The token's aud is neither text nor a list of texts.")
	}
	var expOK, iatOK bool
	u.ExpiresAt, expOK = numericDate(c["exp"])
	u.IssuedAt, iatOK = numericDate(c["iat"])
	if !expOK || !iatOK {
		return malformed("The token's exp or iat is missing or not a time.")
	}
	if nbf, present := c["nbf"]; present {
		u.notBefore, ok = numericDate(nbf)
		if !ok {
			return malformed("The token's nbf is not a time.")
		}
	}
	return nil
}

// SubjectProblem says why a sub cannot name a person, as the end of a sentence that
// does not repeat it; "" where it can. What it lets through can be stored, queued
// and shown.
func SubjectProblem(sub string) string {
	switch {
	case len(sub) > maxSubject:
		return "is longer than 255 bytes"
	case !utf8.ValidString(sub):
		return "is not UTF-8"
	case strings.ContainsFunc(sub, unicode.IsControl):
		return "holds control characters"
	default:
		return ""
	}
}

// Claimed reads what a token says of its issuer and person without verifying
// anything, for the record of a token that was refused. Nothing may be decided by
// it. What cannot be read is left out.
func Claimed(raw string) Token {
	parts := strings.Split(raw, ".")
	if len(raw) > maxToken || len(parts) != 3 {
		return Token{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return Token{}
	}
	c, _ := object(payload)
	var t Token
	t.Issuer, _ = c["iss"].(string)
	t.Subject, _ = c["sub"].(string)
	t.Email, _ = c["email"].(string)
	return t
}

func audience(v any) ([]string, bool) {
	switch v := v.(type) {
	case string:
		return []string{v}, true
	case []any:
		out := make([]string, 0, len(v))
		for _, a := range v {
			s, ok := a.(string)
			if !ok {
				return nil, false
			}
			out = append(out, s)
		}
		return out, true
	default:
		return nil, false
	}
}

// maxDate is the end of the year 9999, so that adding a leeway cannot overflow.
const maxDate = 253402300799

// numericDate reads seconds since 1970, possibly with a fraction (RFC 7519, 2).
func numericDate(v any) (time.Time, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	if err != nil || f < 0 || f > maxDate {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC(), true
}

// isIDToken tells ID tokens from the other tokens that the same issuer signs
// with the same keys.
func (u *unverified) isIDToken() bool {
	// Cognito: https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html
	use, present := u.Claims["token_use"]
	if present && use != "id" {
		return false
	}
	// at+jwt (RFC 9068), logout+jwt, dpop+jwt, …: explicitly typed, and not as an ID token.
	typ := strings.TrimPrefix(strings.ToLower(u.typ), "application/")
	if strings.HasSuffix(typ, "+jwt") {
		return false
	}
	// Keycloak says it in the claims: typ is ID, Bearer, Refresh, Offline or Logout.
	kind, present := u.Claims["typ"].(string)
	if present && !strings.EqualFold(kind, "ID") && !strings.EqualFold(kind, "JWT") {
		return false
	}
	// OpenID Connect Back-Channel Logout 2.4.
	events, _ := u.Claims["events"].(map[string]any)
	_, logout := events["http://schemas.openid.net/event/backchannel-logout"]
	return !logout
}
