package hotsync

import (
	"net/netip"
	"strings"
)

// IsLoopback reports whether a host of an address, without a port or brackets, is this
// computer: where secrets and tokens may travel over plain http, since they do not leave it.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
