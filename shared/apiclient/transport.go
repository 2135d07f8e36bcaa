package apiclient

import (
	"net"
	"net/http"
	"time"
)

// NewTransport is http.DefaultTransport for one host and so many calls at once.
// Idle connections are let go before load balancers do, commonly after a minute.
// A frozen Lambda wakes up with connections that are long dead: pings find out.
func NewTransport(inFlight int) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 2 * time.Second},
		MaxIdleConnsPerHost:    inFlight,
		IdleConnTimeout:        50 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}
