package lambdafn

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Environment reads a function's environment variables and remembers what is wrong
// with them, so that a badly deployed function stops at init and not at the first
// login.
type Environment struct {
	get      func(string) string
	problems []string
}

// NewEnvironment makes one on a look-up such as os.Getenv.
func NewEnvironment(get func(string) string) *Environment { return &Environment{get: get} }

// Err names every variable that is missing or wrong and how to set it; nil when
// there is none.
func (r *Environment) Err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(r.problems, "; "))
}

func (r *Environment) problem(format string, args ...any) {
	p := fmt.Sprintf(format, args...)
	if !slices.Contains(r.problems, p) { // several parts may be over one table
		r.problems = append(r.problems, p)
	}
}

// Getenv returns a variable as it is.
func (r *Environment) Getenv(name string) string { return r.get(name) }

// Text returns a variable that must not be empty; how says what to set it to.
func (r *Environment) Text(name, how string) string {
	v := strings.TrimSpace(r.get(name))
	if v == "" {
		r.problem("set %s to %s", name, how)
	}
	return v
}

// Number returns a whole number from low to high, or fallback when the variable
// is empty.
func (r *Environment) Number(name string, fallback, low, high int) int {
	v := strings.TrimSpace(r.get(name))
	if v == "" {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high {
		r.problem("set %s to a number from %d to %d (it is %q)", name, low, high, v)
		return fallback
	}
	return n
}

// URL returns an http or https address without path; plain http is for loopback
// addresses only.
func (r *Environment) URL(name, how string) string {
	v := r.Text(name, how)
	if v == "" {
		return ""
	}
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" ||
		u.Fragment != "" ||
		u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		r.problem("set %s to %s (it is %q)", name, how, v)
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func loopback(host string) bool { return host == "127.0.0.1" || host == "::1" || host == "localhost" }

// Note takes what another constructor says about its variables into Err.
func (r *Environment) Note(err error) {
	if err != nil {
		r.problem("%v", err)
	}
}
