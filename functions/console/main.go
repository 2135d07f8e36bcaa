// Command console is the Lambda function behind the HTTP API: the events console
// and its JSON API.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"hotsync/shared/console"
	"hotsync/shared/console/staff"
	"hotsync/shared/gateway"
	"hotsync/shared/lambdafn/wiring"
	"hotsync/shared/oidc"
)

func main() { os.Exit(run()) }

func run() int {
	ctx := context.Background()
	p := wiring.New(ctx, os.Getenv, os.Stdout)
	session := p.Secret("SESSION_KEY")
	events, queue, settings, zuora := p.Events(), p.Queue("QUEUE_URL"), p.SettingStore(), p.Zuora()
	limio, _ := p.Limio()
	tokens := oidc.New(oidc.Config{})
	groups, err := staff.ParseGroups(p.Env.Getenv("CONSOLE_GROUPS"))
	if err != nil {
		p.Env.Note(fmt.Errorf("CONSOLE_GROUPS: %w", err))
	}
	handler := console.New(console.Config{
		Events:    events,
		Queue:     queue,
		Dead:      p.Queue("DEAD_LETTER_QUEUE_URL"),
		Settings:  settings,
		Zuora:     zuora,
		Limio:     limio,
		DryRunner: p.Syncer(events, queue, zuora, settings),
		Catalogue: p.CatalogueStore(),
		Owners:    p.Ownership(),
		Tokens:    tokens,
		Staff: staff.New(staff.Config{
			Issuer:       p.Env.Text("CONSOLE_ISSUER", "the issuer that staff sign in with"),
			ClientID:     p.Env.Text("CONSOLE_CLIENT_ID", "the client id of the console at that issuer"),
			ClientSecret: p.OptionalText("CONSOLE_CLIENT"),
			GroupsClaim:  p.Env.Text("CONSOLE_GROUPS_CLAIM", "the claim that lists a member of staff's groups"),
			Groups:       groups,
			Tokens:       tokens,
			Sessions:     events,
			SessionKey: func(ctx context.Context) ([]byte, error) {
				text, err := session.Text(ctx, false)
				return []byte(text), err
			},
			PublicURL: p.Env.Getenv("CONSOLE_URL"),
			Now:       time.Now,
			Log:       p.Log,
		}),
		NewEventID: wiring.NewEventID,
		Now:        time.Now,
		Log:        p.Log,
		Audit:      events,
		Pauses:     p.Pauses(),
		Jobs:       p.Jobs(),
		Kick:       p.Kick("RECONCILE_FUNCTION"),
		Logins:     events,
		Gallery:    p.Env.Getenv("CONSOLE_GALLERY") == "true",
	})
	err = p.Err()
	if err != nil {
		p.Log.Error("the function cannot start", "error", err)
		return 1
	}
	serve := gateway.Serve(handler)
	lambda.Start(func(ctx context.Context, raw json.RawMessage) (gateway.Answer, error) {
		defer p.Metrics.Flush()
		return serve(ctx, raw)
	})
	return 0
}
