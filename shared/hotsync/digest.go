package hotsync

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Digest returns 32 hex digits that stand for the parts in their order, half a SHA-256:
// for ids and keys that must follow from what they are about. It hides nothing that can
// be guessed; see SearchHash.
func Digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}
