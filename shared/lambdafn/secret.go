package lambdafn

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"hotsync/shared/hotsync"
)

// SecretManager is where secrets are kept, such as AWS Secrets Manager.
type SecretManager interface {
	// SecretString returns the current text of a secret.
	SecretString(ctx context.Context, id string) (string, error)
}

// Secret is one secret: in AWS Secrets Manager by id, or, on a developer's
// computer, in the environment. It is kept in memory, never logged, and read again
// when a caller says that it was refused. It is safe for concurrent use.
type Secret struct {
	name    string
	value   string // from the environment
	id      string // in Secrets Manager
	manager func() SecretManager

	mu     sync.Mutex
	cached string
}

// NewSecret finds the secret NAME in the environment given by getenv:
// NAME_SECRET_ID holds the id of a secret in Secrets Manager and is what AWS uses;
// NAME holds the secret itself and is for the local stack only. manager is called
// only for the former, so that a local run needs no AWS client. NewSecret fails when
// neither variable is set.
func NewSecret(name string, getenv func(string) string, manager func() SecretManager) (*Secret, error) {
	s := &Secret{name: name, value: getenv(name), id: getenv(name + "_SECRET_ID"), manager: manager}
	if s.value == "" && s.id == "" {
		return nil, fmt.Errorf(
			"set %s_SECRET_ID to the id of a secret in AWS Secrets Manager (or, on your own computer, %s to the secret itself)",
			name,
			name,
		)
	}
	return s, nil
}

// Text returns the secret. With refresh it is read again, because the value given
// before was refused: that is how a rotated secret comes into use.
func (s *Secret) Text(ctx context.Context, refresh bool) (string, error) {
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

// Client returns the credentials of an OAuth client, kept as
// {"clientId": "…", "clientSecret": "…"}.
func (s *Secret) Client(ctx context.Context, refresh bool) (id, secret string, err error) {
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
		return "", "", hotsync.Errorf(
			hotsync.CodeSecretMissing,
			`The secret %s must be {"clientId": "…", "clientSecret": "…"}.`,
			s.name,
		)
	}
	return c.ClientID, c.ClientSecret, nil
}
