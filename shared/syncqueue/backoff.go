package syncqueue

import "time"

// Backoff is how long to wait before the try after that many: a random part of
// base·2^attempts, at most limit, so that those who failed together do not come
// back together ("full jitter"); and never less than retryAfter, to which a
// small random part is added for the same reason. random is in [0,1).
//
// Source: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
func Backoff(attempts int, base, limit, retryAfter time.Duration, random func() float64) time.Duration {
	base, limit, retryAfter = max(base, 0), max(limit, 0), max(retryAfter, 0)
	ceiling := min(base, limit)
	for range min(max(attempts, 0), 63) { // 63 doublings reach any limit
		ceiling = min(ceiling, limit-ceiling) + ceiling // without overflow
	}
	if retryAfter > 0 {
		ceiling = min(ceiling, max(time.Second, retryAfter/4))
	}
	return retryAfter + time.Duration(random()*float64(ceiling))
}
