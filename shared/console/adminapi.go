package console

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"hotsync/shared/hotsync"
)

// routeAdminAPI names the operations beside those on events.
func (c *console) routeAdminAPI(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/settings", c.api(Viewer, c.getSettings))
	mux.HandleFunc("PUT /api/settings", c.api(Admin, c.replaceSettings))
	mux.HandleFunc("POST /api/sync", c.api(Operator, c.syncAccount))
	mux.HandleFunc("POST /api/dry-run", c.api(Operator, c.dryRunAccount))
}

// settingsAnswer is settings with what is to be said of them.
type settingsAnswer struct {
	Settings hotsync.Settings          `json:"settings"`
	Findings []hotsync.SettingsFinding `json:"findings"`
}

func newSettingsAnswer(s hotsync.Settings) settingsAnswer {
	a := settingsAnswer{Settings: s, Findings: s.Validate()}
	if a.Findings == nil {
		a.Findings = []hotsync.SettingsFinding{}
	}
	return a
}

func (c *console) getSettings(r *http.Request, _ member) (int, any, error) {
	s, err := c.Settings.Load(r.Context())
	return http.StatusOK, newSettingsAnswer(s), err
}

// replaceSettings puts the settings of the body into force, if the version they
// name is the one in force. What is left out has its default.
func (c *console) replaceSettings(r *http.Request, m member) (int, any, error) {
	s := hotsync.DefaultSettings()
	err := readBody(r, &s)
	if err != nil {
		return 0, nil, err
	}
	if !valid(s) {
		e := hotsync.Errorf(hotsync.CodeSettingsInvalid, "The settings are not valid; findings says where.")
		return e.Code.HTTPStatus(), struct {
			Error *hotsync.Problem `json:"error"`
			settingsAnswer
		}{e.Problem(), newSettingsAnswer(s)}, nil
	}
	before, _, err := c.settingsInForce(r.Context())
	if err != nil {
		return 0, nil, err
	}
	if s.UpdatedFor == before.UpdatedFor {
		s.UpdatedFor = "" // read with the version before: it says nothing of this change
	}
	s.UpdatedFor = noteOf(s.UpdatedFor)
	saved, err := c.putSettings(r.Context(), m, before, s, "settings")
	return http.StatusOK, newSettingsAnswer(saved), err
}

// accountBody asks for something about an account.
type accountBody struct {
	Account string `json:"account"` // id or number
	Note    string `json:"note"`    // why
}

// readAccount reads the account of a body into a request for it.
func (c *console) readAccount(r *http.Request, m member) (hotsync.SyncRequest, error) {
	var body accountBody
	err := readBody(r, &body)
	if err != nil {
		return hotsync.SyncRequest{}, err
	}
	body.Account = strings.TrimSpace(body.Account)
	if !isAccountKey(body.Account) {
		return hotsync.SyncRequest{}, hotsync.Errorf(
			hotsync.CodeBadRequest,
			"account must be the id or the number of a Zuora account.",
		)
	}
	now := c.Now().UTC()
	request := hotsync.SyncRequest{
		EventID:     c.NewEventID(now),
		Trigger:     hotsync.TriggerAPI,
		Account:     body.Account,
		RequestedAt: now,
		Actor:       m.Name(),
		Note:        noteOf(body.Note),
	}
	if hotsync.IsAccountID(body.Account) {
		request.AccountID = body.Account
	}
	return request, nil
}

// syncAccount queues a sync of an account and answers with its event.
func (c *console) syncAccount(r *http.Request, m member) (int, any, error) {
	request, err := c.readAccount(r, m)
	if err != nil {
		return 0, nil, err
	}
	e, err := c.send(r.Context(), request)
	if err != nil {
		return 0, nil, err
	}
	c.record(r.Context(), m, act{Action: "sync", Account: request.Account, Note: request.Note, Result: e.ID})
	return http.StatusAccepted, e, nil
}

// dryRunAccount answers with what a sync of an account would change.
func (c *console) dryRunAccount(r *http.Request, m member) (int, any, error) {
	request, err := c.readAccount(r, m)
	if err != nil {
		return 0, nil, err
	}
	found, err := c.DryRunner.DryRun(r.Context(), request)
	if err != nil {
		return 0, nil, err
	}
	found.Steps, found.Changes, found.Findings = orEmpty(found.Steps), orEmpty(found.Changes), orEmpty(found.Findings)
	c.record(
		r.Context(),
		m,
		act{
			Action:  "dry_run",
			Account: request.Account,
			Note:    request.Note,
			Result:  plural(len(found.Changes), "change", "changes"),
		},
	)
	return http.StatusOK, found, nil
}

// orEmpty makes a list that is [] and not null in JSON.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// readBody decodes one JSON object of bounded size that has no unknown member:
// one that is misspelt would otherwise be left out without a word.
func readBody(r *http.Request, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxForm))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		_, err = dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("more than one value")
	}
	return hotsync.Errorf(hotsync.CodeBadRequest,
		"The body must be one JSON object with the members that docs/console.md names.").
		Because(err)
}
