package console

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"hotsync/shared/claims"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/oidc"
	"hotsync/shared/syncer"
	"hotsync/shared/zuora"
)

// tryView is the page that says what a login would do. What is pasted there is
// neither stored nor logged, and a token is not even sent back.
type tryView struct {
	Input     string // pasted claims, to be changed and tried again
	As        string // issuer that claims without iss count as
	DryRun    bool
	Providers []hotsync.Provider
	Problem   *hotsync.Problem // why the input says nothing
	Result    *tried
}

// tried is what a login would do.
type tried struct {
	Kind     string // what was pasted: inputToken, inputClaims or inputTrigger
	Verified bool   // a token that is good
	Refused  *hotsync.Problem
	HotSync  bool
	Issuer   string
	Subject  string // masked
	Provider string // name; "" when none is configured for the issuer
	Targets  []target
	Ignored  []claims.Ignored
	Others   []string // names of claims that the provider's settings do not name
	DryRun   bool
}

// target is an account, or a lookup, that the login asks to sync.
type target struct {
	Claim    string
	Account  string
	Field    string // of a lookup
	Value    string // of a lookup, masked
	State    string // good, warn or bad
	Says     string
	ToDo     string
	Matches  []hotsync.AccountRef // of a lookup that found several
	Ref      hotsync.AccountRef   // the account that would be synced
	Known    *eventstore.AccountState
	Linked   bool           // the login is linked to the account's owner
	Waiting  *hotsync.Event // a sync of the account that has not ended
	Would    *syncer.DryRun
	Groups   []changeGroup
	NoDryRun *hotsync.Problem
}

// What can be pasted.
const (
	inputToken   = "ID token"
	inputClaims  = "claims"
	inputTrigger = "Cognito event"
)

const (
	maxPaste  = 64 << 10
	tryLimit  = 22 * time.Second // the function has 29
	tryAtOnce = 4
	maxOthers = 60
)

func (c *console) routeTryout(mux *http.ServeMux) {
	mux.HandleFunc("GET /tryout", c.page(Operator, func(w http.ResponseWriter, r *http.Request, m member) error {
		return c.showTryout(w, r, m, http.StatusOK, tryView{})
	}))
	mux.HandleFunc("POST /tryout", c.page(Operator, c.tryout))
}

func (c *console) showTryout(w http.ResponseWriter, r *http.Request, m member, status int, page tryView) error {
	s, err := c.Settings.Load(r.Context())
	if err != nil && page.Problem == nil {
		page.Problem = hotsync.AsError(err).Problem()
	}
	page.Providers = s.Providers
	return c.renderAs(w, r, m, status, "tryout", "layout", view{Title: "Try a login", Nav: "tryout", Body: page})
}

// tryout answers what would happen if this login came now. It queues nothing and
// writes nothing.
func (c *console) tryout(w http.ResponseWriter, r *http.Request, m member) error {
	err := parseForm(w, r, 2*maxPaste)
	if err != nil {
		return err
	}
	page := tryView{As: r.PostForm.Get("as"), DryRun: r.PostForm.Get("dryrun") == "on"}
	p, err := readPasted(r.PostForm.Get("login"), page.As)
	if p.kind != inputToken {
		page.Input = p.text
	}
	if err != nil {
		page.Problem = hotsync.AsError(err).Problem()
		return c.showTryout(w, r, m, http.StatusBadRequest, page)
	}
	ctx, cancel := context.WithTimeout(r.Context(), tryLimit)
	defer cancel()
	s, err := c.Settings.Load(ctx)
	if err != nil {
		return err
	}
	if p.kind == inputTrigger {
		provider, _ := s.PoolProvider(p.region, p.pool)
		p.issuer = provider.Issuer
	}
	found := c.try(ctx, p, s, page.DryRun)
	page.Result = &found
	result := plural(len(found.Targets), "target", "targets")
	if found.DryRun {
		result += ", with dry run"
	}
	c.record(r.Context(), m, act{Action: "try_login", Result: result})
	return c.showTryout(w, r, m, http.StatusOK, page)
}

// pasted is a login as somebody pasted it.
type pasted struct {
	kind   string
	text   string
	raw    string // of a token
	issuer string
	region string // of the user pool of a trigger, …
	pool   string // … whose provider says the issuer
	claims map[string]any
}

// readPasted reads an ID token, the claims of one, or the event of a Cognito
// trigger. Nothing of it comes into an error.
func readPasted(text, as string) (pasted, error) {
	p := pasted{kind: inputClaims, text: strings.TrimSpace(text)}
	switch {
	case p.text == "":
		return p, hotsync.Errorf(
			hotsync.CodeBadRequest,
			"Paste an ID token, its claims as JSON, or the event of a Cognito trigger.",
		)
	case len(p.text) > maxPaste:
		p.text = ""
		return p, hotsync.Errorf(hotsync.CodeBadRequest, "What was pasted is longer than %d KB.", maxPaste>>10)
	case !strings.HasPrefix(p.text, "{"):
		return readToken(p)
	}
	object, ok := jsonObject(p.text)
	if !ok {
		return p, hotsync.Errorf(hotsync.CodeBadRequest, "The claims are not one JSON object.")
	}
	p.claims = object
	request, _ := object["request"].(map[string]any)
	if attributes, ok := request["userAttributes"].(map[string]any); ok {
		region, _ := object["region"].(string)
		pool, _ := object["userPoolId"].(string)
		if name, ok := object["userName"].(string); ok && attributes["cognito:username"] == nil {
			attributes["cognito:username"] = name // as the front door reads it
		}
		p.kind, p.claims, p.region, p.pool = inputTrigger, attributes, region, pool
		return p, nil
	}
	p.issuer, _ = object["iss"].(string)
	p.issuer = cmp.Or(as, p.issuer)
	if p.issuer == "" {
		return p, hotsync.Errorf(
			hotsync.CodeBadRequest,
			"The claims have no iss. Add it, or choose the provider that they count as.",
		)
	}
	return p, nil
}

// readToken reads what a token says, whoever signed it.
func readToken(p pasted) (pasted, error) {
	p.kind = inputToken
	scheme, rest, ok := strings.Cut(p.text, " ")
	if ok && strings.EqualFold(scheme, "Bearer") {
		p.text = strings.TrimSpace(rest)
	}
	p.raw, p.text = p.text, ""
	parts := strings.Split(p.raw, ".")
	if len(parts) != 3 {
		return p, hotsync.Errorf(
			hotsync.CodeTokenMalformed,
			"That is neither a JSON object nor a token of three parts.",
		)
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return p, hotsync.Errorf(hotsync.CodeTokenMalformed, "The token's content is not base64url.")
	}
	object, ok := jsonObject(string(body))
	if !ok {
		return p, hotsync.Errorf(hotsync.CodeTokenMalformed, "The token's content is not a JSON object.")
	}
	p.claims = object
	p.issuer, _ = object["iss"].(string)
	return p, nil
}

// jsonObject decodes one JSON object and nothing after it, with its numbers as
// they are written.
func jsonObject(text string) (map[string]any, bool) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var out map[string]any
	if dec.Decode(&out) != nil || out == nil {
		return nil, false
	}
	_, err := dec.Token()
	return out, err == io.EOF
}

func (c *console) try(ctx context.Context, p pasted, s hotsync.Settings, dryRun bool) tried {
	out := tried{Kind: p.kind, HotSync: s.HotSync, Issuer: p.issuer, DryRun: dryRun}
	login := hotsync.Login{
		Trigger:  hotsync.TriggerLogin,
		Identity: hotsync.Identity{Issuer: p.issuer},
		Claims:   p.claims,
		At:       c.Now(),
	}
	login.Identity.Subject, _ = p.claims["sub"].(string)
	if p.kind == inputToken {
		// Its result is not used: what a refused token says is worth seeing too.
		_, err := c.Tokens.Verify(ctx, p.raw, oidc.Accepting(s))
		out.Verified = err == nil
		if err != nil {
			out.Refused = hotsync.AsError(err).Problem()
		}
	}
	out.Subject = mask(login.Identity.Subject)
	found := claims.Read(login, s)
	out.Provider, out.Ignored = found.Provider, found.Ignored
	provider, _ := s.Provider(p.issuer)
	out.Others = otherClaims(p.claims, provider)

	out.Targets = make([]target, len(found.Wanted))
	var g errgroup.Group
	g.SetLimit(tryAtOnce)
	var named []string
	for _, wanted := range found.Wanted {
		if wanted.Account != "" {
			named = append(named, wanted.Account)
		}
	}
	for i, wanted := range found.Wanted {
		g.Go(func() error {
			out.Targets[i] = c.tryTarget(ctx, wanted, named, login.Identity, found.Provider, s, dryRun)
			return nil
		})
	}
	_ = g.Wait() // none fails
	return out
}

// otherClaims are the names of what the login has and the settings do not name.
// They lead to a claim that was misspelt.
func otherClaims(have map[string]any, p hotsync.Provider) []string {
	const custom = "custom:" // as claims reads Cognito's own attributes
	var out []string
	for name := range have {
		if !slices.ContainsFunc(p.Claims, func(c hotsync.IdentityClaim) bool {
			return strings.TrimPrefix(c.Claim, custom) == strings.TrimPrefix(name, custom)
		}) {
			out = append(out, clip(name, 100))
		}
	}
	slices.Sort(out)
	return out[:min(len(out), maxOthers)]
}

// tryTarget finds out what would become of one account or lookup.
func (c *console) tryTarget(ctx context.Context, w claims.Wanted, named []string, who hotsync.Identity, provider string,
	s hotsync.Settings, dryRun bool) target {
	t := target{Claim: w.Claim, Account: w.Account, State: "good"}
	if w.Lookup != nil {
		t.Field, t.Value = w.Lookup.Field, mask(w.Lookup.Value)
		c.tryLookup(ctx, &t, *w.Lookup, s)
	} else {
		c.tryAccount(ctx, &t)
	}
	if t.Ref.ID == "" {
		return t
	}
	c.tryState(ctx, &t, who)
	if !dryRun {
		return t
	}
	would, err := c.DryRunner.DryRun(
		ctx,
		hotsync.SyncRequest{
			Trigger:     hotsync.TriggerLogin,
			Provider:    provider,
			Identity:    who,
			Claim:       w.Claim,
			Named:       named,
			Account:     t.Ref.ID,
			AccountID:   t.Ref.ID,
			Lookup:      w.Lookup,
			RequestedAt: c.Now(),
		},
	)
	if err != nil {
		t.State, t.NoDryRun = "bad", hotsync.AsError(err).Problem()
		return t
	}
	t.Would, t.Groups, t.Ref = &would, groupChanges(would.Changes), would.Account
	if would.Link.State == syncer.LinkWillNot {
		t.State = "warn" // it is synced, and the person does not see it
	}
	return t
}

func (t *target) fail(err error) {
	e := hotsync.AsError(err)
	t.State, t.Says, t.ToDo = "bad", e.Message, e.Code.Hint()
}

func (c *console) tryAccount(ctx context.Context, t *target) {
	if hotsync.IsAccountID(t.Account) {
		t.Ref.ID, t.Says = t.Account, "Names the account by its id; it would be queued under it."
		return
	}
	ref, err := c.Zuora.Resolve(ctx, t.Account)
	if err != nil {
		t.fail(err)
		return
	}
	t.Ref, t.Says = ref, "Names the account by its number, which Zuora knows; it would be queued under its id."
}

func (c *console) tryLookup(ctx context.Context, t *target, l hotsync.Lookup, s hotsync.Settings) {
	found, err := c.Zuora.Find(ctx, l.Field, l.Value, s.ZuoraPlan)
	switch {
	case err != nil:
		t.fail(err)
	case len(found) == 0 && s.RecordUnmatched:
		t.State, t.Says, t.ToDo = "warn", "No Zuora account has this value. The login goes on, and an event says so.",
			hotsync.CodeLookupNoMatch.Hint()
	case len(found) == 0:
		t.State, t.Says, t.ToDo = "warn", "No Zuora account has this value. The login goes on, and nothing is recorded.",
			hotsync.CodeLookupNoMatch.Hint()
	case len(found) > 1:
		t.State, t.Says, t.ToDo = "bad", zuora.Count(
			found,
		)+" Zuora accounts have this value, so none would be synced; an event says so.", hotsync.CodeLookupAmbiguous.Hint()
		t.Matches = found
	default:
		t.Ref, t.Says = found[0], "Exactly one Zuora account has this value; it would be queued under it."
	}
}

// tryState says what is known of the account already. The page does without.
func (c *console) tryState(ctx context.Context, t *target, who hotsync.Identity) {
	state, err := c.Events.LoadAccount(ctx, t.Ref.ID)
	if err != nil {
		c.Log.WarnContext(ctx, "account state not read", "account", t.Ref.ID, "error", err)
		return
	}
	t.Known, t.Linked = &state, state.Linked(who)
	t.Ref.Number = cmp.Or(t.Ref.Number, state.Number)
	page, err := c.search(
		ctx,
		filter{
			Account:  t.Ref.ID,
			Statuses: []hotsync.Status{hotsync.StatusQueued, hotsync.StatusRunning, hotsync.StatusRetrying},
		},
		1,
		"",
		false,
	)
	if err != nil {
		c.Log.WarnContext(ctx, "waiting syncs not read", "account", t.Ref.ID, "error", err)
		return
	}
	if len(page.Events) > 0 {
		t.Waiting = &page.Events[0]
	}
}
