package console

import (
	"context"
	"time"
)

// SessionForTest is the cookie of an operator who signed in at that time.
func SessionForTest(key []byte, at time.Time) string {
	text, err := sealer{func(context.Context) ([]byte, error) { return key, nil }}.seal(context.Background(), sessionPurpose,
		session{Subject: "s", Name: "n", Role: Operator, Began: at, Used: at})
	if err != nil {
		panic(err)
	}
	return text
}
