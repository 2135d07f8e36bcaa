package lambdafn

import (
	"runtime/debug"
	"strconv"
	"strings"
)

// gcPercent is how much a heap may grow before it is collected, of what is in use.
// Go's own 100 took 101 MB for ten accounts of sixty subscriptions beside a catalogue
// of 2,000 items.
const gcPercent = 70

// LimitMemory has the collector run a little more often than by itself, and keep the
// process within three quarters of the function's memory
// (AWS_LAMBDA_FUNCTION_MEMORY_SIZE, in MB: 192 MiB of 256). It returns the limit in
// bytes, 0 where there is none. A GOMEMLIMIT or GOGC of the environment stays.
//
// The limit is a soft one, against the end of the process and not for thrift: a heap
// that lives near its limit is collected all the time, which takes half of the CPU.
// At 48 MiB, ten first syncs of sixty subscriptions took three times the CPU each,
// of two hundred six times (docs/performance.md). The binary is not counted.
func LimitMemory(getenv func(string) string) int64 {
	if getenv("GOMEMLIMIT") != "" {
		return debug.SetMemoryLimit(-1) // as it is
	}
	mb, err := strconv.ParseInt(strings.TrimSpace(getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")), 10, 32)
	if err != nil || mb <= 0 {
		return 0
	}
	limit := mb << 20 / 4 * 3
	debug.SetMemoryLimit(limit)
	if getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	return limit
}
