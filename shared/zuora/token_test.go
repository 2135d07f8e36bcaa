package zuora_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/zuora"
)

func account(*http.Request) (*http.Response, error) {
	return reply(http.StatusOK, accountBody(accountID, number)), nil
}

func TestTokenLifetime(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name, expiresIn string
		kept            time.Duration // until just before
	}{
		{name: "integer", expiresIn: `3599`, kept: 3539 * time.Second},
		{name: "float", expiresIn: `3599.0`, kept: 3539 * time.Second},
		{name: "text", expiresIn: `"3599"`, kept: 3539 * time.Second},
		{name: "short", expiresIn: `20`, kept: 10 * time.Second},
		{name: "for ever", expiresIn: `1e30`, kept: 24*time.Hour - time.Minute},
		{name: "none", expiresIn: `null`, kept: 4 * time.Minute},
		{name: "in the past", expiresIn: `-5`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				f := &fake{answer: account, token: func(*http.Request) (*http.Response, error) {
					return reply(200, `{"access_token":"abc","expires_in":`+tc.expiresIn+`}`), nil
				}}
				c := newClient(t, f)
				resolve := func() {
					t.Helper()
					_, err := c.Resolve(t.Context(), number)
					if err != nil {
						t.Fatal(err)
					}
				}
				resolve()
				want := 1
				if tc.kept > 0 {
					time.Sleep(tc.kept - time.Millisecond)
					resolve()
					if got := f.count("/oauth/token"); got != want {
						t.Errorf("just before %s: %d token requests, want %d", tc.kept, got, want)
					}
					time.Sleep(time.Millisecond)
				}
				resolve()
				want++
				if got := f.count("/oauth/token"); got != want {
					t.Errorf("after %s: %d token requests, want %d", tc.kept, got, want)
				}
			})
		})
	}
}

func TestTokenSingleFlight(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var issued atomic.Int64
		f := &fake{
			token: func(*http.Request) (*http.Response, error) {
				time.Sleep(time.Second)
				return reply(200, fmt.Sprintf(`{"access_token":"token-%d","expires_in":3599}`, issued.Add(1))), nil
			},
			// The first token is refused from the start: everybody needs the second.
			answer: func(r *http.Request) (*http.Response, error) {
				time.Sleep(time.Second)
				if r.Header.Get("Authorization") == "Bearer token-1" {
					return reply(401, `{"message":"Authentication error"}`), nil
				}
				return account(r)
			},
		}
		c := newClient(t, f, func(cfg *zuora.Config) { cfg.Limits.Default = 100 })
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := c.Resolve(t.Context(), number)
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := issued.Load(); got != 2 {
			t.Errorf("%d tokens were asked for, want 2", got)
		}
	})
}

func TestTokenOutlivesItsFirstCaller(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: account, token: func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(time.Second):
				return reply(200, tokenBody), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}}
		c := newClient(t, f)
		impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.Resolve(impatient, number)
			wantCode(t, "Resolve of the impatient", err, hotsync.CodeTimeout)
		})
		synctest.Wait()
		wg.Go(func() {
			_, err := c.Resolve(t.Context(), number)
			wantCode(t, "Resolve of the patient", err, "")
		})
		wg.Wait()
		if got := f.count("/oauth/token"); got != 1 {
			t.Errorf("%d token requests, want 1", got)
		}
	})
}

func TestRotatedSecret(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name          string
		grant, accept string // the secret the token endpoint grants for, the token that calls are taken with
		want          hotsync.Code
		refreshes     []bool
		seen          []string
	}{
		{name: "nothing changed", grant: "old", accept: "token-of-old", refreshes: []bool{false},
			seen: []string{"POST /oauth/token", "GET /v1/accounts/A00000101"}},
		{name: "secret rotated before the first token", grant: "new", accept: "token-of-new", refreshes: []bool{false, true},
			seen: []string{"POST /oauth/token", "POST /oauth/token", "GET /v1/accounts/A00000101"}},
		{name: "token revoked with the secret", grant: "old new", accept: "token-of-new", refreshes: []bool{false, true},
			seen: []string{"POST /oauth/token", "GET /v1/accounts/A00000101", "POST /oauth/token",
				"GET /v1/accounts/A00000101"}},
		{name: "refused for good", grant: "neither", want: hotsync.CodeZuoraUnauthorized, refreshes: []bool{false, true},
			seen: []string{"POST /oauth/token", "POST /oauth/token"}},
		{name: "tokens refused for good", grant: "old new", accept: "another", want: hotsync.CodeZuoraUnauthorized,
			refreshes: []bool{false, true},
			seen: []string{"POST /oauth/token", "GET /v1/accounts/A00000101", "POST /oauth/token",
				"GET /v1/accounts/A00000101"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			f := &fake{
				token: func(r *http.Request) (*http.Response, error) {
					err := r.ParseForm()
					if err != nil {
						return nil, err
					}
					secret := r.PostForm.Get("client_secret")
					if !strings.Contains(tc.grant, secret) {
						return reply(401, `{"error":"invalid_client","secret":"`+secret+`"}`), nil
					}
					return reply(200, `{"access_token":"token-of-`+secret+`","expires_in":3599}`), nil
				},
				answer: func(r *http.Request) (*http.Response, error) {
					if r.Header.Get("Authorization") != "Bearer "+tc.accept {
						return reply(401, `{"success":false,"reasons":[{"code":"90000011","message":"m"}]}`), nil
					}
					return account(r)
				},
			}
			var refreshes []bool
			c := newClient(t, f, func(cfg *zuora.Config) {
				cfg.Credentials = func(_ context.Context, refresh bool) (string, string, error) {
					refreshes = append(refreshes, refresh)
					if refresh {
						return "id", "new", nil
					}
					return "id", "old", nil
				}
			})
			_, err := c.Resolve(t.Context(), number)
			wantCode(t, "Resolve", err, tc.want)
			if diff := cmp.Diff(tc.refreshes, refreshes); diff != "" {
				t.Errorf("credentials asked for (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.seen, f.seen()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTokenErrors(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name   string
		status int
		body   string
		header []string
		want   hotsync.Code
		after  time.Duration
	}{
		{name: "wrong credentials", status: 400, want: hotsync.CodeZuoraUnauthorized},
		{name: "forbidden", status: 403, want: hotsync.CodeZuoraUnauthorized},
		{name: "quota", status: 429, want: hotsync.CodeZuoraRateLimited, after: time.Minute},
		{name: "quota with Retry-After", status: 429, header: []string{"Retry-After", "9"},
			want: hotsync.CodeZuoraRateLimited, after: 9 * time.Second},
		{name: "down", status: 503, want: hotsync.CodeZuoraUnavailable},
		{name: "wrong host", status: 404, want: hotsync.CodeZuoraRefused},
		{name: "redirect", status: 302, header: []string{"Location", "https://example.com/oauth/token"},
			want: hotsync.CodeZuoraHost},
		{name: "no token", status: 200, body: `{"expires_in":3599}`, want: hotsync.CodeZuoraAnswer},
		{name: "not JSON", status: 200, body: `access_token=canary`, want: hotsync.CodeZuoraAnswer},
		{name: "header injection", status: 200, body: `{"access_token":"a\r\nX-Evil: canary","expires_in":3599}`,
			want: hotsync.CodeZuoraAnswer},
		{name: "endless", status: 200, body: `{"access_token":"` + strings.Repeat("a", 100_000) + `","expires_in":3599}`,
			want: hotsync.CodeZuoraAnswer},
		{name: "wrong type", status: 200, body: `{"access_token":"a","expires_in":"canary"}`, want: hotsync.CodeZuoraAnswer},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			var log bytes.Buffer
			f := &fake{token: func(*http.Request) (*http.Response, error) {
				body := tc.body
				if body == "" {
					body = `{"error":"canary s3cr3t-of-the-client"}`
				}
				return reply(tc.status, body, tc.header...), nil
			}}
			c := newClient(t, f, func(cfg *zuora.Config) {
				cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			})
			_, err := c.Resolve(t.Context(), number)
			wantCode(t, "Resolve", err, tc.want)
			if got := hotsync.AsError(err).RetryAfter; got != tc.after {
				t.Errorf("RetryAfter = %s, want %s", got, tc.after)
			}
			for _, secret := range []string{"canary", "s3cr3t"} {
				if strings.Contains(log.String()+fmt.Sprintf("%v %+v", err, hotsync.AsError(err)), secret) {
					t.Errorf("%q is in the log or the error:\n%s\n%v", secret, &log, err)
				}
			}
		})
	}
}

func TestNoCredentials(t *testing.T) {
	t.Parallel()

	missing := hotsync.Errorf(hotsync.CodeSecretMissing, "The secret could not be read.")
	c := newClient(t, &fake{}, func(cfg *zuora.Config) {
		cfg.Credentials = func(context.Context, bool) (string, string, error) { return "", "", missing }
	})
	_, err := c.Resolve(t.Context(), number)
	if !errors.Is(err, missing) {
		t.Errorf("Resolve error = %v, want %v", err, missing)
	}
}
