package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"hotsync/cmd/hotsync/internal/drift"
	"hotsync/shared/eventstore"
	"hotsync/shared/lambdafn/wiring"
)

// Exit statuses of hotsync drift.
const (
	driftFound  status = 1
	driftUntold status = 2
)

// compareDrift says where Limio differs from Zuora.
func compareDrift(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("drift", stderr)
	sample := f.Int("sample", 0, "compare so many of the accounts that were synced before, by chance")
	all := f.Bool("all", false, "compare every account that was synced before")
	file := f.String("accounts", "", "CSV `file` of accounts to compare")
	zoql := f.String(
		"zoql",
		"",
		"`condition` of ZOQL for the accounts to compare, such as \"Status = 'Active'\"; * for all that Zuora has",
	)
	rate := f.Int("rate", 300, "accounts a minute, at most")
	html := f.String("html", "", "`file` for the report as a page")
	asJSON := f.String("json", "", "`file` for the report as JSON; - for standard output")
	limio := f.String("limio", "", "`address` of the Limio that is meant: refused if the deployment has another")
	allow := f.String(
		"allow-limio",
		"",
		"`address` of a Limio that is no production tenant, for a production Zuora; or the reverse",
	)
	system := f.String("system", "", systemUsage)
	err := parse(f, args, 0)
	if err != nil {
		return err
	}
	ways := 0
	for _, has := range []bool{*sample > 0, *all, *file != "", *zoql != ""} {
		if has {
			ways++
		}
	}
	if ways != 1 {
		fmt.Fprintln(stderr, "hotsync drift: say which accounts in one way: --sample, --all, --accounts or --zoql")
		return errUsage
	}
	p, err := parts(ctx, *system)
	if err != nil {
		return err
	}
	err = connected().guard(*limio, *allow)
	if err != nil {
		return err
	}
	r := &drift.Report{}
	next, err := toCompare(ctx, p, r, stderr, *file, *zoql, *all, *sample)
	if err == nil {
		err = compare(ctx, p, r, next, *rate, stderr)
	}
	if err != nil {
		return err
	}
	err = write(r, *html, *asJSON, stdout)
	if err != nil {
		return err
	}
	switch {
	case r.Untold() > 0 || r.Compared == 0:
		return driftUntold
	case r.Unequal() > 0:
		return driftFound
	default:
		return nil
	}
}

// toCompare returns the accounts to compare, one a call, and names them in the report.
func toCompare(
	ctx context.Context,
	p *wiring.Parts,
	r *drift.Report,
	stderr io.Writer,
	file, zoql string,
	all bool,
	sample int,
) (next func(context.Context) (string, error), err error) {
	switch {
	case file != "":
		r.What = "Accounts of a file"
		b := &backfillFlags{file: file}
		return b.accounts(ctx, p, r, stderr)
	case zoql != "":
		r.What = "Accounts that Zuora lists"
		return fromZuora(p.Zuora(), zoql), nil
	case all:
		r.What = "All accounts that were synced before"
		return fromKnown(p.Events()), nil
	default:
		r.What = fmt.Sprintf("A sample of %d accounts that were synced before", sample)
		return sampled(ctx, p.Events(), sample)
	}
}

// compare compares accounts with a progress bar.
func compare(
	ctx context.Context,
	p *wiring.Parts,
	r *drift.Report,
	next func(context.Context) (string, error),
	rate int,
	stderr io.Writer,
) error {
	t := connected()
	r.Zuora, r.Limio = t.zuora, t.limio
	s := p.Syncer(p.Events(), nil, p.Zuora(), p.Settings())
	err := p.Err()
	if err != nil {
		return err
	}
	bar := newBar(stderr)
	err = r.Compare(ctx, next, drift.Options{Comparer: s, Rate: rate, Now: time.Now, Progress: func(r *drift.Report) {
		bar.show(
			r.Compared,
			r.Compared,
			fmt.Sprintf(
				"%s equal, %s different, %s absent",
				thousands(r.Equal),
				thousands(r.Different),
				thousands(r.Absent),
			),
			time.Now(),
		)
	}})
	bar.end()
	return err
}

// knownPage is how many accounts are listed at a time.
const knownPage = 200

// fromKnown lists the accounts that were synced before, the oldest sync first.
func fromKnown(events *eventstore.Store) func(context.Context) (string, error) {
	before := time.Now()
	return oneByOne(func(ctx context.Context, cursor string) (ids []string, next string, err error) {
		page, next, err := events.KnownAccounts(ctx, before, knownPage, cursor)
		for _, a := range page {
			ids = append(ids, a.ID)
		}
		return ids, next, err
	})
}

// sampled takes n of the known accounts by chance: each is as likely as any other,
// however many there are.
func sampled(ctx context.Context, events *eventstore.Store, n int) (func(context.Context) (string, error), error) {
	next := fromKnown(events)
	var taken []string
	for seen := 1; ; seen++ {
		id, err := next(ctx)
		switch {
		case err != nil:
			return nil, err
		case id == "":
			return func(context.Context) (string, error) {
				if len(taken) == 0 {
					return "", nil
				}
				id := taken[0]
				taken = taken[1:]
				return id, nil
			}, nil
		case len(taken) < n:
			taken = append(taken, id)
		default:
			if at := rand.IntN(seen); at < n {
				taken[at] = id
			}
		}
	}
}

// write writes the report wherever it is wanted, and in words.
func write(r *drift.Report, html, asJSON string, stdout io.Writer) error {
	if html != "" {
		err := writeFile(html, r.WriteHTML)
		if err != nil {
			return err
		}
	}
	encode := func(w io.Writer) error {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(r)
	}
	switch asJSON {
	case "":
	case "-":
		return encode(stdout) // and nothing else
	default:
		err := writeFile(asJSON, encode)
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(
		stdout,
		"%s accounts: %s equal, %s different, %s not in Limio, %s not in Zuora, %s could not be compared\n",
		thousands(r.Compared),
		thousands(r.Equal),
		thousands(r.Different),
		thousands(r.Absent),
		thousands(r.Unknown),
		thousands(r.Untold()),
	)
	for _, w := range r.Words() {
		fmt.Fprintln(stdout, "  "+w)
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
