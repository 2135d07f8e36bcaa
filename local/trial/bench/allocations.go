package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"hotsync/local/sandbox/zuorasandbox"
	"hotsync/local/stack"
	"hotsync/shared/claims"
	"hotsync/shared/convergence"
	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
	"hotsync/shared/zuora"
)

// allocationRows count what the pure steps of a sync allocate, and how that grows with the subscriptions.
func allocationRows(ctx context.Context, b *bench) ([]row, error) {
	s, err := b.stack(ctx, stack.Options{Paused: true})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	client, err := zuora.New(zuora.Config{BaseURL: s.ZuoraURL, Now: time.Now, Credentials: zuorasandbox.Credentials})
	if err != nil {
		return nil, err
	}
	const runs = 20
	rows := []row{{name: "claims.Parse of two accounts: allocations", fixed: true,
		value: testing.AllocsPerRun(runs, func() { claims.Parse([]any{"A00000101", "A00000102"}) })}}
	for n, subscriptions := range []int{3, 60} {
		id, err := s.putAccount(ctx, n, subscriptions)
		if err != nil {
			return nil, err
		}
		a, err := client.Read(ctx, id, zuora.ReadOptions{})
		if err != nil {
			return nil, err
		}
		opt := projection.Options{Today: time.Now().UTC().Format(time.DateOnly), Tenant: "bench"}
		who := hotsync.Identity{Issuer: "i", Subject: "s"}
		want := projection.Project(a, who, opt)
		rows = append(
			rows,
			row{
				name:  fmt.Sprintf("projection of %d subscriptions: allocations a subscription", subscriptions),
				fixed: true,
				value: testing.AllocsPerRun(runs, func() { projection.Project(a, who, opt) }) / float64(subscriptions),
			},
			row{
				name:  fmt.Sprintf("diff of %d unchanged subscriptions: allocations a subscription", subscriptions),
				fixed: true,
				value: testing.AllocsPerRun(
					runs,
					func() { convergence.Diff(want, want.Objects) },
				) / float64(subscriptions),
			},
		)
	}
	return rows, nil
}
