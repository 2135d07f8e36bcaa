package limiosandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// ZuoraOverHTTP reads subscriptions from the Zuora at baseURL as an OAuth
// client of it: GET /v1/subscriptions/{key}. It is what Config.ReadZuora wants.
func ZuoraOverHTTP(
	baseURL, clientID, clientSecret string,
) func(ctx context.Context, key string) (ZuoraSubscription, error) {
	z := &zuoraReader{
		base:   strings.TrimRight(baseURL, "/"),
		id:     clientID,
		secret: clientSecret,
		http:   &http.Client{Timeout: 10 * time.Second},
	}
	return z.read
}

type zuoraReader struct {
	base, id, secret string
	http             *http.Client

	mu    sync.Mutex
	token string
}

var errZuoraUnauthorized = errors.New("zuora answered 401")

// read asks with the token at hand, and once more with a new one after a 401.
func (z *zuoraReader) read(ctx context.Context, key string) (ZuoraSubscription, error) {
	refused := ""
	for range 2 {
		token, err := z.bearer(ctx, refused)
		if err != nil {
			return ZuoraSubscription{}, err
		}
		sub, err := z.subscription(ctx, key, token)
		if !errors.Is(err, errZuoraUnauthorized) {
			return sub, err
		}
		refused = token
	}
	return ZuoraSubscription{}, errZuoraUnauthorized
}

// bearer returns a token other than the refused one.
func (z *zuoraReader) bearer(ctx context.Context, refused string) (string, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.token != "" && z.token != refused {
		return z.token, nil
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {z.id}, "client_secret": {z.secret}}
	req, err := http.NewRequestWithContext(
		ctx,
		http.MethodPost,
		z.base+"/oauth/token",
		strings.NewReader(form.Encode()),
	)
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	err = z.do(req, &answer)
	if err != nil {
		return "", err
	}
	z.token = answer.AccessToken
	return z.token, nil
}

func (z *zuoraReader) subscription(ctx context.Context, key, token string) (ZuoraSubscription, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, z.base+"/v1/subscriptions/"+url.PathEscape(key), nil)
	if err != nil {
		return ZuoraSubscription{}, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Zuora-Version", "2025-08-12") // errors then carry their true status
	var s struct {
		Number        string `json:"subscriptionNumber"`
		AccountID     string `json:"accountId"`
		AccountNumber string `json:"accountNumber"`
		AccountName   string `json:"accountName"`
		Status        string `json:"status"`
		Start         string `json:"subscriptionStartDate"`
		TermStart     string `json:"termStartDate"`
		TermEnd       string `json:"termEndDate"`
		AutoRenew     bool   `json:"autoRenew"`
		RatePlans     []struct {
			Name       string `json:"ratePlanName"`
			LastChange string `json:"lastChangeType"`
		} `json:"ratePlans"`
	}
	err = z.do(req, &s)
	if err != nil {
		return ZuoraSubscription{}, err
	}
	if s.Number == "" || s.AccountID == "" {
		return ZuoraSubscription{}, errors.New("zuora's answer names no subscription and account")
	}
	about := func(ctx context.Context) (ZuoraAccount, error) { return z.account(ctx, s.AccountID) }
	out := ZuoraSubscription{
		About:         about,
		Number:        s.Number,
		AccountID:     s.AccountID,
		AccountNumber: s.AccountNumber,
		AccountName:   s.AccountName,
		Status:        s.Status,
		Start:         s.Start,
		TermStart:     s.TermStart,
		TermEnd:       s.TermEnd,
		AutoRenew:     s.AutoRenew,
	}
	for _, plan := range s.RatePlans {
		if plan.LastChange != "Remove" {
			out.Plans = append(out.Plans, plan.Name)
		}
	}
	return out, nil
}

// account reads contacts and cards of an account, as far as Limio shows them.
func (z *zuoraReader) account(ctx context.Context, id string) (ZuoraAccount, error) {
	token, err := z.bearer(ctx, "")
	if err != nil {
		return ZuoraAccount{}, err
	}
	get := func(path string, out any) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, z.base+"/v1/accounts/"+url.PathEscape(id)+path, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Zuora-Version", "2025-08-12")
		return z.do(req, out)
	}
	type contact struct{ FirstName, LastName, Address1, City, ZipCode, Country string }
	var a struct{ BillToContact, SoldToContact, ShipToContact contact }
	var m struct {
		Cards []struct{ ID, Type, CreditCardType, CardNumber string } `json:"creditcard"`
	}
	err = get("", &a)
	if err == nil {
		err = get("/payment-methods", &m)
	}
	if err != nil {
		return ZuoraAccount{}, err
	}
	delivery := a.ShipToContact
	if delivery == (contact{}) {
		delivery = a.SoldToContact
	}
	out := ZuoraAccount{Addresses: map[string]map[string]any{}}
	for kind, c := range map[string]contact{"billing": a.BillToContact, "delivery": delivery} {
		if c != (contact{}) {
			out.Addresses[kind] = map[string]any{
				"firstName":  c.FirstName,
				"lastName":   c.LastName,
				"address1":   c.Address1,
				"city":       c.City,
				"postalCode": c.ZipCode,
				"country":    c.Country,
			}
		}
	}
	for _, card := range m.Cards {
		out.Cards = append(out.Cards, map[string]any{"Id": card.ID, "Type": "CreditCard",
			"CreditCardType":       card.CreditCardType,
			"CreditCardMaskNumber": card.CardNumber})
	}
	return out, nil
}

func (z *zuoraReader) do(req *http.Request, out any) error {
	res, err := z.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return errZuoraUnauthorized
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("zuora answered %d", res.StatusCode)
	}
	err = json.NewDecoder(io.LimitReader(res.Body, 8<<20)).Decode(out)
	if err != nil {
		return fmt.Errorf("zuora's answer: %w", err)
	}
	return nil
}
