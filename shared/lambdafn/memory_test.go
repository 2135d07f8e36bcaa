package lambdafn_test

import (
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
		size, own string
		want      int64
		in        int64 // what is in force afterwards
	}{
		{"", "", 0, before},
		{"many", "", 0, before},
		{"-256", "", 0, before},
		{"256", "", 192 << 20, 192 << 20},
		{" 512 ", "", 384 << 20, 384 << 20},
		{"256", "40MiB", before, before},
	} {
		debug.SetMemoryLimit(before)
		got := lambdafn.LimitMemory(func(name string) string {
			return map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": tc.size, "GOMEMLIMIT": tc.own}[name]
		})
		if now := debug.SetMemoryLimit(-1); got != tc.want || now != tc.in {
			t.Errorf("%q with GOMEMLIMIT %q: LimitMemory = %d, in force %d; want %d, %d", tc.size, tc.own, got, now, tc.want, tc.in)
		}
	}
}
