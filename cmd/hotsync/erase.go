package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hotsync/local/checkout"
	"hotsync/local/stack"
	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
	"hotsync/shared/lambdafn/wiring"
)

// Tries of an AWS call, and how long one may take: nobody waits at the door.
const (
	eraseAttempts = 6
	erasePerCall  = 10 * time.Second
)

// eraseRetention is when an account of a job expires that a login was taken out of:
// as events do where nothing else is set.
const eraseRetention = 90 * 24 * time.Hour

// erasure is what the command prints. It does not repeat who was erased.
type erasure struct {
	Events   int `json:"eventsMadeAnonymous"`
	Names    int `json:"searchNamesRemoved"`
	Accounts int `json:"accountStatesCleared"`
	Logins   int `json:"loginRecordsDeleted"`
	Jobs     int `json:"accountsOfJobsCleared"`
	Pending  int `json:"eventsStillUnderWay"`
}

// erase takes a person out of the events and the state of the deployment whose
// table EVENTS_TABLE names, or else of the local system.
func erase(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("erase", stderr)
	issuer := f.String("issuer", "", "issuer (iss) of the person's logins; any when empty")
	subject := f.String("subject", "", "subject (sub) of the person's logins")
	reason := f.String("reason", "", "why, for the audit log; without naming the person")
	system := f.String(
		"system",
		"",
		"description of a local system; .hotsync/system.json of this checkout when empty. Not used where EVENTS_TABLE is set",
	)
	err := parse(f, args, 0)
	if err != nil {
		return err
	}
	if *subject == "" {
		fmt.Fprintln(stderr, "hotsync erase: give --subject, the sub of the person's logins")
		return errUsage
	}
	table, err := eventsTable(*system)
	if err != nil {
		return err
	}
	cfg, err := wiring.AWS(ctx, eraseAttempts, erasePerCall)
	if err != nil {
		return err
	}
	client := dynamodb.NewFromConfig(cfg)
	store := eventstore.New(dynamo.Table{Client: client, Name: table}, eventstore.Config{})
	fromJobs := jobs.Table{Table: dynamo.Table{Client: client, Name: table}, Retention: eraseRetention}
	done, err := eraseLogin(ctx, store, fromJobs, hotsync.Identity{Issuer: *issuer, Subject: *subject})
	recorded := recordErasure(ctx, store, *reason, done, err)
	if err = errors.Join(halfWay(err), recorded); err != nil {
		return err
	}
	out := json.NewEncoder(stdout)
	out.SetIndent("", "  ")
	err = out.Encode(erasure{Events: done.Events, Names: done.Aliases, Accounts: done.Accounts,
		Logins: done.Logins, Jobs: done.Jobs, Pending: done.Pending})
	switch {
	case err != nil:
		return err
	case done.Pending > 0:
		fmt.Fprintf(
			stderr,
			"%d events are still under way and were left as they are: run it again when they have ended\n",
			done.Pending,
		)
		return errQuiet
	default:
		return nil
	}
}

// eraseLogin takes a login out of the jobs and then the events: a job could otherwise
// make another event of it.
func eraseLogin(
	ctx context.Context,
	events *eventstore.Store,
	store jobs.Store,
	who hotsync.Identity,
) (eventstore.Erased, error) {
	rows, pending, err := jobs.Erase(ctx, store, who)
	if err != nil {
		return eventstore.Erased{Jobs: rows, Pending: pending}, err
	}
	done, err := events.Erase(ctx, who)
	done.Jobs, done.Pending = rows, max(done.Pending, pending) // a sync of a job may have an event already
	return done, err
}

func halfWay(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("stopped half-way, run it again: %w", err)
}

// recordErasure leaves the act in the audit log, as the console does: who, when
// and why, and never whom. Where nothing was held, nothing was done.
func recordErasure(
	ctx context.Context,
	store *eventstore.Store,
	reason string,
	done eventstore.Erased,
	failed error,
) error {
	if failed == nil && done == (eventstore.Erased{}) {
		return nil
	}
	name := "command line"
	if who, err := user.Current(); err == nil {
		name = who.Username + " (command line)"
	}
	result := fmt.Sprintf(
		"%d events, %d search names, %d accounts, %d events still under way",
		done.Events,
		done.Aliases,
		done.Accounts,
		done.Pending,
	)
	if failed != nil {
		result = "stopped halfway: " + result
	}
	err := store.Record(
		ctx,
		eventstore.Act{
			At:     time.Now().UTC(),
			Actor:  "command line",
			Name:   name,
			Role:   "admin",
			Action: "erase",
			Note:   hotsync.MaskAddresses(reason),
			Result: result,
		},
	)
	if err != nil {
		return fmt.Errorf("the erasure was not recorded: %w", err)
	}
	return nil
}

// eventsTable returns the table's name; that of a local system comes with the
// environment by which the AWS SDK finds it.
func eventsTable(system string) (string, error) {
	table := os.Getenv("EVENTS_TABLE")
	if table != "" {
		return table, nil
	}
	if system == "" {
		root, err := checkout.Root()
		if err != nil {
			return "", fmt.Errorf("set EVENTS_TABLE to the events table of the deployment, or %w", err)
		}
		system = stack.SystemFile(filepath.Join(root, ".hotsync"))
	}
	s, err := stack.ReadSystem(system)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", errors.New(
			"no system runs here (make run starts one), and EVENTS_TABLE does not name the events table of a deployment",
		)
	case err != nil:
		return "", err
	}
	for name, value := range s.Environment {
		err = os.Setenv(name, value)
		if err != nil {
			return "", err
		}
	}
	return os.Getenv("EVENTS_TABLE"), nil
}
