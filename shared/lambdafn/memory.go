package lambdafn

import (
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	// gcPercent is how much a heap may grow before it is collected, of what is in use
	// and of the floor. Go's own 100 without a floor took 101 MB for ten accounts of
	// sixty subscriptions beside a catalogue of 2,000 items.
	gcPercent = 40
	// floorBytes are counted as in use, so that a small heap is collected once in 15 MB
	// and not in 3, which is a sync or three; that took a third of a sync's CPU. A
	// percentage alone that helps a small heap lets a large one grow beyond all bounds.
	floorBytes = 32 << 20
)

// floor holds nothing and is never touched, and so takes no memory of the computer.
//
//lint:ignore U1000 it is there for the collector alone
var floor []byte

// LimitMemory has the collector run less often on a small heap than by itself, more
// often on a large one, and keep the process within three quarters of the function's
// memory (AWS_LAMBDA_FUNCTION_MEMORY_SIZE, in MB: 192 MiB of 256). It returns the limit
// in bytes, 0 where there is none. A GOMEMLIMIT or GOGC of the environment stays.
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
	if getenv("GOGC") != "" {
		debug.SetMemoryLimit(limit)
		return limit
	}
	floor = make([]byte, floorBytes)
	debug.SetMemoryLimit(limit + floorBytes)
	debug.SetGCPercent(gcPercent)
	return limit
}
