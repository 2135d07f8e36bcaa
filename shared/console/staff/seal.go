package staff

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"hotsync/shared/hotsync"
)

// minKey is how long the session key's secret must be at least: 16 characters
// of a random text.
const minKey = 16

// Sealer turns values into text that only this console can read or make:
// AES-256-GCM under a key derived from the session secret. What is sealed for
// one purpose does not open for another.
type Sealer struct {
	Key func(context.Context) ([]byte, error)
}

// ErrSeal says that a text was not sealed by this console, or under another key.
var ErrSeal = errors.New("not sealed by this console")

func (s Sealer) aead(ctx context.Context) (cipher.AEAD, error) {
	secret, err := s.Key(ctx)
	if err != nil {
		return nil, err
	}
	if len(secret) < minKey {
		return nil, hotsync.Errorf(hotsync.CodeSecretMissing, "The session key is shorter than %d characters.", minKey)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "hotsync console", 32)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Seal turns v, as JSON, into text for that purpose.
func (s Sealer) Seal(ctx context.Context, purpose string, v any) (_ string, err error) {
	defer hotsync.In(&err, "staff.Seal(%s)", purpose)
	plain, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	aead, err := s.aead(ctx)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nil, nil, plain, []byte(purpose))), nil
}

// Open reads into v what Seal made for the same purpose. ErrSeal says that the text is not such, or was
// made under another key; any other error says that the key cannot be had.
func (s Sealer) Open(ctx context.Context, purpose, text string, v any) (err error) {
	defer hotsync.In(&err, "staff.Open(%s)", purpose)
	aead, err := s.aead(ctx)
	if err != nil {
		return err
	}
	box, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return ErrSeal
	}
	plain, err := aead.Open(nil, nil, box, []byte(purpose))
	if err != nil {
		return ErrSeal
	}
	err = json.Unmarshal(plain, v)
	if err != nil {
		return ErrSeal
	}
	return nil
}
