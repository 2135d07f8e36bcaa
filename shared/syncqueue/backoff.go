package syncqueue

import "time"

// Backoff is how long to wait before the try after that many: a random part of
// base·2^attempts, at most limit, so that those who failed together do not come
// back together ("full jitter"); and never less than retryAfter, to which the
// random part is added for the same reason. random is in [0,1).
//
// Source: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
func Backoff(attempts int, base, limit, retryAfter time.Duration, random func() float64) time.Duration {
	ceiling := limit
	if attempts < 32 && base<<max(0, attempts) > 0 {
		ceiling = min(limit, base<<max(0, attempts))
	}
	if retryAfter > 0 {
		ceiling = min(ceiling, max(time.Second, retryAfter/4))
	}
	return retryAfter + time.Duration(random()*float64(ceiling))
}
