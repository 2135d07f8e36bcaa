package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"hotsync/local/stack"
	"hotsync/shared/catalogue"
)

// items are n items of a catalogue, of 6 KB each, as those of a tenant that was
// recorded.
func items(n int) []map[string]any {
	text := map[string]any{}
	for i := range 40 {
		text[fmt.Sprintf("feature%02d", i)] = strings.Repeat("lorem ipsum ", 10)
	}
	var out []map[string]any
	for i := range n {
		product := map[string]any{
			"path":        fmt.Sprintf("/products/%d", i%37),
			"record_type": "product",
			"attributes": map[string]any{
				"display_name__limio": "Digital",
				"product_code__limio": fmt.Sprintf("SKU-%d", i%37),
			},
		}
		out = append(out, map[string]any{"path": fmt.Sprintf("/offers2/%04d", i), "id": fmt.Sprintf("id-%04d", i),
			"name": "Offer", "version": "1",
			"type": "item", "data": map[string]any{"record_type": "offer", "products": []any{product},
				"productBundles": []any{map[string]any{"rate_plan": fmt.Sprintf("Plan %d", i%200),
					"product_path": product["path"]}},
				"attributes": map[string]any{
					"display_name__limio": "Offer",
					"features__limio":     text,
					"price__limio": []any{
						map[string]any{"type": "recurring", "currencyCode": "GBP", "value": "10.00"},
					},
				}}})
	}
	return out
}

// index is the catalogue of those items.
func index(n int) (*catalogue.Index, error) {
	var b catalogue.Builder
	for _, item := range items(n) {
		raw, err := json.Marshal(item)
		if err != nil {
			return nil, err
		}
		var i catalogue.Item
		err = json.Unmarshal(raw, &i)
		if err != nil {
			return nil, err
		}
		b.Add(i)
	}
	return b.Index(), nil
}

// catalogueRows measures what a large catalogue costs a sync.
func catalogueRows(ctx context.Context, b *bench) ([]row, error) {
	var took []time.Duration
	matched := 0
	for range 21 {
		x, err := index(400) // anew: none of it was asked for
		if err != nil {
			return nil, err
		}
		begun := time.Now()
		for n := range 60 {
			m := x.Match(
				catalogue.Facts{RatePlanName: fmt.Sprintf("Plan %d", n), ProductSKU: fmt.Sprintf("SKU-%d", n%37),
					Currency: "GBP"},
			)
			if m.Standing != catalogue.Unmatched {
				matched++
			}
		}
		took = append(took, time.Since(begun))
	}
	if matched == 0 {
		return nil, fmt.Errorf("nothing was matched")
	}
	peak, err := b.catalogueMemory(ctx, 2000)
	if err != nil {
		return nil, err
	}
	return []row{
		{name: "60 rate plans matched in 400 items of 6 KB", value: ms(percentile(took, 50)), target: 5, unit: "ms"},
		{name: "peak memory of the sync process, 2,000 items", value: float64(peak), target: 96, unit: "MB",
			detail: "30 accounts of 60 subscriptions, twice, ten at a time"},
	}, nil
}

// catalogueMemory is the peak memory, in MB, of a sync process that keeps a
// catalogue of n items.
func (b *bench) catalogueMemory(ctx context.Context, n int) (int, error) {
	s, err := b.stack(ctx, stack.Options{Paused: true})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	err = call(ctx, http.MethodPut, s.LimioURL+"/_sandbox/catalogue", "", map[string]any{"items": items(n)}, nil)
	if err != nil {
		return 0, err
	}
	var ids []string
	for n := range 30 {
		id, err := s.putAccount(ctx, n, 60)
		if err != nil {
			return 0, err
		}
		ids = append(ids, id)
	}
	for range 2 {
		for i := 0; i < len(ids); i += 10 {
			_, err = s.handle(ctx, ids[i:i+10])
			if err != nil {
				return 0, err
			}
		}
	}
	all, err := reports(s.Dir, "sync")
	if err != nil {
		return 0, err
	}
	peak := 0
	for _, r := range all {
		peak = max(peak, r.memoryMB)
	}
	return peak, nil
}
