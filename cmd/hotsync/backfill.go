package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"hotsync/cmd/hotsync/internal/drift"
	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
	"hotsync/shared/lambdafn/wiring"
	"hotsync/shared/zuora"
)

// backfillFlags are what a backfill was asked for.
type backfillFlags struct {
	file, zoql, since, subjects      string
	rate                             int
	note, resume, stop, out          string
	dryRun, detach                   bool
	limio, allowLimio, system, actor string
}

var errOneSource = errors.New("name the accounts in one way: a file, --subjects, --zoql or --since")

func (b *backfillFlags) define(f *flag.FlagSet) {
	f.StringVar(
		&b.subjects,
		"subjects",
		"",
		"CSV `file` with issuer, subject and account: people who have signed in before",
	)
	f.StringVar(&b.zoql, "zoql", "", "`condition` of ZOQL for the accounts, such as \"Status = 'Active'\"; * for all")
	f.StringVar(&b.since, "since", "", "`day` since which the accounts were changed in Zuora, such as 2026-11-01")
	f.IntVar(&b.rate, "rate", jobs.DefaultRate, "accounts a minute, at most")
	f.StringVar(&b.note, "note", "", "why, for the audit log and the page of the job")
	f.StringVar(
		&b.resume,
		"resume",
		"",
		"`id` of a job to go on with: its loading, its running after a stop, or watching it",
	)
	f.StringVar(&b.stop, "stop", "", "`id` of a job to stop; what is under way ends")
	f.StringVar(&b.out, "out", "", "`file` for what became of each account, as CSV; standard output when empty")
	f.BoolVar(&b.dryRun, "dry-run", false, "count what would be created and changed, and write nothing")
	f.BoolVar(&b.detach, "detach", false, "begin the job and do not wait for its end")
	f.StringVar(&b.limio, "limio", "", "`address` of the Limio that is meant: refused if the deployment has another")
	f.StringVar(
		&b.allowLimio,
		"allow-limio",
		"",
		"`address` of a Limio that is no production tenant, for a production Zuora; or the reverse",
	)
	f.StringVar(&b.system, "system", "", systemUsage)
}

// check wants a rate, and the accounts named in one way; a job that is there needs neither name.
func (b *backfillFlags) check(stderr io.Writer) error {
	sources := 0
	for _, s := range []string{b.file, b.subjects, b.zoql, b.since} {
		if s != "" {
			sources++
		}
	}
	if b.rate < 1 || b.rate > jobs.MaxRate {
		return fmt.Errorf("--rate must be between 1 and %d accounts a minute", jobs.MaxRate)
	}
	if b.resume == "" && b.stop == "" && sources != 1 || sources > 1 {
		fmt.Fprintln(stderr, "hotsync backfill: "+errOneSource.Error())
		return errUsage
	}
	return nil
}

// backfill begins, watches or stops a job over accounts that somebody listed.
func backfill(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("backfill", stderr)
	var b backfillFlags
	b.define(f)
	err := f.Parse(args)
	if err != nil {
		return parse(f, args, 0) // in its words
	}
	if f.NArg() > 1 {
		return errUsage
	}
	b.file = f.Arg(0)
	err = b.check(stderr)
	if err != nil {
		return err
	}
	if u, err := user.Current(); err == nil {
		b.actor = u.Username
	}
	p, err := parts(ctx, b.system)
	if err != nil {
		return err
	}
	if b.stop == "" {
		err = connected().guard(b.limio, b.allowLimio)
		if err != nil {
			return err
		}
	}
	if b.dryRun {
		return b.count(ctx, p, stdout, stderr)
	}
	return b.run(ctx, p, stdout, stderr)
}

func (b *backfillFlags) run(ctx context.Context, p *wiring.Parts, stdout, stderr io.Writer) error {
	store := p.Jobs()
	kick := p.Kick("RECONCILE_FUNCTION")
	err := p.Err()
	if err != nil {
		return err
	}
	if b.stop != "" {
		j, err := jobs.Change(ctx, store, b.stop, func(j *jobs.Job) error { return j.Stop(b.actor) })
		if err != nil {
			return plain(err)
		}
		fmt.Fprintf(
			stderr,
			"%s is stopped; %d accounts that are under way end. hotsync backfill --resume %s goes on with it\n",
			j.ID,
			j.InFlight(),
			j.ID,
		)
		return nil
	}
	j, err := b.begin(ctx, store, stderr)
	if err != nil {
		return plain(err)
	}
	if j.Status == jobs.Loading {
		j, err = b.load(ctx, store, j)
		if err != nil {
			return fmt.Errorf("%w; hotsync backfill --resume %s %s goes on", plain(err), j.ID, b.file+b.subjects)
		}
	}
	for _, o := range j.Overlaps {
		fmt.Fprintf(
			stderr,
			"note: about %.0f %% of these accounts are also in %s, which has not ended; each is synced once at a time\n",
			max(1, 100*o.Share),
			o.Job,
		)
	}
	err = kick(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "the job begins within a minute: the function that advances it could not be called")
	}
	if b.detach {
		fmt.Fprintln(stdout, j.ID)
		return nil
	}
	return b.watch(ctx, store, j.ID, stdout, stderr)
}

// plain is an error in words for the person at the command line.
func plain(err error) error {
	var e *hotsync.Error
	if errors.As(err, &e) && e.Code != hotsync.CodeInternal {
		return errors.New(strings.TrimSuffix(e.Message, "."))
	}
	return err
}

// begin makes the job, or finds the one to go on with.
func (b *backfillFlags) begin(ctx context.Context, store jobs.Store, stderr io.Writer) (jobs.Job, error) {
	file := b.file + b.subjects
	var seen surveyed
	if file != "" {
		var err error
		seen, err = b.survey(file, stderr)
		if err != nil {
			return jobs.Job{}, err
		}
		if seen.rows == seen.bad {
			return jobs.Job{}, fmt.Errorf("%s: no row names an account", file)
		}
	}
	if b.resume != "" {
		j, err := store.Job(ctx, b.resume)
		switch {
		case err != nil:
			return j, err
		case j.Status == jobs.Stopped:
			j, err = jobs.Change(ctx, store, j.ID, func(j *jobs.Job) error { return j.Resume(b.actor) })
			if err != nil {
				return j, err
			}
		}
		switch {
		case file != "" && j.Source.File != seen.digest:
			return j, fmt.Errorf("%s is not the file that %s was begun with", file, j.ID)
		case file == "" && j.Status == jobs.Loading:
			return j, fmt.Errorf("%s was not loaded to its end: give its file again", j.ID)
		}
		return j, nil
	}
	r := jobs.Request{
		Kind:     jobs.Backfill,
		Rate:     b.rate,
		Note:     hotsync.MaskAddresses(b.note),
		Actor:    b.actor,
		Issuers:  seen.issuers,
		Expected: seen.rows,
	}
	switch {
	case file != "":
		r.Source.File, r.Title = seen.digest, fmt.Sprintf("Accounts of a file, %d rows", seen.rows)
	case b.since != "":
		where, err := sinceCondition(b.since)
		if err != nil {
			return jobs.Job{}, err
		}
		r.Source.ZOQL, r.Title = where, "Accounts changed in Zuora since "+b.since
	default:
		err := zuora.CheckCondition(b.zoql)
		if err != nil {
			return jobs.Job{}, err
		}
		r.Source.ZOQL, r.Title = b.zoql, "Accounts that Zuora lists"
	}
	j, err := jobs.New(r, time.Now(), rand.Read)
	if err != nil {
		return j, err
	}
	j, err = store.SaveJob(ctx, j)
	if err == nil {
		fmt.Fprintln(stderr, "job "+j.ID)
	}
	return j, err
}

// sinceCondition is the condition of ZOQL for accounts changed since a day.
func sinceCondition(day string) (string, error) {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return "", fmt.Errorf("--since %s is no day; want one such as 2026-11-01", day)
	}
	return "UpdatedDate >= '" + at.Format("2006-01-02T15:04:05.000-07:00") + "'", nil
}

// maxTold bounds how many bad rows are told one by one.
const maxTold = 20

// surveyed is what a file was found to be.
type surveyed struct {
	digest    string
	rows, bad int
	issuers   []string // of its logins
}

// survey reads the file once before anything is begun: what it is, how many rows it
// has, and which of them name no account.
func (b *backfillFlags) survey(file string, stderr io.Writer) (seen surveyed, err error) {
	in, err := os.Open(file)
	if err != nil {
		return seen, err
	}
	defer in.Close()
	sum := sha256.New()
	err = jobs.ReadAccounts(io.TeeReader(in, sum), b.subjects != "", func(r jobs.Row) error {
		seen.rows++
		if r.Problem != "" {
			seen.bad++
			if seen.bad <= maxTold {
				fmt.Fprintf(stderr, "%s:%d: the row %s\n", file, r.Line, r.Problem)
			}
			return nil
		}
		if issuer := r.Login.Issuer; issuer != "" && !slices.Contains(seen.issuers, issuer) {
			seen.issuers = append(seen.issuers, issuer)
		}
		if len(seen.issuers) > jobs.MaxIssuers {
			return fmt.Errorf(
				"line %d is the login of one issuer more than %d; want the column issuer to name identity providers",
				r.Line,
				jobs.MaxIssuers,
			)
		}
		return nil
	})
	if err != nil {
		return seen, fmt.Errorf("%s: %w", file, err)
	}
	if seen.bad > maxTold {
		fmt.Fprintf(
			stderr,
			"%s: and %d more rows that name no account; the result lists them all\n",
			file,
			seen.bad-maxTold,
		)
	}
	seen.digest = hex.EncodeToString(sum.Sum(nil))
	return seen, nil
}

// load writes the file's accounts into the job.
func (b *backfillFlags) load(ctx context.Context, store jobs.Store, j jobs.Job) (jobs.Job, error) {
	in, err := os.Open(b.file + b.subjects)
	if err != nil {
		return j, err
	}
	defer in.Close()
	l := jobs.NewLoader(ctx, store, j)
	err = jobs.ReadAccounts(in, b.subjects != "", l.Add)
	if err != nil {
		return j, err
	}
	loaded, err := l.Close()
	if err != nil {
		return j, err
	}
	return loaded, nil
}

// watch shows how a job goes until it has ended, and then what became of each account.
func (b *backfillFlags) watch(ctx context.Context, store jobs.Store, id string, stdout, stderr io.Writer) error {
	bar := newBar(stderr)
	var j jobs.Job
	for {
		now, err := store.Job(ctx, id)
		if err != nil && ctx.Err() == nil && hotsync.AsError(err).Code == hotsync.CodeNotFound {
			return plain(err)
		}
		if err == nil {
			j = now
			bar.job(j, time.Now())
			if j.Idle() {
				break
			}
		}
		next := time.NewTimer(time.Second)
		select {
		case <-ctx.Done():
			next.Stop()
			bar.end()
			fmt.Fprintf(
				stderr,
				"The job goes on without this command. To watch it again: hotsync backfill --resume %s\n"+
					"To stop it: hotsync backfill --stop %s\n",
				id,
				id,
			)
			return errQuiet
		case <-next.C:
		}
	}
	bar.end()
	out := stdout
	if b.out != "" {
		file, err := os.Create(b.out)
		if err != nil {
			return err
		}
		defer file.Close()
		out = file
	}
	err := jobs.WriteResults(ctx, store, j, out)
	if err != nil {
		return err
	}
	c := j.Counts()
	fmt.Fprintf(stderr, "%s is %s: %s accounts, %s\n", j.ID, j.Status, thousands(j.Total), c)
	switch {
	case j.Status == jobs.Stopped && j.Waits == jobs.WaitRefused:
		fmt.Fprintf(
			stderr,
			"Zuora refused to list the accounts: correct the condition and begin again, or the credentials and go on by "+
				"hotsync backfill --resume %s\n",
			j.ID,
		)
	case j.Status == jobs.Stopped:
		fmt.Fprintf(
			stderr,
			"%s accounts wait; hotsync backfill --resume %s goes on\n",
			thousands(c[jobs.Waiting]),
			j.ID,
		)
	}
	if c[jobs.Failed]+c[jobs.Lost] > 0 || j.Status == jobs.Stopped {
		return errQuiet
	}
	return nil
}

// count compares the accounts and says what a backfill would do.
func (b *backfillFlags) count(ctx context.Context, p *wiring.Parts, stdout, stderr io.Writer) error {
	r := &drift.Report{What: "Dry run of a backfill"}
	next, err := b.accounts(ctx, p, r, stderr)
	if err != nil {
		return err
	}
	err = compare(ctx, p, r, next, b.rate, stderr)
	if err != nil {
		return err
	}
	var create, update int
	for _, o := range r.Objects {
		create, update = create+o.Create, update+o.Update+o.End
	}
	fmt.Fprintf(
		stdout,
		"%s accounts: %s to be created, %s to be changed, %s as they should be, %s not in Zuora, %s could not be compared\n",
		thousands(r.Compared),
		thousands(r.Absent),
		thousands(r.Different),
		thousands(r.Equal),
		thousands(r.Unknown),
		thousands(r.Untold()),
	)
	fmt.Fprintf(
		stdout,
		"objects: %s to be created, %s to be changed\nplans without an offer in Limio's catalogue: %s\n",
		thousands(create),
		thousands(update),
		thousands(r.Unmatched),
	)
	if r.Untold() > 0 {
		return errQuiet
	}
	return nil
}

// accounts returns the accounts one after the other, "" at the end.
func (b *backfillFlags) accounts(
	ctx context.Context,
	p *wiring.Parts,
	r *drift.Report,
	stderr io.Writer,
) (func(context.Context) (string, error), error) {
	if file := b.file + b.subjects; file != "" {
		_, err := b.survey(file, stderr)
		if err != nil {
			return nil, err
		}
		return fromFile(ctx, file, b.subjects != "", r), nil
	}
	where := b.zoql
	if b.since != "" {
		var err error
		where, err = sinceCondition(b.since)
		if err != nil {
			return nil, err
		}
	}
	return fromZuora(p.Zuora(), where), nil
}

// fromFile reads a file's accounts as they are asked for.
func fromFile(ctx context.Context, file string, logins bool, r *drift.Report) func(context.Context) (string, error) {
	rows, failed := make(chan jobs.Row), make(chan error, 1)
	go func() {
		defer close(rows)
		in, err := os.Open(file)
		if err == nil {
			err = jobs.ReadAccounts(in, logins, func(row jobs.Row) error {
				select {
				case rows <- row:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			err = errors.Join(err, in.Close())
		}
		failed <- err
	}()
	return func(ctx context.Context) (string, error) {
		for {
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case row, ok := <-rows:
				switch {
				case !ok:
					return "", <-failed
				case row.Problem == "":
					return row.Account, nil
				case len(r.Refused) < maxTold:
					r.Refused = append(r.Refused, fmt.Sprintf("Line %d %s.", row.Line, row.Problem))
				}
			}
		}
	}
}

// zoqlPage is how many accounts one answer of Zuora lists.
const zoqlPage = 2000

// fromZuora lists the accounts that fulfil a condition.
func fromZuora(z *zuora.Client, where string) func(context.Context) (string, error) {
	return oneByOne(func(ctx context.Context, cursor string) (ids []string, next string, err error) {
		page, next, err := z.List(ctx, where, cursor, zoqlPage)
		for _, a := range page {
			ids = append(ids, a.ID)
		}
		return ids, next, err
	})
}

// oneByOne returns what a list has page by page one after the other, "" at the end.
func oneByOne(
	list func(ctx context.Context, cursor string) (page []string, next string, err error),
) func(context.Context) (string, error) {
	var page []string
	cursor, last := "", false
	return func(ctx context.Context) (string, error) {
		for len(page) == 0 {
			if last {
				return "", nil
			}
			var err error
			page, cursor, err = list(ctx, cursor)
			if err != nil {
				return "", plain(err)
			}
			last = cursor == ""
		}
		id := page[0]
		page = page[1:]
		return id, nil
	}
}

func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
