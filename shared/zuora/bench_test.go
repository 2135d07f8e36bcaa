package zuora

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"hotsync/local/sandbox/persona"
	"hotsync/shared/billing"
)

// sixtySubscriptions is the answer that the persona of 60 subscriptions would
// fill, were pages larger.
func sixtySubscriptions(tb testing.TB) (accountID string, body []byte) {
	tb.Helper()
	p, ok := persona.Find("sixty", time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC))
	if !ok {
		tb.Fatal("no persona sixty")
	}
	var list []string
	for _, s := range p.Accounts[0].Subscriptions {
		list = append(list, string(s))
	}
	body = fmt.Appendf(nil, `{"success":true,"subscriptions":[%s]}`, strings.Join(list, ","))
	if !json.Valid(body) {
		tb.Fatal("not JSON")
	}
	return p.Accounts[0].ID, body
}

func BenchmarkReadSubscriptions(b *testing.B) {
	id, body := sixtySubscriptions(b)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		page, err := readSubscriptions(bytes.NewReader(body), id)
		if err != nil || len(page.subscriptions) != 60 {
			b.Fatalf("%d subscriptions, error %v", len(page.subscriptions), err)
		}
	}
}

func BenchmarkReadAccount(b *testing.B) {
	p, _ := persona.Find("wallet", time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC))
	body := []byte(p.Accounts[0].Account)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := readAccount(bytes.NewReader(body), nil)
		if err != nil {
			b.Fatal(err)
		}
	}
}

// TestMemory: 100 accounts of 60 subscriptions each, all in memory at once, must
// leave most of the 64 MB that the whole sync process may have. It measures, so
// it must be alone.
func TestMemory(t *testing.T) {
	id, body := sixtySubscriptions(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var accounts [][]billing.Subscription
	for range 100 {
		page, err := readSubscriptions(bytes.NewReader(body), id)
		if err != nil {
			t.Fatal(err)
		}
		accounts = append(accounts, page.subscriptions)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("100 accounts of 60 subscriptions hold %d KB; one answer has %d KB", held>>10, len(body)>>10)
	if held > 16<<20 {
		t.Errorf("100 accounts of 60 subscriptions hold %d MB, want at most 16", held>>20)
	}
	runtime.KeepAlive(accounts)

	const most = 5_000 // measured 2,455: 41 a subscription
	allocs := testing.AllocsPerRun(5, func() {
		_, err := readSubscriptions(bytes.NewReader(body), id)
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%.0f allocations", allocs)
	if allocs > most {
		t.Errorf("decoding 60 subscriptions takes %.0f allocations, want at most %d", allocs, most)
	}
}
