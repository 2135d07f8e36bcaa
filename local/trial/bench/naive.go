package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"hotsync/local/sandbox/zuorasandbox"
	"hotsync/local/stack"
	"hotsync/local/trial/naive"
	"hotsync/shared/hotsync"
	"hotsync/shared/limio"
	"hotsync/shared/zuora"
)

// The comparison with what a team would first write.
const (
	naiveLogins = 1000
	naivePeople = 300
	naiveZuora  = 20 * time.Millisecond // a call to Zuora, and half of it one to Limio
	writeUnit   = 0.625e-6              // dollars, by the reference that docs/costs.md names
)

// spent is what a run of all logins took.
type spent struct {
	time                 time.Duration
	zuora, reads, writes int
	units                int
}

// naiveRows has the same people sign in in the same order to the product and to package naive, on systems of their own
// with the same accounts, and compares.
func naiveRows(ctx context.Context, b *bench) ([]row, error) {
	order := make([]int, naiveLogins)
	r := rand.New(rand.NewPCG(15, 0))
	for i := range order {
		order[i] = r.IntN(naivePeople)
	}
	plain, err := b.spend(ctx, "naive", order, loginsNaive)
	if err != nil {
		return nil, fmt.Errorf("naive: %w", err)
	}
	product, err := b.spend(ctx, "product", order, loginsProduct)
	if err != nil {
		return nil, fmt.Errorf("product: %w", err)
	}
	share := func(a, b int) float64 { return float64(a) / max(1, float64(b)) }
	detail := func(a, b any) string { return fmt.Sprintf("%v : %v", a, b) }
	return []row{
		{
			name:  fmt.Sprintf("naive : product, time of %d logins of %d people", naiveLogins, naivePeople),
			value: ratio(plain.time, product.time),
			unit:  "x",
			detail: detail(
				plain.time.Round(time.Millisecond),
				product.time.Round(time.Millisecond),
			) + fmt.Sprintf("; %s a call to Zuora, half to Limio", naiveZuora),
		},
		{
			name:   "naive : product, Zuora calls",
			value:  share(plain.zuora, product.zuora),
			unit:   "x",
			detail: detail(plain.zuora, product.zuora),
		},
		{
			name:   "naive : product, Limio writes",
			value:  share(plain.writes, product.writes),
			unit:   "x",
			detail: detail(plain.writes, product.writes),
		},
		{
			name:   "naive : product, Limio reads",
			value:  share(plain.reads, product.reads),
			unit:   "x",
			detail: detail(plain.reads, product.reads),
		},
		{
			name:  "naive : product, write units of the store",
			value: share(plain.units, product.units),
			unit:  "x",
			detail: detail(plain.units, product.units) + fmt.Sprintf(
				", %.2f : %.2f $ a million logins",
				dollars(plain.units),
				dollars(product.units),
			),
		},
	}, nil
}

// dollars is what the units of the run cost, for a million such logins.
func dollars(units int) float64 { return float64(units) * writeUnit * 1e6 / naiveLogins }

type runLogins func(ctx context.Context, m *metered, ids []string, order []int) error

// spend runs the logins on a system of its own.
func (b *bench) spend(ctx context.Context, name string, order []int, run runLogins) (spent, error) {
	m, err := b.metered(ctx, stack.Options{Paused: name == "naive"})
	if err != nil {
		return spent{}, err
	}
	defer m.close()
	defer m.Close()
	ids := make([]string, naivePeople)
	for n := range ids {
		ids[n], err = m.putAccount(ctx, n, 3)
		if err != nil {
			return spent{}, err
		}
	}
	err = m.latency(ctx, naiveZuora, naiveZuora/2)
	if err != nil {
		return spent{}, err
	}
	m.meter.Taken()
	zuoraBefore, err := m.requests(ctx, m.ZuoraURL)
	if err != nil {
		return spent{}, err
	}
	limioBefore, err := m.requests(ctx, m.LimioURL)
	if err != nil {
		return spent{}, err
	}
	began := time.Now()
	err = run(ctx, m, ids, order)
	if err != nil {
		return spent{}, err
	}
	out := spent{time: time.Since(began)}
	zuoraAfter, err := m.requests(ctx, m.ZuoraURL)
	if err != nil {
		return spent{}, err
	}
	limioAfter, err := m.requests(ctx, m.LimioURL)
	if err != nil {
		return spent{}, err
	}
	out.zuora = len(zuoraAfter) - len(zuoraBefore)
	for _, r := range limioAfter[len(limioBefore):] {
		if r.Method == http.MethodGet {
			out.reads++
		} else {
			out.writes++
		}
	}
	for _, c := range m.meter.Taken() {
		if c.Function != "ConsoleFunction" {
			out.units += c.WriteUnits
		}
	}
	return out, nil
}

// loginsNaive syncs one login after the other, in this process.
func loginsNaive(ctx context.Context, m *metered, ids []string, order []int) error {
	z, err := zuora.New(
		zuora.Config{BaseURL: m.ZuoraURL, Now: time.Now, Transport: naive.OneAtATime(http.DefaultTransport),
			Credentials: zuorasandbox.Credentials},
	)
	if err != nil {
		return err
	}
	l, err := limio.New(limio.Config{BaseURL: m.LimioURL, HTTP: naive.OneAtATime(http.DefaultTransport),
		Credentials: stack.LimioCredentials})
	if err != nil {
		return err
	}
	table := ""
	for _, t := range m.Template.Tables {
		if t.LogicalID == "EventsTable" {
			table = t.Name
		}
	}
	s := naive.Syncer{Zuora: z, Limio: l, Table: naive.Table{Client: m.Engines.DynamoDB(), Name: table}}
	for _, person := range order {
		err := s.Login(
			ctx,
			hotsync.Identity{Issuer: m.IDPURL + "/direct", Subject: fmt.Sprint("direct|", person)},
			ids[person],
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// loginsProduct signs everybody in and waits until nothing is left to do.
func loginsProduct(ctx context.Context, m *metered, ids []string, order []int) error {
	var mu sync.Mutex
	last := map[string]bool{}
	group, ctx2 := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, person := range order {
		group.Go(func() error {
			token, err := m.token(
				ctx2,
				"direct",
				map[string]any{"sub": fmt.Sprint("direct|", person), "zuora_account_ids": ids[person], "nonce": i},
			)
			if err != nil {
				return err
			}
			var admitted struct{ Queued []struct{ Event string } }
			err = call(ctx2, http.MethodPost, m.URL+"/login", token, nil, &admitted)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, q := range admitted.Queued {
				last[q.Event] = true
			}
			return nil
		})
	}
	err := group.Wait()
	if err != nil {
		return err
	}
	err = m.quiet(ctx)
	if err != nil {
		return err
	}
	for id := range last {
		e, err := m.await(ctx, id)
		if err != nil {
			return err
		}
		if e.Status == hotsync.StatusFailed {
			return fmt.Errorf("event %s failed: %s", id, e.Reason)
		}
	}
	return nil
}
