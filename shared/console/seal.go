package console

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

// sealer turns values into text that only this console can read or make:
// AES-256-GCM under a key derived from the session secret. What is sealed for
// one purpose does not open for another.
type sealer struct {
	key func(context.Context) ([]byte, error)
}

var errSeal = errors.New("not sealed by this console")

func (s sealer) aead(ctx context.Context) (cipher.AEAD, error) {
	secret, err := s.key(ctx)
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

func (s sealer) seal(ctx context.Context, purpose string, v any) (_ string, err error) {
	defer hotsync.In(&err, "console.seal(%s)", purpose)
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

// open reads what seal made. errSeal says that the text is not such, or was
// made under another key; any other error says that the key cannot be had.
func (s sealer) open(ctx context.Context, purpose, text string, v any) (err error) {
	defer hotsync.In(&err, "console.open(%s)", purpose)
	aead, err := s.aead(ctx)
	if err != nil {
		return err
	}
	box, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return errSeal
	}
	plain, err := aead.Open(nil, nil, box, []byte(purpose))
	if err != nil {
		return errSeal
	}
	err = json.Unmarshal(plain, v)
	if err != nil {
		return errSeal
	}
	return nil
}
