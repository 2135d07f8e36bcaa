package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
)

// checkResult is what one question to the outside came to.
type checkResult struct {
	State string // good, warn or bad
	What  string
	Says  string
	ToDo  string
	Took  time.Duration
}

const (
	checkLimit   = 10 * time.Second // for all questions together
	checkAtOnce  = 8
	checkAccount = "hotsync-check" // no account has this number: asking for it proves the credentials
)

// checkPage checks the settings in force.
func (c *console) checkPage(w http.ResponseWriter, r *http.Request, m member) error {
	s, problem, err := c.settingsInForce(r.Context())
	if err != nil {
		return err
	}
	page := settingsView{Checked: true, Checks: c.checkSettings(r.Context(), s), Problem: problem}
	return c.showSettings(w, r, m, http.StatusOK, page, s, "")
}

// checkSettings asks, at once and for a bounded time, everybody that the
// settings rely on: each issuer for its keys, Zuora for the lookup fields, and
// Zuora and Limio whether they take the credentials.
func (c *console) checkSettings(ctx context.Context, s hotsync.Settings) []checkResult {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()

	var questions []func(context.Context) checkResult
	for _, p := range s.Providers {
		questions = append(questions, func(ctx context.Context) checkResult { return checkIssuer(ctx, p) })
	}
	questions = append(questions, c.checkZuora)
	for _, field := range lookupFields(s) {
		questions = append(
			questions,
			func(ctx context.Context) checkResult { return c.checkField(ctx, field, s.ZuoraPlan) },
		)
	}
	questions = append(questions, c.checkLimio)

	results := make([]checkResult, len(questions))
	var g errgroup.Group
	g.SetLimit(checkAtOnce)
	for i, ask := range questions {
		g.Go(func() error {
			began := c.Now()
			results[i] = ask(ctx)
			results[i].Took = c.Now().Sub(began)
			return nil
		})
	}
	_ = g.Wait() // none fails
	return results
}

// lookupFields are the custom fields that accounts are looked up by.
func lookupFields(s hotsync.Settings) []string {
	var out []string
	for _, p := range s.Providers {
		for _, claim := range p.Claims {
			if f := claim.AccountLookupField; claim.AccountLookup && claim.NamesZuoraAccount() &&
				hotsync.IsLookupField(f) &&
				!slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	return out
}

// failed is the result of a question that got no answer.
func failed(what string, err error) checkResult {
	e := hotsync.AsError(err)
	if e.Code == hotsync.CodeTimeout {
		return checkResult{
			State: "bad",
			What:  what,
			Says:  "It did not answer in time.",
			ToDo:  "Check the address, and whether it can be reached from where hotsync runs.",
		}
	}
	return checkResult{State: "bad", What: what, Says: e.Message, ToDo: e.Code.Hint()}
}

func checkIssuer(ctx context.Context, p hotsync.Provider) checkResult {
	what := "Identity provider " + cmp.Or(p.Name, p.Issuer)
	client, err := guardedClient(cmp.Or(p.Discovery, p.Issuer))
	if err != nil {
		return failed(what, err)
	}
	defer client.CloseIdleConnections()
	got, err := oidc.Inspect(ctx, client, p.Issuer, oidc.RulesOf(p))
	var r checkResult
	switch {
	case errors.Is(err, errGuarded):
		r = checkResult{
			State: "bad",
			What:  what,
			Says:  "The issuer's address leads into a private network, so it was not read.",
			ToDo:  "Give the public address of the identity provider.",
		}
	case err != nil:
		r = failed(what, err)
		r.ToDo = "Compare the issuer with the iss of its tokens, letter by letter, and open its " +
			"/.well-known/openid-configuration in a browser."
	case got.Issuer != p.Issuer:
		r = checkResult{
			State: "bad",
			What:  what,
			Says:  fmt.Sprintf("Its discovery document names another issuer: %q.", got.Issuer),
			ToDo:  "Put the issuer exactly as it names itself into the settings, if that is also the iss of its tokens.",
		}
	default:
		r = checkResult{
			State: "good",
			What:  what,
			Says: fmt.Sprintf(
				"It names itself as in the settings and publishes %s for %s.",
				plural(got.Keys, "key", "keys"),
				strings.Join(got.Algorithms, ", "),
			),
		}
	}
	if r.State == "bad" && len(p.Audiences) == 0 {
		// Only Cognito triggers come from it, which carry no token to verify.
		r.State, r.ToDo = "warn",
			"Logins by Cognito triggers do not need it; POST /login does, and client ids as audiences. "+r.ToDo
	}
	return r
}

func (c *console) checkZuora(ctx context.Context) checkResult {
	const what = "Zuora"
	_, err := c.Zuora.Resolve(ctx, checkAccount)
	if err != nil && hotsync.AsError(err).Code != hotsync.CodeZuoraNotFound {
		return failed(what, err)
	}
	return checkResult{State: "good", What: what, Says: "It answers and takes the credentials."}
}

func (c *console) checkField(ctx context.Context, field string, plan hotsync.ZuoraPlan) checkResult {
	what := "Lookup field " + field
	exists, indexed, err := c.Zuora.LookupFieldStatus(ctx, field)
	switch {
	case err != nil:
		return failed(what, err)
	case !exists:
		return checkResult{
			State: "bad",
			What:  what,
			Says:  "Zuora's Account object has no such custom field.",
			ToDo: "Create it in Zuora (Settings, Custom Fields, Account), or correct its API name here. Upper and lower case " +
				"matter.",
		}
	case !indexed:
		return checkResult{
			State: "bad",
			What:  what,
			Says:  "The field exists, but is not indexed, so Object Query cannot search by it.",
			ToDo:  "Let Zuora index (filter) the field, or choose plan V.",
		}
	default:
		return checkResult{State: "good", What: what, Says: "It exists and is indexed."}
	}
}

func (c *console) checkLimio(ctx context.Context) checkResult {
	const what = "Limio"
	err := c.Limio.Check(ctx)
	if err != nil {
		return failed(what, err)
	}
	return checkResult{State: "good", What: what, Says: "It answers and takes the credentials."}
}

var errGuarded = errors.New("an address that issuers cannot have")

// guardedClient reads an issuer, whose address somebody typed in, without being
// led to what only this function can reach: its own host, the credentials of a
// container or machine (169.254.x.x) and private networks. It looks at the
// address that is connected to, after the name was resolved. An issuer on this
// computer, as the local system has them, may be read when it is named so.
func guardedClient(issuer string) (*http.Client, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, hotsync.Errorf(hotsync.CodeSettingsInvalid, "The issuer is not an address.")
	}
	allowed := guard(u.Hostname())
	dialer := &net.Dialer{
		Timeout: 3 * time.Second,
		Control: func(_, address string, _ syscall.RawConn) error { return allowed(address) },
	}
	return &http.Client{
		Transport: &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: 3 * time.Second,
			ResponseHeaderTimeout: 3 * time.Second, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true},
	}, nil
}

// guard refuses the addresses that an issuer with that host cannot have.
func guard(host string) func(address string) error {
	local := hotsync.IsLoopback(host)
	return func(address string) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		ip := at.Addr().Unmap()
		if local && ip.IsLoopback() || !local && public(ip) {
			return nil
		}
		return errGuarded
	}
}

var sharedSpace = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598, used inside networks

func public(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !sharedSpace.Contains(ip)
}
