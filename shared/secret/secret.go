// Package secret reads credentials: from AWS Secrets Manager by id, or, on a
// developer's computer, from the environment.
//
// A secret NAME is looked for in two variables: NAME_SECRET_ID holds the id of
// a secret in Secrets Manager and is what AWS uses; NAME holds the secret
// itself and is for the local stack only. Values are kept in memory, never
// logged, and read again when a caller says that they were refused.
package secret

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"hotsync/shared/hotsync"
)

// Manager is the part of the Secrets Manager client that is used.
type Manager interface {
	// SecretString gives the current text of a secret.
	SecretString(ctx context.Context, id string) (string, error)
}

// Source gives one secret. It is safe for concurrent use.
type Source struct {
	name    string
	value   string // from the environment
	id      string // in Secrets Manager
	manager func() Manager

	mu     sync.Mutex
	cached string
}

// New finds the secret NAME in the environment given by getenv. manager is
// called only when the secret is in Secrets Manager, so that a local run needs
// no AWS client. It fails when neither variable is set.
func New(name string, getenv func(string) string, manager func() Manager) (*Source, error) {
	s := &Source{name: name, value: getenv(name), id: getenv(name + "_SECRET_ID"), manager: manager}
	if s.value == "" && s.id == "" {
		return nil, fmt.Errorf("set %s_SECRET_ID to the id of a secret in AWS Secrets Manager (or, on your own computer, %s to the secret itself)", name, name)
	}
	return s, nil
}

// Text gives the secret. With refresh it is read again, because the value given
// before was refused: that is how a rotated secret comes into use.
func (s *Source) Text(ctx context.Context, refresh bool) (string, error) {
	if s.value != "" {
		return s.value, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cached != "" && !refresh {
		return s.cached, nil
	}
	text, err := s.manager().SecretString(ctx, s.id)
	if err != nil {
		return "", hotsync.Errorf(hotsync.CodeSecretMissing, "The secret %s could not be read.", s.id).Because(err)
	}
	if text == "" {
		return "", hotsync.Errorf(hotsync.CodeSecretMissing, "The secret %s is empty.", s.id)
	}
	s.cached = text
	return text, nil
}

// Client gives the credentials of an OAuth client, kept as
// {"clientId": "…", "clientSecret": "…"}.
func (s *Source) Client(ctx context.Context, refresh bool) (id, secret string, err error) {
	text, err := s.Text(ctx, refresh)
	if err != nil {
		return "", "", err
	}
	var c struct {
		ClientID     string `json:"clientId"`
		ClientSecret string `json:"clientSecret"`
	}
	// The cause is left out on purpose: a JSON error quotes the text.
	if json.Unmarshal([]byte(text), &c) != nil || c.ClientID == "" || c.ClientSecret == "" {
		return "", "", hotsync.Errorf(hotsync.CodeSecretMissing, `The secret %s must be {"clientId": "…", "clientSecret": "…"}.`, s.name)
	}
	return c.ClientID, c.ClientSecret, nil
}
