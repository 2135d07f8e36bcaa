// Package console is where support and engineers see every sync, find one,
// understand it and retry it: pages, and the JSON API they stand on.
//
// It is an ordinary http.Handler; functions/console puts it behind API Gateway.
// Every page is one Go file and one template of the same name, works without
// JavaScript, and is made better by two scripts that the binary serves itself:
// htmx (static/htmx.LICENSE) and static/console.js.
package console

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"hotsync/shared/cataloguestore"
	"hotsync/shared/console/staff"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
	"hotsync/shared/oidc"
	"hotsync/shared/ownership"
	"hotsync/shared/pause"
	"hotsync/shared/settingstore"
	"hotsync/shared/syncer"
	"hotsync/shared/syncqueue"
)

// Events is what the console asks of the event store. Errors are *hotsync.Error.
type Events interface {
	Search(ctx context.Context, q eventstore.Query) (eventstore.Page, error)
	Get(ctx context.Context, id string) (hotsync.Event, error)
	PutQueued(ctx context.Context, e hotsync.Event) error
	CountMatching(ctx context.Context, q eventstore.Query, limit int) (eventstore.Total, error)
	Count(ctx context.Context, from, to time.Time) ([]eventstore.Slot, error)
	OldestUnfinished(ctx context.Context) (oldest hotsync.Event, ok bool, err error)
	Open(ctx context.Context) (eventstore.OpenList, error)
	LoadAccount(ctx context.Context, id string) (eventstore.AccountState, error)
	Erase(ctx context.Context, who hotsync.Identity) (eventstore.Erased, error)
}

// Queue takes sync requests and tells how many wait.
type Queue interface {
	Send(ctx context.Context, r hotsync.SyncRequest) error
	Depth(ctx context.Context) (syncqueue.Depth, error)
}

// Depths tells how many messages a queue holds.
type Depths interface {
	Depth(ctx context.Context) (syncqueue.Depth, error)
}

// Tokens verifies ID tokens.
type Tokens interface {
	Verify(ctx context.Context, raw string, accept oidc.Accept) (oidc.Token, error)
}

// Settings keeps the settings, with every version there was. Errors are
// *hotsync.Error.
type Settings interface {
	Load(ctx context.Context) (hotsync.Settings, error)
	// Save puts settings into force that were made from the version they name,
	// or fails with CodeConflict when another one is in force.
	Save(ctx context.Context, s hotsync.Settings, by string) (hotsync.Settings, error)
	// History returns versions, newest first, and the cursor of the next page.
	History(ctx context.Context, limit int, cursor string) (_ []settingstore.Entry, next string, err error)
	Version(ctx context.Context, n int) (settingstore.Entry, error)
}

// Zuora is what the console asks of Zuora. Errors are *hotsync.Error.
type Zuora interface {
	Resolve(ctx context.Context, number string) (hotsync.AccountRef, error)
	Find(ctx context.Context, field, value string, plan hotsync.ZuoraPlan) ([]hotsync.AccountRef, error)
	LookupFieldStatus(ctx context.Context, field string) (exists, indexed bool, err error)
}

// Limio says whether it takes the credentials.
type Limio interface {
	Check(ctx context.Context) error
}

// Catalogue lists the rate plans that syncs have seen, with their matches in
// Limio's catalogue. Errors are *hotsync.Error.
type Catalogue interface {
	Plans(ctx context.Context) ([]cataloguestore.Plan, error)
}

// DryRunner says what a sync would change, and changes nothing.
type DryRunner interface {
	DryRun(ctx context.Context, r hotsync.SyncRequest) (syncer.DryRun, error)
}

// The roles of members of staff, as the pages ask for them.
const (
	Viewer   = staff.Viewer
	Operator = staff.Operator
	Admin    = staff.Admin
)

type member = staff.Member

// Owners says what hotsync knows of an owner in Limio. Errors are *hotsync.Error.
type Owners interface {
	Owner(ctx context.Context, id string) (ownership.Owner, error)
}

// Pauses returns the pauses of Zuora and Limio by their IDs, as pause.All does.
type Pauses func(context.Context) (map[string]pause.State, error)

// Config is what a console is made of. All members are needed but those that
// say otherwise.
type Config struct {
	Events     Events
	Queue      Queue
	Dead       Depths // of the dead-letter queue; nil leaves it out
	Settings   Settings
	Zuora      Zuora
	Limio      Limio
	DryRunner  DryRunner
	Catalogue  Catalogue // nil lists nothing
	Owners     Owners    // nil leaves out how many logins are known to be linked
	Tokens     Tokens
	Staff      *staff.Door
	NewEventID func(time.Time) string
	Now        func() time.Time
	Log        *slog.Logger
	Logins     Logins                      // that led to nothing; nil leaves them out
	Audit      Audit                       // keeps acts; nil leaves them to the log
	Pauses     Pauses                      // nil leaves them out
	Jobs       jobs.Store                  // bulk retries, backfills, reconcile runs
	Kick       func(context.Context) error // has jobs advanced at once; nil leaves them to their minute
	// serves /gallery, which shows every state with made-up data; for the local stack only
	Gallery bool
}

type console struct {
	Config
	assets assets
	pages  pages
}

// New returns the console's handler. It panics when a template is broken, which
// the tests of this package rule out.
func New(cfg Config) http.Handler {
	c := &console{Config: cfg}
	c.assets, c.pages = loaded()

	mux := http.NewServeMux()
	c.routeAPI(mux)
	c.routeSignIn(mux)
	c.routePages(mux)
	c.routeSettings(mux)
	c.routeTryout(mux)
	c.routeErase(mux)
	c.routeJobs(mux)
	mux.Handle("GET /static/{hash}/{name}", c.assets)

	return c.secured(compressed(mux))
}

// routePages names every page with the role it needs.
func (c *console) routePages(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", c.page(staff.Viewer, c.overview))
	mux.HandleFunc("GET /open", c.page(staff.Viewer, c.openPage))
	mux.HandleFunc("GET /logins", c.page(staff.Viewer, c.loginsPage))
	mux.HandleFunc("GET /suggest", c.page(staff.Viewer, c.suggest))
	mux.HandleFunc("POST /views", c.page(staff.Viewer, c.saveView))
	mux.HandleFunc("GET /events", c.page(staff.Viewer, c.eventsPage))
	mux.HandleFunc("GET /events/news", c.page(staff.Viewer, c.eventsNews))
	mux.HandleFunc("GET /events/{id}", c.page(staff.Viewer, c.eventPage))
	mux.HandleFunc("GET /events/{id}/changes", c.page(staff.Viewer, c.changesPage))
	mux.HandleFunc("GET /events/{id}/compare", c.page(staff.Viewer, c.comparePage))
	mux.HandleFunc("GET /events/{id}/json", c.page(staff.Viewer, c.eventJSON))
	mux.HandleFunc("POST /events/{id}/retry", c.page(Operator, c.retryFromPage))
	mux.HandleFunc("GET /events/{id}/reveal", c.page(Operator, c.revealPage))
	mux.HandleFunc("POST /events/{id}/reveal", c.page(Operator, c.reveal))
	mux.HandleFunc("GET /events.csv", c.page(staff.Viewer, c.exportCSV))
	mux.HandleFunc("GET /events.jsonl", c.page(staff.Viewer, c.exportJSON))
	// An account number may have slashes, and API Gateway decodes those of a path.
	mux.HandleFunc("GET /accounts/{key...}", c.page(staff.Viewer, c.accountPage))
	mux.HandleFunc("POST /accounts/{act...}", c.page(Operator, c.accountAct))
	mux.HandleFunc("GET /audit", c.page(Admin, c.auditPage))
	mux.HandleFunc("GET /catalogue", c.page(Viewer, c.cataloguePage))
	mux.HandleFunc("GET /retry", c.page(Operator, c.bulkCount))
	mux.HandleFunc("GET /retry/reason", c.page(Operator, c.bulkReason))
	mux.HandleFunc("POST /retry", c.page(Operator, c.bulkStart))
	if c.Gallery {
		mux.HandleFunc("GET /gallery", c.page(staff.Viewer, c.galleryPage))
		mux.HandleFunc("GET /gallery/list", c.page(staff.Viewer, c.galleryList))
		mux.HandleFunc("GET /gallery/{state}", c.page(staff.Viewer, c.galleryEvent))
	}
	mux.HandleFunc("/", c.page(staff.Viewer, func(http.ResponseWriter, *http.Request, member) error {
		return hotsync.Errorf(hotsync.CodeNotFound, "There is no such page.")
	}))
}

// answer writes v as JSON.
func (c *console) answer(ctx context.Context, w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	err := json.NewEncoder(w).Encode(v)
	if err != nil {
		c.Log.WarnContext(ctx, "answer not written", "error", err)
	}
}

// refuse writes an error as the API shows it; its cause goes to the log.
func (c *console) refuse(ctx context.Context, w http.ResponseWriter, err error) {
	e := hotsync.AsError(err)
	status := e.Code.HTTPStatus()
	if status >= http.StatusInternalServerError {
		c.Log.ErrorContext(ctx, "console request failed", "error", err)
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="hotsync"`)
	}
	c.answer(ctx, w, status, map[string]any{"error": e.Problem()})
}
