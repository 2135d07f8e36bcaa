package apiclient

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what an API can ask us to wait.
const maxRetryAfter = time.Hour

// RetryAfter takes the first value that says something: seconds, or a date, as
// the header Retry-After may have it (RFC 9110, section 10.2.3). It is 0 when
// none does, and an hour at most.
func RetryAfter(now time.Time, values ...string) time.Duration {
	for _, v := range values {
		v = strings.TrimSpace(v)
		seconds, err := strconv.ParseFloat(v, 64)
		if err == nil && seconds >= 0 {
			return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
		}
		at, err := http.ParseTime(v)
		if err == nil {
			return min(max(0, at.Sub(now)), maxRetryAfter)
		}
	}
	return 0
}
