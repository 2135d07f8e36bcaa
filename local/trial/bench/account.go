package main

import (
	"bytes"
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

// names are what differs between accounts: ids and the digits of numbers. Products
// and their rate plans are the merchant's and the same in all of them.
var names = regexp.MustCompile(`"product\w*Id":\s*"[0-9a-f]{32}"|[0-9a-f]{32}|A00000601|00601`)

// account makes the n-th account, with so many subscriptions: those of the persona
// sixty under other names, over again where there are more.
func account(n, subscriptions int) (id string, body map[string]any, err error) {
	p, ok := persona.Find("sixty", time.Now())
	if !ok {
		return "", nil, errors.New("there is no persona sixty")
	}
	a := p.Accounts[0]
	// What belongs to a round of subscriptions has names of its own in each.
	rename := func(raw []byte, round int) json.RawMessage {
		return names.ReplaceAllFunc(raw, func(name []byte) []byte {
			if bytes.HasPrefix(name, []byte(`"product`)) {
				return name
			}
			switch string(name) {
			case "A00000601":
				return fmt.Appendf(nil, "A%08d", 20000+n)
			case "00601":
				return fmt.Appendf(nil, "%05d", 20000+n+roundNames*round)
			case a.ID:
				return []byte(otherID(a.ID, n))
			}
			return []byte(otherID(string(name), n+roundNames*round))
		})
	}
	var subs []json.RawMessage
	for i := range subscriptions {
		subs = append(subs, rename(a.Subscriptions[i%len(a.Subscriptions)], i/len(a.Subscriptions)))
	}
	var found map[string]any
	err = json.Unmarshal(rename(a.Account, 0), &found)
	if err != nil {
		return "", nil, err
	}
	basic, ok := found["basicInfo"].(map[string]any)
	if !ok {
		return "", nil, errors.New("the account of persona sixty has no basicInfo")
	}
	basic[persona.LookupField] = lookedUp(n)
	return otherID(a.ID, n), map[string]any{
		"account":        found,
		"paymentMethods": rename(a.PaymentMethods, 0),
		"subscriptions":  subs,
	}, nil
}

// lookedUp is the subject of the login that finds the n-th account by look-up.
func lookedUp(n int) string { return fmt.Sprint("lookup|", n) }

// roundNames is how many accounts have names of their own.
const roundNames = 10000

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
