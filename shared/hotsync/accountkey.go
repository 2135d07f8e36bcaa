package hotsync

import "strings"

// maxAccountKey is how long an account number may be in Zuora, in characters.
const maxAccountKey = 70

const (
	lettersAndDigits     = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	accountKeyCharacters = lettersAndDigits + "-_.#/: "
)

// IsAccountKey reports whether key can be the id or number of a Zuora account.
// Claims, queue and client go by this one rule, so that what one lets in the
// others know what to do with.
//
// A key is 1 to 70 ASCII letters, digits, inner blanks and - _ . # / :, with a
// letter or digit among them. It is not the word null, true or false, as which
// gateways write such JSON values; and no part between slashes is . or .., which
// would lead elsewhere in a path.
func IsAccountKey(key string) bool { return AccountKeyProblem(key) == "" }

// AccountKeyProblem says why key cannot be the id or number of a Zuora account,
// as the end of a sentence that does not repeat it: "is …", "holds …". It is ""
// where it can.
func AccountKeyProblem(key string) string {
	switch {
	case key == "":
		return "is empty"
	case len(key) > maxAccountKey:
		return "is longer than the 70 characters of an account number"
	case strings.EqualFold(key, "null"), strings.EqualFold(key, "true"), strings.EqualFold(key, "false"):
		return "is the word null, true or false"
	case strings.ContainsFunc(key, notInAccountKey):
		return "holds characters that no account id or number has"
	case !strings.ContainsAny(key, lettersAndDigits):
		return "has neither letters nor digits"
	case strings.TrimSpace(key) != key:
		return "begins or ends with a blank"
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "." || part == ".." {
			return "would lead elsewhere in an address"
		}
	}
	return ""
}

func notInAccountKey(r rune) bool { return !strings.ContainsRune(accountKeyCharacters, r) }
