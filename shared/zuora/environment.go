package zuora

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"hotsync/shared/hotsync"
)

// environments are Zuora's data centres. Credentials do not reveal theirs, and
// a bearer token must not go anywhere else, so that only these are called.
// Source: https://developer.zuora.com/docs/get-started/oauth-client-setup-steps
var environments = map[string]string{
	"us1-production": "https://rest.na.zuora.com",
	"us1-sandbox":    "https://rest.sandbox.na.zuora.com",
	"us2-production": "https://rest.zuora.com",
	"us2-sandbox":    "https://rest.apisandbox.zuora.com",
	"us-central":     "https://rest.test.zuora.com",
	"eu-production":  "https://rest.eu.zuora.com",
	"eu-sandbox":     "https://rest.sandbox.eu.zuora.com",
	"eu-central":     "https://rest.test.eu.zuora.com",
	"ap-production":  "https://rest.ap.zuora.com",
	"ap-central":     "https://rest.test.ap.zuora.com",
}

// Environments lists the names of Zuora's data centres, sorted: what
// Config.BaseURL may name.
func Environments() []string { return slices.Sorted(maps.Keys(environments)) }

// BaseURL returns the address of a data centre. It takes a name of Environments,
// one of their addresses, or an http address on the loopback interface, where
// the local sandbox listens; everything else is refused.
func BaseURL(environment string) (string, error) {
	address, ok := environments[environment]
	if ok {
		return address, nil
	}
	address = strings.TrimSuffix(environment, "/")
	for _, known := range environments {
		if address == known {
			return known, nil
		}
	}
	u, err := url.Parse(address)
	if err == nil && u.Scheme == "http" && hotsync.IsLoopback(u.Hostname()) &&
		u.Path == "" && u.RawQuery == "" && u.Fragment == "" && u.User == nil {
		return address, nil
	}
	return "", fmt.Errorf("%q is no Zuora environment: give one of %s", environment, strings.Join(Environments(), ", "))
}
