package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"hotsync/shared/lambdafn/wiring"
)

// systemUsage says what the option --system names.
const systemUsage = "description of a deployment (see docs/backfill.md); .hotsync/system.json of this checkout " +
	"when empty. Not used where EVENTS_TABLE is set"

// parts makes the parts that a function has of the environment of the deployment: a
// command that does what a function does is one of its processes.
func parts(ctx context.Context, system string) (*wiring.Parts, error) {
	_, err := eventsTable(system)
	if err != nil {
		return nil, err
	}
	return wiring.New(ctx, os.Getenv, io.Discard), nil
}

// sides are the tenants that the deployment brings together.
type sides struct{ zuora, limio string }

func connected() sides {
	return sides{zuora: host(os.Getenv("ZUORA_BASE_URL")), limio: host(os.Getenv("LIMIO_BASE_URL"))}
}

func host(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return strings.TrimSuffix(address, "/")
	}
	return u.Host
}

// production are the hosts of Zuora's production data centres:
// https://developer.zuora.com/docs/get-started/introduction/#access-to-the-api
var production = []string{"rest.zuora.com", "rest.na.zuora.com", "rest.eu.zuora.com", "rest.ap.zuora.com"}

var productionLimio = regexp.MustCompile(`(^|\.)prod\.limio\.com$`)

// guard refuses to bring a production tenant of one side together with what is no
// production tenant of the other, unless that one is named. limio is the Limio that
// somebody says the deployment has, "" where they do not say.
func (t sides) guard(limio string, named string) error {
	limio, named = host(limio), host(named)
	switch {
	case t.limio == "" || t.zuora == "":
		return errors.New(
			"the environment does not say which Zuora and Limio the deployment has: give --system, as docs/backfill.md says",
		)
	case limio != "" && limio != t.limio:
		return fmt.Errorf("the deployment writes to %s, not to %s", t.limio, limio)
	case slices.Contains(production, t.zuora) == productionLimio.MatchString(t.limio), named == t.limio:
		return nil
	case slices.Contains(production, t.zuora):
		return fmt.Errorf(
			"its Zuora is production (%s) and its Limio is not (%s); if that is meant, say --allow-limio %s",
			t.zuora,
			t.limio,
			t.limio,
		)
	default:
		return fmt.Errorf(
			"its Limio is production (%s) and its Zuora is not (%s); if that is meant, say --allow-limio %s",
			t.limio,
			t.zuora,
			t.limio,
		)
	}
}
