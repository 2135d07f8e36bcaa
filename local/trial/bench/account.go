package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"hotsync/local/sandbox/persona"
)

// names are what differs between accounts: ids and the digits of numbers.
var names = regexp.MustCompile(`[0-9a-f]{32}|A00000601|00601`)

// account makes the n-th account, with so many subscriptions (60 at most): the
// persona sixty under other names.
func account(n, subscriptions int) (id string, body map[string]any, err error) {
	p, ok := persona.Find("sixty", time.Now())
	if !ok {
		return "", nil, errors.New("there is no persona sixty")
	}
	a := p.Accounts[0]
	rename := func(raw []byte) json.RawMessage {
		return names.ReplaceAllFunc(raw, func(name []byte) []byte {
			switch string(name) {
			case "A00000601":
				return fmt.Appendf(nil, "A%08d", 20000+n)
			case "00601":
				return fmt.Appendf(nil, "%05d", 20000+n)
			}
			return []byte(otherID(string(name), n))
		})
	}
	var subs []json.RawMessage
	for _, s := range a.Subscriptions[:subscriptions] {
		subs = append(subs, rename(s))
	}
	return otherID(
			a.ID,
			n,
		), map[string]any{
			"account":        rename(a.Account),
			"paymentMethods": rename(a.PaymentMethods),
			"subscriptions":  subs,
		}, nil
}

func otherID(id string, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", id, n))
	return "8a" + hex.EncodeToString(sum[:15])
}

// putAccount gives the Zuora sandbox the n-th account.
func (s *system) putAccount(ctx context.Context, n, subscriptions int) (id string, err error) {
	id, body, err := account(n, subscriptions)
	if err != nil {
		return "", err
	}
	return id, call(ctx, http.MethodPut, s.ZuoraURL+"/_sandbox/accounts/"+id, "", body, nil)
}
