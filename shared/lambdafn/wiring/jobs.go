package wiring

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
	"hotsync/shared/pause"
	"hotsync/shared/syncer"
	"hotsync/shared/syncqueue"
	"hotsync/shared/zuora"
)

// Jobs returns the jobs of the second lane.
func (p *Parts) Jobs() jobs.Table {
	days := p.Env.Number("EVENT_RETENTION_DAYS", 90, 1, 3650)
	events := p.events()
	events.Now = time.Now
	return jobs.Table{Table: events, Retention: time.Duration(days) * 24 * time.Hour}
}

// Lane says whether the second lane may be used, by the logins that wait.
func (p *Parts) Lane(logins *syncqueue.Queue) *jobs.Lane {
	return &jobs.Lane{Logins: logins, Now: time.Now}
}

// JobSyncer returns the syncer of the second lane.
func (p *Parts) JobSyncer(
	events *eventstore.Store,
	queue, logins *syncqueue.Queue,
	z *zuora.Client,
	settings syncer.Settings,
) *syncer.Syncer {
	s := p.Syncer(events, queue, z, settings)
	s.Lane, s.Yield = eventstore.LaneJobs, p.Lane(logins).Yields
	return s
}

// Runner returns what advances jobs.
func (p *Parts) Runner(
	events *eventstore.Store,
	queue, logins *syncqueue.Queue,
	z *zuora.Client,
	settings syncer.Settings,
) *jobs.Runner {
	gate := p.Lane(logins)
	gate.Settings = settings
	gate.Pauses = map[jobs.Wait]interface {
		Load(context.Context) (pause.State, error)
	}{
		jobs.WaitZuora: pause.Table{Table: p.events(), Upstream: pause.Zuora.ID},
		jobs.WaitLimio: pause.Table{Table: p.events(), Upstream: pause.Limio.ID},
	}
	return &jobs.Runner{
		Store:  p.Jobs(),
		Events: events,
		Queue:  queue,
		Gate:   gate,
		Lister: jobs.Sources{Zuora: z, Events: events},
		Checker: jobs.DryRuns{
			Syncer: p.Syncer(events, queue, z, settings),
		},
		Name: rand.Text(),
		Now:  time.Now,
		Log:  p.Log,
		Ended: func(ctx context.Context, j jobs.Job) error {
			if j.Kind != jobs.Reconcile {
				return nil
			}
			_, err := events.Put(ctx, jobs.Summary(j))
			if err != nil && hotsync.AsError(err).Code == hotsync.CodeConflict {
				return nil // it is there
			}
			return err
		},
	}
}

// Kick returns a way to call the function whose name is in that variable at once, and
// not to wait for it. The name of an alias may follow after a colon.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
func (p *Parts) Kick(variable string) func(context.Context) error {
	name, alias, _ := strings.Cut(p.Env.Text(variable, "the name of the function that advances jobs"), ":")
	base := p.Env.Getenv("AWS_ENDPOINT_URL_LAMBDA")
	if base == "" {
		base = "https://lambda." + p.aws.Region + ".amazonaws.com"
	}
	client := &http.Client{Timeout: awsPerCall}
	return func(ctx context.Context) (err error) {
		defer hotsync.In(&err, "wiring.Kick")
		body := []byte("{}")
		r, err := http.NewRequestWithContext(
			ctx,
			http.MethodPost,
			strings.TrimSuffix(base, "/")+"/2015-03-31/functions/"+url.PathEscape(name)+"/invocations",
			bytes.NewReader(body),
		)
		if err != nil {
			return err
		}
		if alias != "" {
			r.URL.RawQuery = url.Values{"Qualifier": {alias}}.Encode()
		}
		r.Header.Set("X-Amz-Invocation-Type", "Event")
		credentials, err := p.aws.Credentials.Retrieve(ctx)
		if err != nil {
			return fmt.Errorf("credentials: %w", err)
		}
		sum := sha256.Sum256(body)
		err = v4.NewSigner().
			SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), "lambda", p.aws.Region, time.Now())
		if err != nil {
			return fmt.Errorf("sign: %w", err)
		}
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		err = answer.Body.Close()
		if err == nil && answer.StatusCode != http.StatusAccepted {
			err = fmt.Errorf("the function that advances jobs was not called: status %d", answer.StatusCode)
		}
		return err
	}
}
