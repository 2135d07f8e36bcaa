// Package limiosandbox stands in for Limio on this computer: Limio's Commerce
// API as far as it is documented or was seen, the token endpoint, and what
// hotsync assumes beside them. It is strict where a lenient server would hide a
// mistake: unknown members and filters are refused, and an object cannot refer
// to one that does not exist yet.
//
// What Limio does not publish is assumed, counted, and can be switched off
// (PUT /_sandbox/assumptions), so that a run shows what it rests on. One thing
// is neither documented nor switched: a login that is linked to a second owner
// is then linked to both, and counted as shared.
//
// Everything is in memory. Under /_sandbox/ it shows its state and counts, and
// is told to misbehave; see docs of package sandbox.
package limiosandbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"hotsync/local/sandbox"
)

// The OAuth client of a sandbox that is not told another.
const (
	DefaultClientID     = "limio-sandbox-client"
	DefaultClientSecret = "limio-sandbox-secret"
)

// Credentials are those of the default OAuth client, as a client of the product asks for them.
func Credentials(context.Context, bool) (id, secret string, err error) {
	return DefaultClientID, DefaultClientSecret, nil
}

const (
	tokenLife  = time.Hour   // as documented
	cursorLife = time.Minute // of queryMore
)

// Config says how the sandbox is reached and what it can see. The zero value
// is usable, but cannot read Zuora.
type Config struct {
	ClientID     string           // DefaultClientID when empty
	ClientSecret string           // DefaultClientSecret when empty
	Now          func() time.Time // time.Now when nil
	// ReadZuora is how Limio's own Zuora sync reads a subscription, by number or
	// id. When nil, that sync answers 502.
	ReadZuora func(ctx context.Context, key string) (ZuoraSubscription, error)
	// Catalogue is what is published at first, and again after a reset; see PUT
	// /_sandbox/catalogue. New panics when an item of it is none.
	Catalogue []json.RawMessage
}

// Sandbox is the server. It is an http.Handler, safe for concurrent use.
type Sandbox struct {
	handler   http.Handler
	now       func() time.Time
	readZuora func(ctx context.Context, key string) (ZuoraSubscription, error)
	behaviour *sandbox.Behaviour
	auth      auth
	first     []catalogueItem   // the catalogue of a sandbox that nobody changed
	seeds     []json.RawMessage // objects that it began with; guarded by store.mu
	store     store
}

// New makes an empty sandbox.
func New(cfg Config) *Sandbox {
	s := &Sandbox{
		now:       cfg.Now,
		readZuora: cfg.ReadZuora,
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.behaviour = sandbox.New(s.now)
	s.Rotate(cmp.Or(cfg.ClientID, DefaultClientID), cmp.Or(cfg.ClientSecret, DefaultClientSecret))
	first, err := readCatalogue(cfg.Catalogue)
	if err != nil {
		panic(err)
	}
	s.first = first
	s.store.reset(first)
	s.handler = s.behaviour.Wrap(s.routes())
	return s
}

// ServeHTTP implements http.Handler.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Sandbox) routes() http.Handler {
	api := http.NewServeMux()
	api.HandleFunc("POST /api/plugins/zuora/sync/subscription/{id}", s.syncSubscription)
	api.HandleFunc("GET /api/objects/{service}/{path_type}", s.list)
	api.HandleFunc("POST /api/objects/{service}/{path_type}", s.create)
	api.HandleFunc("GET /api/objects/{service}/{path_type}/{id}", s.get)
	api.HandleFunc("PUT /api/objects/{service}/{path_type}/{id}", s.update)
	api.HandleFunc("DELETE /api/objects/{service}/{path_type}/{id}", s.delete)
	api.HandleFunc("GET /api/objects/{service}/{path_type}/{id}/related", s.related)
	api.HandleFunc("GET /api/objects/salesforce/identities/{id}/subscriptions", s.salesforceSubscriptions)
	api.HandleFunc("POST /api/objects/externalidentity/{owner}", s.linkExternalIdentity)
	api.HandleFunc("POST /api/objects/owner_change", s.changeOwner)
	api.HandleFunc("POST /api/timeline/subscription", s.addTimelineEvent)
	api.HandleFunc("GET /api/published_catalog_items", s.publishedItems)
	api.HandleFunc("GET /api/offers", s.offers)
	api.HandleFunc("GET /api/add_ons", s.addOns)
	api.HandleFunc("POST /api/order", s.order)
	api.HandleFunc("POST /api/admin/order", s.order)

	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth2/token", s.token)
	mux.HandleFunc("POST /api/events/zuora", s.zuoraEvent) // guarded by an IP allow-list only
	mux.Handle("/api/mma/", s.accountView())               // the customer's own session, not a client's token
	mux.Handle("/api/", s.authorized(api))
	s.behaviour.Register(mux)
	s.registerControl(mux)
	return mux
}

// newID makes an id as Limio does: a prefix and 32 hex digits.
func (s *Sandbox) newID(prefix string) string {
	var b [16]byte
	s.fill(b[:])
	return prefix + hex.EncodeToString(b[:])
}

// newReference makes 12 characters of 0-9 and A-Z.
func (s *Sandbox) newReference() string {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	var b [12]byte
	s.fill(b[:])
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b[:])
}

func (s *Sandbox) fill(b []byte) {
	_, err := rand.Read(b)
	if err != nil {
		panic(err) // as crypto/rand.Read would: ids that repeat are worse
	}
}

// stamp is the time as Limio writes it.
func (s *Sandbox) stamp() string { return s.now().UTC().Format("2006-01-02T15:04:05.000Z") }

// refuse answers with a message. Limio publishes no error body.
func refuse(w http.ResponseWriter, status int, message string) {
	sandbox.Answer(w, status, map[string]string{"message": message})
}
