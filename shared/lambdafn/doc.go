// Package lambdafn is how a function starts: its environment variables, its
// secrets, and its AWS configuration.
//
// Everything here is light, since a login may wait for a cold start. Package
// wiring, below it, makes the parts that all functions but login have, by the
// SDK's own loader of configurations.
package lambdafn
