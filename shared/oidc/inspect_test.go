package oidc_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// rsaAndEC are a key of each kind from RFC 7517, appendix A.1, and one for
// encryption, which cannot verify anything.
const rsaAndEC = `{"keys":[
{"kty":"EC","crv":"P-256","kid":"1","use":"sig","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"},
{"kty":"RSA","kid":"2","alg":"RS256","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"},
{"kty":"EC","crv":"P-256","kid":"3","use":"enc","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`

// rsaTwiceAndEC has the RSA key of rsaAndEC twice, before its other one.
func rsaTwiceAndEC() string {
	lines := strings.SplitAfter(rsaAndEC, "\n")
	return lines[0] + lines[2] + lines[2] + lines[1] + lines[3]
}

func TestInspect(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name, discovery, jwks string // BASE stands for the issuer's address
		want                  oidc.Published
		wantErr               string
	}{
		{name: "good", discovery: `{"issuer":"BASE","jwks_uri":"BASE/jwks"}`, jwks: rsaAndEC,
			want: oidc.Published{Issuer: "BASE", Keys: 2, Algorithms: []string{"ES256", "RS256"}}},
		{name: "sorted, and each once", discovery: `{"issuer":"BASE","jwks_uri":"BASE/jwks"}`,
			jwks: rsaTwiceAndEC(), want: oidc.Published{Issuer: "BASE", Keys: 3, Algorithms: []string{"ES256", "RS256"}}},
		{name: "of another issuer", discovery: `{"issuer":"https://other","jwks_uri":"BASE/jwks"}`, jwks: rsaAndEC,
			want: oidc.Published{Issuer: "https://other", Keys: 2, Algorithms: []string{"ES256", "RS256"}}},
		{name: "not JSON", discovery: `<html>secret</html>`, wantErr: "is not JSON"},
		{name: "no jwks_uri", discovery: `{"issuer":"BASE"}`, want: oidc.Published{Issuer: "BASE"},
			wantErr: "jwks_uri is not an https address"},
		{name: "jwks elsewhere in the clear", discovery: `{"issuer":"BASE","jwks_uri":"http://example.com/jwks"}`,
			want: oidc.Published{Issuer: "BASE"}, wantErr: "jwks_uri is not an https address"},
		{name: "jwks moved", discovery: `{"issuer":"BASE","jwks_uri":"BASE/moved"}`, want: oidc.Published{Issuer: "BASE"},
			wantErr: "keys (JWKS) could not be read"},
		{name: "no usable key", discovery: `{"issuer":"BASE","jwks_uri":"BASE/jwks"}`, jwks: `{"keys":[]}`,
			want: oidc.Published{Issuer: "BASE"}, wantErr: "holds no key"},
		{name: "endless", discovery: strings.Repeat(" ", 1<<20+1), wantErr: "discovery document could not be read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			mux := http.NewServeMux()
			server := httptest.NewServer(mux)
			t.Cleanup(server.Close)
			serve := func(path, text string) {
				mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
					_, _ = io.WriteString(w, strings.ReplaceAll(text, "BASE", server.URL)) // the client may have had enough
				})
			}
			serve("/.well-known/openid-configuration", tc.discovery)
			serve("/jwks", tc.jwks)
			mux.Handle("GET /moved", http.RedirectHandler("/jwks", http.StatusFound))
			tc.want.Issuer = strings.ReplaceAll(tc.want.Issuer, "BASE", server.URL)

			got, err := oidc.Inspect(t.Context(), http.DefaultClient, server.URL, oidc.Rules{})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Inspect mismatch (-want +got):\n%s", diff)
			}
			var e *hotsync.Error
			switch {
			case tc.wantErr == "" && err != nil:
				t.Errorf("Inspect error = %v", err)
			case tc.wantErr != "" &&
				(!errors.As(err, &e) || e.Code != hotsync.CodeJWKSUnavailable || !strings.Contains(e.Message, tc.wantErr)):
				t.Errorf("Inspect error = %v, want %q", err, tc.wantErr)
			case strings.Contains(fmt.Sprint(err), "secret"):
				t.Errorf("the error quotes the document: %v", err)
			}
		})
	}
	_, err := oidc.Inspect(t.Context(), http.DefaultClient, "http://login.example.com", oidc.Rules{})
	if hotsync.AsError(err).Code != hotsync.CodeJWKSUnavailable {
		t.Errorf("an issuer in the clear: %v", err)
	}
}
