// Package zuorasandbox imitates the part of Zuora that hotsync reads, strictly:
// with its limits, its traps and its four shapes of errors, as Zuora documents
// them and as production payloads show them.
//
// The state is set in the shapes of Zuora's v1 API under /_sandbox/; what
// Object Query and ZOQL answer is derived from it. Where the real behaviour is
// not known, the sandbox does what is worse for a client, and a comment
// beginning "Assumed:" says so.
//
// Under /_sandbox/, besides behaviour and requests of package sandbox:
//
//	GET              accounts       who is there
//	GET PUT DELETE   accounts/{id}  {"account", "paymentMethods", "subscriptions"} as v1 has them
//	GET PUT          fields         which custom fields of the account are there, and which are indexed
//	GET PUT          limits         concurrency, objectQueryConcurrency, perMinute, tokensPerMinute; peaks and refusals
//	GET PUT          options        nextPage: absolute, relative, foreign or other; emptyLists: present or absent
//	POST             expire-tokens
//	POST             reset
package zuorasandbox

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"hotsync/local/sandbox"
	"hotsync/local/sandbox/persona"
)

// The OAuth client of the local system. Zuora's ids have 36 characters, its
// secrets up to 42.
const (
	DefaultClientID     = "10ca1000-5a9d-4b0c-8000-000000000001"
	DefaultClientSecret = "local-zuora-sandbox-secret"
)

// Credentials are those of the default OAuth client, as a client of the product asks for them.
func Credentials(context.Context, bool) (id, secret string, err error) {
	return DefaultClientID, DefaultClientSecret, nil
}

// tokenLifetime is what Zuora gives: https://developer.zuora.com/v1-api-reference/api/oauth/createtoken
const tokenLifetime = time.Hour

// Config says what a sandbox is made of. The zero value is usable.
type Config struct {
	ClientID       string           // DefaultClientID when empty
	ClientSecret   string           // DefaultClientSecret when empty
	Now            func() time.Time // time.Now when nil
	TenantTimeZone *time.Location   // of "today" and of dates without a zone; UTC when nil
	Personas       bool             // hold the accounts of the personas, also after a reset
}

// Server is a Zuora tenant. It is safe for concurrent use.
type Server struct {
	config    Config
	behaviour *sandbox.Behaviour
	limits    *limits
	tokens    *tokens
	store     *store
	cursors   *cursors
	options   atomic.Pointer[options]
	handler   http.Handler
}

// New makes a Server. It panics when the personas are not what Put accepts.
func New(config Config) *Server {
	config.ClientID = cmp.Or(config.ClientID, DefaultClientID)
	config.ClientSecret = cmp.Or(config.ClientSecret, DefaultClientSecret)
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.TenantTimeZone == nil {
		config.TenantTimeZone = time.UTC
	}
	s := &Server{config: config, behaviour: sandbox.New(config.Now)}
	s.limits, s.tokens, s.cursors = newLimits(config.Now), newTokens(config.Now), newCursors(config.Now)
	s.store = newStore()
	s.Reset()

	control := http.NewServeMux()
	s.behaviour.Register(control)
	s.registerControl(control)
	api := s.behaviour.Record(s.envelope(s.behaviour.Misbehave(s.api())))
	s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/_sandbox/") {
			control.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Behaviour returns what makes the sandbox misbehave, and the log of its requests.
func (s *Server) Behaviour() *sandbox.Behaviour { return s.behaviour }

// Reset brings back the state the sandbox was made with, and clears behaviour,
// limits, options, fields, tokens and the request log.
func (s *Server) Reset() {
	s.behaviour.Reset()
	s.limits.reset()
	s.tokens.expire()
	s.cursors.expire()
	s.options.Store(defaultOptions())
	s.store.clear()
	if !s.config.Personas {
		return
	}
	for _, p := range persona.All(s.today()) {
		for _, a := range p.Accounts {
			err := s.putAccount(a.ID, a)
			if err != nil {
				panic("zuorasandbox: persona " + p.Name + ": " + err.Error())
			}
		}
	}
}

// today is the tenant's date.
func (s *Server) today() time.Time { return s.config.Now().In(s.config.TenantTimeZone) }

// api serves Zuora's operations to callers with a token.
func (s *Server) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/accounts/{key}", s.getAccount)
	mux.HandleFunc("GET /v1/accounts/{key}/payment-methods", s.getPaymentMethods)
	mux.HandleFunc("GET /v1/subscriptions/accounts/{key}", s.getSubscriptions)
	mux.HandleFunc("GET /v1/subscriptions/{key}", s.getSubscription)
	mux.HandleFunc("GET /v1/describe/{object}", s.describe)
	mux.HandleFunc("POST /v1/operations/billing-preview", s.billingPreview)
	mux.HandleFunc("POST /v1/action/query", s.query)
	mux.HandleFunc("POST /v1/action/queryMore", s.queryMore)
	mux.HandleFunc("GET /object-query/accounts", s.queryAccounts)
	mux.HandleFunc("GET /object-query/accounts/{key}", s.queryAccount)
	mux.HandleFunc("GET /object-query/subscriptions", s.querySubscriptions)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, http.StatusNotFound, notFound, "No such operation: "+r.Method+" "+r.URL.Path)
	})
	authorised := s.authorise(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == tokenPath {
			s.createToken(w, r)
			return
		}
		authorised.ServeHTTP(w, r)
	})
}

// authorise lets requests with a valid token and a known Zuora-Version pass.
func (s *Server) authorise(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || !s.tokens.valid(token) {
			refuseUnauthorised(w, r)
			return
		}
		if !versionOf(r).known {
			refuse(w, r, http.StatusBadRequest, invalid, "Unsupported Zuora-Version.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// envelope gives every answer Zuora's headers and enforces its limits. It is
// around the faults, so that slow and hanging answers keep their place.
func (s *Server) envelope(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Zuora-Request-Id", uuid.NewString())
		track := r.Header.Get("Zuora-Track-Id")
		trackable := isTrackID(track)
		if trackable && track != "" {
			h.Set("Zuora-Track-Id", track)
		}
		if r.URL.Path == tokenPath {
			next.ServeHTTP(w, r)
			return
		}
		p := defaultPool
		if strings.HasPrefix(r.URL.Path, "/object-query/") {
			p = objectQueryPool
		}
		verdict := s.limits.enter(p, h)
		defer s.limits.leave(p, verdict)
		switch {
		case verdict == rateLimited:
			refuseRateLimited(w, r)
		case verdict == concurrencyLimited:
			h.Set("Retry-After", "120")
			refuse(
				w,
				r,
				http.StatusTooManyRequests,
				limitExceeded,
				"Concurrency limit exceeded, retry after 120 seconds.",
			)
		case !trackable:
			refuse(w, r, http.StatusBadRequest, invalid, "Zuora-Track-Id has characters that are not allowed.")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isTrackID: up to 64 characters of US-ASCII, none of : ; " '
func isTrackID(id string) bool {
	return len(id) <= 64 && !strings.ContainsAny(id, `:;"'`) &&
		!strings.ContainsFunc(id, func(c rune) bool { return c < ' ' || c > '~' })
}

// parameters reads the query and refuses names that are not allowed. It has
// answered when it is false.
func parameters(w http.ResponseWriter, r *http.Request, allowed ...string) (url.Values, bool) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		refuse(w, r, http.StatusBadRequest, badParameter, "The query string is malformed.")
		return nil, false
	}
	for name := range q {
		if !slices.Contains(allowed, name) {
			refuse(w, r, http.StatusBadRequest, badParameter, "Invalid query parameter: "+name)
			return nil, false
		}
	}
	return q, true
}
