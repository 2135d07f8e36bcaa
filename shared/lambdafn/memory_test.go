package lambdafn_test

import (
	"runtime"
	"runtime/debug"
	"testing"

	"hotsync/shared/lambdafn"
)

// TestLimitMemory is not parallel: there is one limit for the process.
func TestLimitMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	percent := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetMemoryLimit(before); debug.SetGCPercent(percent) })
	for _, tc := range []struct {
		size, own, gogc string
		want            int64
		in              int64 // what is in force afterwards
		percent         int
	}{
		{"", "", "", 0, before, 100},
		{"many", "", "", 0, before, 100},
		{"-256", "", "", 0, before, 100},
		{"0", "", "", 0, before, 100},
		{"2147483648", "", "", 0, before, 100},           // more than there can be
		{"256", "", "", 192 << 20, (192 + 32) << 20, 40}, // 32 of them are never touched
		{" 512 ", "", "", 384 << 20, (384 + 32) << 20, 40},
		{"256", "40MiB", "", before, before, 100},
		{"256", "", "200", 192 << 20, 192 << 20, 100},
	} {
		debug.SetMemoryLimit(before)
		debug.SetGCPercent(100)
		got := lambdafn.LimitMemory(func(name string) string {
			return map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": tc.size, "GOMEMLIMIT": tc.own, "GOGC": tc.gogc}[name]
		})
		if now := debug.SetMemoryLimit(-1); got != tc.want || now != tc.in {
			t.Errorf("%q with GOMEMLIMIT %q: LimitMemory = %d, in force %d; want %d, %d", tc.size, tc.own, got, now, tc.want,
				tc.in)
		}
		var heap runtime.MemStats
		runtime.ReadMemStats(&heap)
		if tc.percent == 40 && heap.HeapAlloc < 32<<20 {
			t.Errorf("%q: %d bytes in use, want the floor among them", tc.size, heap.HeapAlloc)
		}
		if now := debug.SetGCPercent(100); now != tc.percent {
			t.Errorf("%q with GOGC %q: %d percent; want %d", tc.size, tc.gogc, now, tc.percent)
		}
	}
}
