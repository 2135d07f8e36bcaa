package lambdafn

import (
	"runtime/debug"
	"strconv"
	"strings"
)

// LimitMemory has the collector keep the process within three sixteenths of the
// function's memory (AWS_LAMBDA_FUNCTION_MEMORY_SIZE, in MB: 48 MiB of 256) and
// returns the limit in bytes, 0 where there is none. Go would let a heap grow to
// twice what is in use before it collects. A GOMEMLIMIT of the environment stays.
//
// The limit is a soft one: an account larger than those that were measured may
// exceed it, and collecting then takes half of the CPU at most. The binary is not
// counted.
func LimitMemory(getenv func(string) string) int64 {
	if getenv("GOMEMLIMIT") != "" {
		return debug.SetMemoryLimit(-1) // as it is
	}
	mb, err := strconv.ParseInt(strings.TrimSpace(getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")), 10, 32)
	if err != nil || mb <= 0 {
		return 0
	}
	limit := mb << 20 / 16 * 3
	debug.SetMemoryLimit(limit)
	return limit
}
