package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
	"hotsync/shared/lambdafn"
	"hotsync/shared/lambdafn/wiring"
	"hotsync/shared/limio"
	"hotsync/shared/projection"
	"hotsync/shared/zuora"
)

// check reads a Zuora and a Limio tenant and says which of the assumptions of
// docs/limits.md hold there. It cannot write, see readOnly.
func check(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("check", stderr)
	limioURL := f.String("limio", "", "address of the Limio tenant, such as https://acme.prod.limio.com")
	zuoraURL := f.String("zuora", "", "REST host of the Zuora data centre, or its name, such as eu-sandbox")
	account := f.String(
		"account",
		"",
		"id or number of a Zuora account, best one that Limio has: without it the readings of accounts are left out",
	)
	field := f.String("field", "", "custom field of Option B, such as LimioExternalId__c")
	err := parse(f, args, 0)
	if err != nil {
		return err
	}
	if *limioURL == "" && *zuoraURL == "" {
		fmt.Fprintln(
			stderr,
			"hotsync check: give --limio, --zuora or both; credentials come from the environment variables LIMIO and ZUORA,",
		)
		fmt.Fprintln(
			stderr,
			`each {"clientId": "…", "clientSecret": "…"}, or from LIMIO_SECRET_ID and ZUORA_SECRET_ID in AWS Secrets Manager.`,
		)
		return errUsage
	}
	r := &report{out: stdout}
	ref := hotsync.AccountRef{ID: *account}
	if *zuoraURL != "" {
		z, err := zuoraReader(ctx, *zuoraURL)
		if err != nil {
			return err
		}
		ref = r.zuora(ctx, z, *account, *field)
	}
	if *limioURL != "" {
		l, err := limioReader(ctx, *limioURL)
		if err != nil {
			return err
		}
		r.limio(ctx, l, ref)
	}
	return r.end()
}

// readOnly lets only requests through that change nothing: GET, the two token
// endpoints, and Zuora's query and billing preview, which are POSTs.
type readOnly struct{ next http.RoundTripper }

func (t readOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	reads := r.Method == http.MethodGet
	for _, path := range []string{"/oauth/token", "/oauth2/token", "/v1/action/query", "/v1/operations/billing-preview"} {
		reads = reads || r.Method == http.MethodPost && r.URL.Path == path
	}
	if !reads {
		return nil, fmt.Errorf("hotsync check does not make %s requests to %s", r.Method, r.URL.Path)
	}
	return t.next.RoundTrip(r)
}

func credentials(ctx context.Context, name string) (*lambdafn.Secret, error) {
	var failed error
	s, err := lambdafn.NewSecret(name, os.Getenv, func() lambdafn.SecretManager {
		cfg, err := wiring.AWS(ctx, 3, 5*time.Second)
		failed = err
		return lambdafn.SecretsManager(cfg)
	})
	if err != nil {
		return nil, err
	}
	_, err = s.Text(ctx, false) // now, so that what is wrong with it is not taken for an answer of the tenant
	if failed != nil {
		return nil, failed
	}
	return s, err
}

func zuoraReader(ctx context.Context, base string) (*zuora.Client, error) {
	s, err := credentials(ctx, "ZUORA")
	if err != nil {
		return nil, err
	}
	return zuora.New(
		zuora.Config{BaseURL: base, Credentials: s.Client, Transport: readOnly{http.DefaultTransport}, Now: time.Now},
	)
}

func limioReader(ctx context.Context, base string) (*limio.Client, error) {
	s, err := credentials(ctx, "LIMIO")
	if err != nil {
		return nil, err
	}
	return limio.New(
		limio.Config{BaseURL: base, Credentials: s.Client, HTTP: readOnly{http.DefaultTransport}, Now: time.Now},
	)
}

// report writes a line for each assumption.
type report struct {
	out           io.Writer
	held, refuted int
	unknown       int
}

func (r *report) line(verdict, side, what, detail string) {
	if detail != "" {
		detail = ": " + detail
	}
	fmt.Fprintf(r.out, "%-8s %-6s %s%s\n", verdict, side, what, detail)
}

func (r *report) holds(side, what, detail string) {
	r.held++
	r.line("holds", side, what, detail)
}

func (r *report) open(side, what, how string) {
	r.unknown++
	r.line("unknown", side, what, how)
}

func (r *report) fails(side, what string, err error) {
	r.refuted++
	e := hotsync.AsError(err)
	detail := string(e.Code) + ": " + e.Message
	if hint := e.Code.Hint(); hint != "" && e.Code != hotsync.CodeInternal {
		detail += " " + hint
	}
	if e.Code == hotsync.CodeInternal {
		detail = err.Error()
	}
	r.line("FAILS", side, what, detail)
}

// verdict reports what an error, or its absence, says.
func (r *report) verdict(side, what, detail string, err error) bool {
	if err != nil {
		r.fails(side, what, err)
		return false
	}
	r.holds(side, what, detail)
	return true
}

func (r *report) end() error {
	fmt.Fprintf(
		r.out,
		"\n%d hold, %d fail, %d unknown. Nothing was written. docs/limits.md says what each means.\n",
		r.held,
		r.refuted,
		r.unknown,
	)
	if r.refuted > 0 {
		return errQuiet
	}
	return nil
}

func (r *report) zuora(ctx context.Context, z *zuora.Client, account, field string) hotsync.AccountRef {
	if field == "" {
		r.open("zuora", "lookup field (Option B)", "give --field to check it")
	} else {
		exists, indexed, err := z.LookupFieldStatus(ctx, field)
		if r.verdict("zuora", "OAuth client is accepted and may read", "", err) {
			refuse := func(what string) error {
				return hotsync.Errorf(hotsync.CodeLookupField, "The field %s.", what)
			}
			switch {
			case !exists:
				r.fails("zuora", field+" exists on Account", refuse("does not exist"))
			case !indexed:
				r.fails("zuora", field+" can be searched by Object Query", refuse("exists but cannot be searched"))
			default:
				r.holds("zuora", field+" exists on Account and can be searched", "")
			}
		}
	}
	if account == "" {
		r.open("zuora", "both plans read an account alike", "give --account to check it")
		return hotsync.AccountRef{}
	}
	ref := hotsync.AccountRef{ID: account}
	if !hotsync.IsAccountID(account) {
		var err error
		ref, err = z.Resolve(ctx, account)
		if !r.verdict("zuora", "an account is found by its number", ref.ID, err) {
			return hotsync.AccountRef{}
		}
	}
	v, err := z.Read(ctx, ref.ID, zuora.ReadOptions{Plan: hotsync.PlanV, Preview: true})
	if !r.verdict("zuora", "plan V (v1) reads the account", counts(v), err) {
		return ref
	}
	h, err := z.Read(ctx, ref.ID, zuora.ReadOptions{Plan: hotsync.PlanH})
	if err != nil {
		r.fails("zuora", "plan H (Object Query) reads the account; else set zuoraPlan to V", err)
		return ref
	}
	if counts(h) != counts(v) {
		err = hotsync.Errorf(hotsync.CodeZuoraAnswer, "H has %s, V has %s; set zuoraPlan to V.", counts(h), counts(v))
	}
	r.verdict("zuora", "plan H (Object Query) reads the same", counts(h), err)
	r.preview(v)
	return ref
}

// preview says whether Zuora tells what it will bill.
func (r *report) preview(a billing.Account) {
	const what = "billing preview tells the coming payments"
	if a.Preview.Missing == "" {
		r.holds("zuora", what, fmt.Sprintf("%d items", len(a.Preview.Items)))
		return
	}
	r.open("zuora", what+"; else set schedules to charges", "it was "+a.Preview.Missing)
}

func counts(a billing.Account) string {
	return fmt.Sprintf("%d subscriptions, %d payment methods", len(a.Subscriptions), len(a.PaymentMethods))
}

func (r *report) limio(ctx context.Context, l *limio.Client, ref hotsync.AccountRef) {
	if !r.verdict("limio", "OAuth client is accepted and may read", "", l.Check(ctx)) {
		return
	}
	sum := sha256.Sum256([]byte("hotsync check: no account has this id"))
	none, err := l.Account(ctx, hex.EncodeToString(sum[:16]))
	if err == nil && len(none) > 0 {
		err = hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio has a customer for an account id that was made up.")
	}
	r.verdict("limio", "an account that is not there is told (assumption 8)", "", err)

	switch {
	case ref.ID == "":
		r.open(
			"limio",
			"a customer is found by its Zuora account id (assumption 5)",
			"give --account, and --zuora for an account number",
		)
	default:
		have, err := l.Account(ctx, ref.ID)
		switch {
		case err != nil:
			r.fails("limio", "a customer is found by its Zuora account id (assumption 5)", err)
		case len(have) == 0:
			r.open(
				"limio",
				"a customer is found by its Zuora account id (assumption 5)",
				"Limio has no customer of this account; give one whose customer you know",
			)
		default:
			r.holds(
				"limio",
				"a customer is found by its Zuora account id (assumption 5)",
				fmt.Sprintf("%d objects", len(have)),
			)
			r.envelope(have)
			r.zuoraAccount(have, ref)
		}
	}
	for _, kind := range []projection.Kind{projection.Schedule, projection.SubscriptionAddOn} {
		r.verdict(
			"limio",
			fmt.Sprintf("objects of kind %s have a list (assumption 7)", kind),
			"",
			l.CheckKind(ctx, kind),
		)
	}
	r.catalogue(ctx, l)
	for _, what := range []string{"objects can be created by POST (assumption 2)",
		"a repeated POST is refused (assumption 4)", "PUT takes a status (assumption 6)"} {
		r.open("limio", what, "only a write can tell, see docs/limits.md")
	}
}

// catalogue reads what is published, as a sync does.
func (r *report) catalogue(ctx context.Context, l *limio.Client) {
	const what = "the published catalogue can be read (assumption 15)"
	index, notes, err := l.Catalogue(ctx)
	if err != nil {
		r.fails("limio", what, err)
		return
	}
	r.holds("limio", what, fmt.Sprintf("%d items, %d left out", index.Len(), len(notes)+len(index.Notes())))
}

// zuoraAccount looks for where a subscription that Limio itself made keeps the
// Zuora account: hotsync does not write it there, since nobody says where it is.
func (r *report) zuoraAccount(have []projection.Object, ref hotsync.AccountRef) {
	const what = "where Limio keeps the Zuora account of a subscription (assumption 1)"
	for _, o := range have {
		if o.Kind != projection.Subscription {
			continue
		}
		at := holding(o.Data, "data", ref.ID, ref.Number)
		if at != "" {
			r.holds("limio", what, at)
			return
		}
	}
	r.open("limio", what, "no subscription of this account says so; give an account with one that was sold in Limio")
}

// holding is the place of a member that is one of the values.
func holding(data map[string]any, where string, values ...string) string {
	for _, name := range slices.Sorted(maps.Keys(data)) {
		switch v := data[name].(type) {
		case string:
			if v != "" && slices.Contains(values, v) {
				return where + "." + name
			}
		case map[string]any:
			if at := holding(v, where+"."+name, values...); at != "" {
				return at
			}
		}
	}
	return ""
}

// envelope checks that what Limio has carries the members hotsync relies on.
func (r *report) envelope(have []projection.Object) {
	const what = "objects carry owner, customer and reference (assumption 3)"
	var missing []string
	subscriptions := 0
	for _, o := range have {
		switch {
		case o.Kind == projection.Customer && o.Owner == "":
			missing = append(missing, "the customer has no owner")
		case o.Kind == projection.Subscription && o.Reference == "" && o.Name == "":
			missing = append(missing, "a subscription has neither name nor reference")
		case o.Kind == projection.SubscriptionOffer && o.Related == "":
			missing = append(missing, "an offer does not name its subscription")
		}
		if o.Kind == projection.Subscription {
			subscriptions++
		}
	}
	if len(missing) > 0 {
		r.fails("limio", what, hotsync.Errorf(hotsync.CodeLimioAnswer, "%s.", strings.Join(missing, "; ")))
		return
	}
	r.holds("limio", what, fmt.Sprintf("%d subscriptions looked at", subscriptions))
}
