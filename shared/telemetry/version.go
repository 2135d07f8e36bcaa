package telemetry

// version is set when a function is built for a deployment, see Makefile and
// local/release: -ldflags "-X hotsync/shared/telemetry.version=1.2.3".
var version = "development"

// Version tells which version of hotsync this program was built from.
func Version() string { return version }
