package console

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/settingstore"
)

type settingsView struct {
	Form     settingsForm
	Edit     bool // the reader may change it
	Version  int  // the form was made from
	At       time.Time
	By       string
	Why      string // in the words of who saved
	Errors   []settingError
	Warnings []settingError // what is to be said of the settings, though they may be saved
	Presets  []providerPreset
	Dirty    bool           // the form holds what somebody typed, which need not be in force
	Tested   map[int]*tried // what a token said, by the place of the provider beside which it was tried
	Untested map[int]*hotsync.Problem
	Note     string           // what was just done to the form, when nothing is saved yet
	Saved    int              // the version that was just saved
	Problem  *hotsync.Problem // why settings are not in force, or were not saved
	Conflict *conflict
	Checks   []checkResult
	Checked  bool
}

// settingError is what keeps settings from being saved, with where it is.
type settingError struct{ ID, Label, Message string }

// conflict says that settings were saved while the form was open.
type conflict struct {
	Began  int  // the version the form was made from
	Own    bool // by the same member, in another tab
	Theirs settingstore.Entry
	Rows   []conflictRow
}

type conflictRow struct {
	What                 string
	Before, Theirs, Mine string
	Taken                bool // the form now holds theirs, because mine was as before
}

// maxForm bounds a form of settings, in bytes. They are stored in one item.
const maxForm = 1 << 20

func (c *console) routeSettings(mux *http.ServeMux) {
	mux.HandleFunc("GET /settings", c.page(Viewer, c.settingsPage))
	mux.HandleFunc("POST /settings", c.page(Admin, c.changeSettings))
	mux.HandleFunc("POST /settings/check", c.page(Operator, c.checkPage))
	mux.HandleFunc("GET /settings/history", c.page(Viewer, c.historyPage))
	mux.HandleFunc("GET /settings/history/{version}", c.page(Viewer, c.versionPage))
	mux.HandleFunc("POST /settings/history/{version}/restore", c.page(Admin, c.restoreSettings))
}

func (c *console) settingsPage(w http.ResponseWriter, r *http.Request, m member) error {
	s, problem, err := c.settingsInForce(r.Context())
	if err != nil {
		return err
	}
	page := settingsView{Problem: problem}
	if saved, err := strconv.Atoi(r.URL.Query().Get("saved")); err == nil && saved == s.Version {
		page.Saved = saved
	}
	return c.showSettings(w, r, m, http.StatusOK, page, s, "")
}

// settingsInForce reads the settings. When those in force cannot be used,
// problem says why, and the settings are what can be made of them, so that they
// can be put right.
func (c *console) settingsInForce(ctx context.Context) (_ hotsync.Settings, problem *hotsync.Problem, err error) {
	s, err := c.Settings.Load(ctx)
	if err == nil {
		return s, nil, nil
	}
	broken := hotsync.AsError(err)
	if broken.Code != hotsync.CodeSettingsInvalid {
		return hotsync.Settings{}, nil, err
	}
	c.Log.ErrorContext(ctx, "settings in force are invalid", "error", err)
	entries, _, err := c.Settings.History(ctx, 1, "")
	if err != nil {
		return hotsync.Settings{}, nil, err
	}
	s = hotsync.DefaultSettings()
	if len(entries) > 0 {
		if entries[0].Err == nil {
			s = entries[0].Settings
		}
		s.Version, s.UpdatedAt, s.UpdatedBy = entries[0].Version, entries[0].At, entries[0].By
	}
	return s, broken.Problem(), nil
}

// showSettings writes the page around settings that need not be in force.
func (c *console) showSettings(
	w http.ResponseWriter,
	r *http.Request,
	m member,
	status int,
	page settingsView,
	s hotsync.Settings,
	focus string,
) error {
	findings := s.Validate()
	page.Form = newSettingsForm(s, findings, focus)
	page.Dirty = r.Method == http.MethodPost && r.URL.Path == "/settings"
	page.Edit, page.Version, page.At, page.By, page.Why, page.Presets = m.Admin(), s.Version, s.UpdatedAt, s.UpdatedBy,
		s.UpdatedFor, providerPresets
	for _, f := range findings {
		says := settingError{ID: field{Path: controlOf(f.Path)}.ID(), Label: f.Path, Message: f.Message}
		if f.Warning {
			page.Warnings = append(page.Warnings, says)
		} else if status == http.StatusUnprocessableEntity {
			page.Errors = append(page.Errors, says)
		}
	}
	return c.renderAs(w, r, m, status, "settings", "layout", view{Title: "Settings", Nav: "settings", Body: page})
}

// controlOf is the path of the control that shows a finding: the members of a
// list of words, and pairs, are typed into one.
func controlOf(path string) string {
	if strings.HasSuffix(path, "]") {
		return path[:strings.LastIndex(path, "[")]
	}
	if strings.HasPrefix(path, "catalogueMap.") {
		return "catalogueMap"
	}
	return path
}

// changeSettings takes the form: it saves it, checks it, or adds or removes
// something in it without saving anything.
func (c *console) changeSettings(w http.ResponseWriter, r *http.Request, m member) error {
	s, err := formSettings(w, r)
	if err != nil {
		return err
	}
	do := r.PostForm.Get("do")
	if at, ok := strings.CutPrefix(do, "test:"); ok {
		return c.testProvider(w, r, m, s, at)
	}
	switch do {
	case "review":
		return c.reviewSettings(w, r, m, s, nil)
	case "save":
		return c.saveSettings(w, r, m, s)
	case "edit":
		return c.showSettings(w, r, m, http.StatusOK, settingsView{Note: "This is what you had typed."}, s, "")
	case "check":
		page := settingsView{
			Checked: true,
			Checks:  c.checkSettings(r.Context(), s),
			Note:    "What is in the form was checked.",
		}
		return c.showSettings(w, r, m, http.StatusOK, page, s, "")
	default:
		done, focus, err := editSettings(&s, do, r.PostForm.Get("preset"))
		if err != nil {
			return err
		}
		return c.showSettings(w, r, m, http.StatusOK, settingsView{Note: done}, s, focus)
	}
}

func formSettings(w http.ResponseWriter, r *http.Request) (hotsync.Settings, error) {
	err := parseForm(w, r, maxForm)
	if err != nil {
		return hotsync.Settings{}, err
	}
	return parseSettings(r.PostForm)
}

// parseForm reads a posted form of bounded size.
func parseForm(w http.ResponseWriter, r *http.Request, limit int64) error {
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	err := r.ParseMultipartForm(limit)
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return hotsync.Errorf(hotsync.CodeBadRequest, "The form could not be read, or it is larger than %d KB.", limit>>10).
			Because(err)
	}
	return nil
}

// saveSettings puts the reviewed settings into force, for a reason.
func (c *console) saveSettings(w http.ResponseWriter, r *http.Request, m member, s hotsync.Settings) error {
	why, err := reasonOf(r.PostForm.Get("note"))
	if err != nil {
		return c.reviewSettings(w, r, m, s, hotsync.AsError(err).Problem())
	}
	s.UpdatedFor = why
	if !valid(s) {
		return c.showSettings(w, r, m, http.StatusUnprocessableEntity, settingsView{}, s, "")
	}
	before, _, err := c.settingsInForce(r.Context())
	if err != nil {
		return c.notSaved(w, r, m, s, err)
	}
	saved, err := c.putSettings(r.Context(), m, before, s, "settings")
	switch {
	case err == nil:
		http.Redirect(w, r, "/settings?saved="+strconv.Itoa(saved.Version), http.StatusSeeOther)
		return nil
	case hotsync.AsError(err).Code == hotsync.CodeConflict:
		return c.showConflict(w, r, m, s)
	default:
		return c.notSaved(w, r, m, s, err)
	}
}

func valid(s hotsync.Settings) bool {
	for _, f := range s.Validate() {
		if !f.Warning {
			return false
		}
	}
	return true
}

// reviewView is what would be saved, before it is.
type reviewView struct {
	InForce  int
	Next     int
	Changes  []difference
	Effects  []string       // of the most far-reaching changes, in words
	Warnings []settingError // of the settings as they would be
	Sent     []sentValue    // the form, to be sent again
	Note     string         // why, as typed
	Problem  *hotsync.Problem
}

// sentValue is one value of a form that is sent again.
type sentValue struct{ Name, Value string }

// sentAgain are the values of a posted form without those names, in order.
func sentAgain(form url.Values, without ...string) []sentValue {
	var out []sentValue
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if slices.Contains(without, name) || strings.HasPrefix(name, "test[") {
			continue // a pasted token is not kept
		}
		for _, value := range form[name] {
			out = append(out, sentValue{name, value})
		}
	}
	return out
}

// reviewSettings shows what would change, and asks for the reason.
func (c *console) reviewSettings(
	w http.ResponseWriter,
	r *http.Request,
	m member,
	s hotsync.Settings,
	problem *hotsync.Problem,
) error {
	if !valid(s) {
		return c.showSettings(w, r, m, http.StatusUnprocessableEntity, settingsView{}, s, "")
	}
	before, _, err := c.settingsInForce(r.Context())
	if err != nil {
		return c.notSaved(w, r, m, s, err)
	}
	if before.Version != s.Version {
		return c.showConflict(w, r, m, s)
	}
	page := reviewView{
		InForce: before.Version,
		Next:    before.Version + 1,
		Changes: settingDifferences(before, s),
		Effects: effects(before, s),
		Sent:    sentAgain(r.PostForm, "do", "note", "preset"),
		Note:    r.PostForm.Get("note"),
		Problem: problem,
	}
	if len(page.Changes) == 0 && before.Version > 0 {
		return c.showSettings(
			w,
			r,
			m,
			http.StatusOK,
			settingsView{Note: "The form says what is in force already."},
			s,
			"",
		)
	}
	for _, f := range s.Validate() {
		page.Warnings = append(page.Warnings, settingError{Label: f.Path, Message: f.Message})
	}
	status := http.StatusOK
	if problem != nil {
		status = problem.Code.HTTPStatus()
	}
	return c.renderAs(
		w,
		r,
		m,
		status,
		"review",
		"layout",
		view{Title: "Review the changes", Nav: "settings", Body: page},
	)
}

// effects says in words what the most far-reaching changes do.
func effects(before, s hotsync.Settings) []string {
	var out []string
	switch {
	case s.HotSync && !before.HotSync:
		out = append(out, "Hot sync is switched on: from the next half minute on, logins are synced.")
	case before.HotSync && !s.HotSync:
		out = append(out, "Hot sync is switched off: logins are no longer synced, and what still waits is skipped.")
	}
	for i, j := range pairProviders(before.Providers, s.Providers) {
		if j < 0 {
			out = append(out, fmt.Sprintf("Logins of %s are no longer synced.", before.Providers[i].Name))
		} else if before.Providers[i].Name != s.Providers[j].Name {
			out = append(
				out,
				fmt.Sprintf(
					"%s is called %s from now on. Events so far keep the name they have.",
					before.Providers[i].Name,
					s.Providers[j].Name,
				),
			)
		}
	}
	return out
}

// testProvider tells what a token would do with the settings of the form, which
// need not be saved.
func (c *console) testProvider(w http.ResponseWriter, r *http.Request, m member, s hotsync.Settings, at string) error {
	i, err := strconv.Atoi(at)
	if err != nil || i < 0 || i >= len(s.Providers) {
		return errNoButton
	}
	page := settingsView{}
	p, err := readPasted(r.PostForm.Get(fmt.Sprintf("test[%d]", i)), s.Providers[i].Issuer)
	if err != nil {
		page.Untested = map[int]*hotsync.Problem{i: hotsync.AsError(err).Problem()}
	} else {
		ctx, cancel := context.WithTimeout(r.Context(), tryLimit)
		defer cancel()
		if p.kind == inputTrigger {
			provider, _ := s.PoolProvider(p.region, p.pool)
			p.issuer = provider.Issuer
		}
		found := c.try(ctx, p, s, false)
		page.Tested = map[int]*tried{i: &found}
		c.record(ctx, m, act{Action: "try_login", Result: plural(len(found.Targets), "target", "targets")})
	}
	return c.showSettings(w, r, m, http.StatusOK, page, s, fmt.Sprintf("test[%d]", i))
}

// notSaved shows the form again, so that nothing typed is lost.
func (c *console) notSaved(w http.ResponseWriter, r *http.Request, m member, s hotsync.Settings, err error) error {
	e := hotsync.AsError(err)
	c.Log.ErrorContext(r.Context(), "settings not saved", "error", err)
	return c.showSettings(w, r, m, e.Code.HTTPStatus(), settingsView{Problem: e.Problem()}, s, "")
}

// putSettings puts settings into force and records who did.
func (c *console) putSettings(
	ctx context.Context,
	m member,
	before, s hotsync.Settings,
	action string,
) (hotsync.Settings, error) {
	saved, err := c.Settings.Save(ctx, s, m.Name())
	if err != nil {
		return hotsync.Settings{}, err
	}
	var changed []string
	for _, d := range settingDifferences(before, saved) {
		changed = append(changed, d.What)
	}
	note := strings.Join(changed, "; ")
	if s.UpdatedFor != "" {
		note = s.UpdatedFor + " (" + note + ")"
	}
	c.record(ctx, m, act{Action: action, Note: noteOf(note), Result: fmt.Sprintf("version %d", saved.Version)})
	return saved, nil
}

// showConflict tells that somebody else saved meanwhile, and gives back the form
// with what only they changed taken over. Saving it again puts it into force.
func (c *console) showConflict(w http.ResponseWriter, r *http.Request, m member, mine hotsync.Settings) error {
	theirs, _, err := c.settingsInForce(r.Context())
	if err != nil {
		return c.notSaved(w, r, m, mine, err)
	}
	base := theirs
	began, err := c.Settings.Version(r.Context(), mine.Version)
	switch {
	case err == nil && began.Err == nil:
		base = began.Settings
	case err != nil && !errors.Is(err, settingstore.ErrNotFound):
		return c.notSaved(w, r, m, mine, err)
	}
	merged := mergeSettings(base, mine, theirs)
	page := settingsView{Conflict: &conflict{Began: mine.Version, Rows: conflictRows(base, mine, theirs, merged),
		Own:    theirs.UpdatedBy != "" && theirs.UpdatedBy == m.Name(),
		Theirs: settingstore.Entry{Version: theirs.Version, At: theirs.UpdatedAt, By: theirs.UpdatedBy}}}
	return c.showSettings(w, r, m, http.StatusConflict, page, merged, "")
}

// conflictRows are the settings in which mine and theirs, made from the same
// base, differ, and which of the two has come into the merged ones.
func conflictRows(base, mine, theirs, merged hotsync.Settings) []conflictRow {
	was, form := map[string]string{}, map[string]string{}
	for _, d := range settingDifferences(base, mine) {
		was[d.What] = d.Before
	}
	for _, d := range settingDifferences(base, theirs) {
		was[d.What] = d.Before
	}
	for _, d := range settingDifferences(theirs, merged) {
		form[d.What] = d.Now
	}
	var out []conflictRow
	for _, d := range settingDifferences(theirs, mine) {
		_, kept := form[d.What]
		out = append(
			out,
			conflictRow{What: d.What, Before: orNone(was[d.What]), Theirs: d.Before, Mine: d.Now, Taken: !kept},
		)
	}
	return out
}

type historyView struct {
	Rows []historyRow
	Next string // address of the page of older versions
	Edit bool
}

// historyRow is one version, with how it differs from the one before.
type historyRow struct {
	settingstore.Entry
	InForce bool
	First   bool
	Changes []difference
	Problem *hotsync.Problem // why the version cannot be read
	Unknown bool             // the version before cannot be read
}

func (c *console) historyPage(w http.ResponseWriter, r *http.Request, m member) error {
	cursor := r.URL.Query().Get("cursor")
	entries, next, err := c.Settings.History(r.Context(), settingstore.DefaultLimit, cursor)
	if err != nil {
		return err
	}
	page := historyView{Edit: m.Admin()}
	if next != "" {
		page.Next = withQuery("/settings/history", map[string][]string{"cursor": {next}})
		// The last one is told by the one before it, which is on the next page.
		older, _, err := c.Settings.History(r.Context(), 1, next)
		if err != nil {
			return err
		}
		entries = append(entries, older...)
	}
	for i, e := range entries {
		if i == settingstore.DefaultLimit {
			break
		}
		row := historyRow{Entry: e, InForce: cursor == "" && i == 0}
		switch {
		case e.Err != nil:
			row.Problem = hotsync.AsError(e.Err).Problem()
		case i+1 == len(entries):
			row.First, row.Changes = true, settingDifferences(hotsync.DefaultSettings(), e.Settings)
		case entries[i+1].Err != nil:
			row.Unknown = true
		default:
			row.Changes = settingDifferences(entries[i+1].Settings, e.Settings)
		}
		page.Rows = append(page.Rows, row)
	}
	return c.render(w, r, m, "history", view{Title: "History of the settings", Nav: "settings", Body: page})
}

type versionView struct {
	Entry     settingstore.Entry
	Problem   *hotsync.Problem // why the version cannot be read
	InForce   int
	Differs   []difference // from what is in force to this version
	Errors    []hotsync.SettingsFinding
	Form      settingsForm
	Edit      bool
	Meanwhile bool // somebody saved since the page was made
}

// versionPage shows a version, and what restoring it would change.
func (c *console) versionPage(w http.ResponseWriter, r *http.Request, m member) error {
	return c.showVersion(w, r, m, http.StatusOK, false)
}

func (c *console) showVersion(w http.ResponseWriter, r *http.Request, m member, status int, meanwhile bool) error {
	e, err := c.settingsVersion(r)
	if err != nil {
		return err
	}
	current, _, err := c.settingsInForce(r.Context())
	if err != nil {
		return err
	}
	page := versionView{Entry: e, InForce: current.Version, Edit: m.Admin(), Meanwhile: meanwhile}
	if e.Err != nil {
		page.Problem = hotsync.AsError(e.Err).Problem()
	} else {
		findings := e.Settings.Validate()
		page.Differs, page.Form = settingDifferences(current, e.Settings), newSettingsForm(e.Settings, findings, "")
		for _, f := range findings {
			if !f.Warning {
				page.Errors = append(page.Errors, f)
			}
		}
	}
	return c.renderAs(
		w,
		r,
		m,
		status,
		"version",
		"layout",
		view{Title: fmt.Sprintf("Settings, version %d", e.Version), Nav: "settings", Body: page},
	)
}

func (c *console) settingsVersion(r *http.Request) (settingstore.Entry, error) {
	n, err := strconv.Atoi(r.PathValue("version"))
	if err != nil || n < 0 {
		return settingstore.Entry{}, settingstore.ErrNotFound
	}
	return c.Settings.Version(r.Context(), n)
}

// restoreSettings puts an earlier version into force again, as a new version, if
// the one in force is still the one that the page compared it with.
func (c *console) restoreSettings(w http.ResponseWriter, r *http.Request, m member) error {
	err := parseForm(w, r, maxForm)
	if err != nil {
		return err
	}
	e, err := c.settingsVersion(r)
	if err != nil {
		return err
	}
	if e.Err != nil {
		return e.Err
	}
	over, err := strconv.Atoi(r.PostForm.Get("over"))
	if err != nil {
		return hotsync.Errorf(
			hotsync.CodeBadRequest,
			"The form does not say which version is to be replaced. Open the version again.",
		)
	}
	before, _, err := c.settingsInForce(r.Context())
	if err != nil {
		return err
	}
	why, err := reasonOf(r.PostForm.Get("note"))
	if err != nil {
		return err
	}
	s := e.Settings
	s.Version, s.UpdatedFor = over, why
	saved, err := c.putSettings(r.Context(), m, before, s, "restore_settings")
	if err != nil && hotsync.AsError(err).Code == hotsync.CodeConflict {
		return c.showVersion(w, r, m, http.StatusConflict, true)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/settings?saved="+strconv.Itoa(saved.Version), http.StatusSeeOther)
	return nil
}
