package main

import (
	"context"
	"fmt"
	"time"

	"hotsync/local/stack"
)

// costRows are the durations and the memory that docs/costs.md reckons with: of a first login and of unchanged ones,
// with tenants that answer at once and with slow ones.
func costRows(ctx context.Context, b *bench) (rows []row, err error) {
	s, err := b.stack(ctx, stack.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	m := &metered{system: s, engines: b.engines}
	const unchanged = 12
	for who, wait := range []time.Duration{0, 0, 200 * time.Millisecond} { // the first of all fetches tokens and settings
		err = s.latency(ctx, wait, wait)
		if err != nil {
			return nil, err
		}
		id, err := s.putAccount(ctx, who, 3)
		if err != nil {
			return nil, err
		}
		var seen [2]int
		for n := range 1 + unchanged {
			token, err := m.tokenOf(ctx, who, id, fmt.Sprint("cost", n))
			if err != nil {
				return nil, err
			}
			_, err = s.sync(ctx, token)
			if err != nil {
				return nil, err
			}
			err = m.quiet(ctx) // a batch's counts are written after the end of its events
			if err != nil {
				return nil, err
			}
			if who == 0 {
				break
			}
			for i, function := range []string{"login", "sync"} {
				all, err := reports(s.Dir, function)
				if err != nil {
					return nil, err
				}
				if n == 0 {
					seen[i] = len(all) - 1
				}
			}
		}
		if who == 0 {
			continue
		}
		for i, function := range []string{"login", "sync"} {
			all, err := reports(s.Dir, function)
			if err != nil {
				return nil, err
			}
			var times []time.Duration
			for _, r := range all[seen[i]+1:] {
				times = append(times, r.duration)
			}
			rows = append(rows, row{name: fmt.Sprintf("%s, first login, %s a call to a tenant", function, wait),
				value: ms(all[seen[i]].duration), unit: "ms", detail: fmt.Sprintf("%d MB", all[seen[i]].memoryMB)},
				row{name: fmt.Sprintf("%s, unchanged login, p50, %s a call to a tenant", function, wait),
					value: ms(percentile(times, 50)), unit: "ms", detail: fmt.Sprintf("%d MB", all[len(all)-1].memoryMB)})
		}
	}
	return rows, nil
}
