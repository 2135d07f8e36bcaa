package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hotsync/shared/hotsync"
)

const (
	// patience is what one answer of a provider is waited for: by a login, which may
	// have a deadline before that, and by the check of the settings alike.
	patience    = 3 * time.Second
	maxDocument = 1 << 20 // Entra's sets of keys have their certificates in them

	wellKnown = "/.well-known/openid-configuration"
)

// Document is the part of a discovery document that anybody here needs:
// https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata
type Document struct {
	Issuer        string `json:"issuer"`
	JWKSURI       string `json:"jwks_uri"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	EndSession    string `json:"end_session_endpoint"`
}

// Discover reads the discovery document of an issuer. Its addresses are https, or
// on this computer where the issuer is; those that are not are left out. Every
// error has the code jwks_unavailable.
func Discover(ctx context.Context, client *http.Client, issuer string) (_ Document, err error) {
	defer hotsync.In(&err, "oidc.Discover")

	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s := source{name: issuer, names: []string{issuer}, http: &own}
	doc, err := s.discover(ctx)
	if err != nil {
		return Document{}, err
	}
	loopback, err := checkAddress(issuer, true)
	if err != nil {
		return Document{}, unavailable("The issuer must be an https address.", err)
	}
	for _, address := range []*string{&doc.Authorization, &doc.Token, &doc.EndSession} {
		_, err := checkAddress(*address, loopback)
		if err != nil {
			*address = ""
		}
	}
	return doc, nil
}

// source is where an issuer publishes what it says about itself.
type source struct {
	name      string   // the iss of its tokens
	names     []string // that its document may have as issuer
	discovery string   // address of the document, where not below name
	http      *http.Client
}

// address is where the discovery document is.
func (s source) address() string {
	if s.discovery != "" {
		return s.discovery
	}
	return strings.TrimSuffix(s.name, "/") + wellKnown
}

// document reads the discovery document, whatever it says.
func (s source) document(ctx context.Context) (doc Document, err error) {
	_, err = checkAddress(s.address(), true)
	if err != nil {
		return doc, unavailable("The issuer must be an https address.", err)
	}
	body, err := s.get(ctx, s.address())
	if err != nil {
		return doc, unavailable("The issuer's discovery document could not be read.", err)
	}
	if json.Unmarshal(withoutBOM(body), &doc) != nil { // whose text would quote the document
		return Document{}, unavailable("The issuer's discovery document is not JSON.", nil)
	}
	return doc, nil
}

// discover reads the discovery document and holds it to being this issuer's.
func (s source) discover(ctx context.Context) (Document, error) {
	doc, err := s.document(ctx)
	if err != nil {
		return Document{}, err
	}
	if !slices.Contains(s.names, doc.Issuer) {
		return Document{}, unavailable("The discovery document is of another issuer.", nil)
	}
	err = doc.check(s.address())
	if err != nil {
		return Document{}, unavailable("The discovery document's jwks_uri is not an https address.", err)
	}
	return doc, nil
}

// check reports whether the keys are at an address that may be read.
func (d Document) check(at string) error {
	loopback, err := checkAddress(at, true)
	if err != nil {
		return err
	}
	_, err = checkAddress(d.JWKSURI, loopback)
	return err
}

// readKeys reads the issuer's keys.
func (s source) readKeys(ctx context.Context, uri string) ([]key, error) {
	body, err := s.get(ctx, uri)
	if err != nil {
		return nil, unavailable("The issuer's keys (JWKS) could not be read.", err)
	}
	keys, err := parseKeys(body)
	if err != nil {
		return nil, unavailable("The issuer's JWKS holds no key that can verify ID tokens.", err)
	}
	return keys, nil
}

func unavailable(sentence string, cause error) error {
	return hotsync.Errorf(hotsync.CodeJWKSUnavailable, "%s", sentence).Because(cause)
}

// withoutBOM takes off the mark that some servers begin a text with, which JSON
// does not allow (RFC 8259, 8.1) and a reader may pass over.
func withoutBOM(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) }

// checkAddress requires https, or plain http on this computer if allowed.
func checkAddress(address string, allowLoopback bool) (loopback bool, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil {
		return false, errors.New("not a plain address")
	}
	loopback = hotsync.IsLoopback(u.Hostname())
	switch {
	case u.Scheme == "https":
		return loopback, nil
	case u.Scheme == "http" && loopback && allowLoopback:
		return true, nil
	default:
		return false, errors.New("not an https address")
	}
}

// get reads a document, which has its own time: what a slow one takes is not
// taken from the next.
func (s source) get(ctx context.Context, address string) (_ []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d", address, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxDocument {
		return nil, fmt.Errorf("%s answered more than %d bytes", address, maxDocument)
	}
	return body, nil
}
