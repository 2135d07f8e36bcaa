package lambdahost

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// preflight does what an HTTP API with a CorsConfiguration does before any route:
// it answers a preflight itself, whatever the path, and lets pages of the allowed
// origins read the answers to their requests. It reports whether the request is
// answered. Origins are compared exactly; one that is not allowed gets the same
// answers without a word that a browser would take for leave.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
func (g *gateway) preflight(w http.ResponseWriter, r *http.Request) (answered bool) {
	origin := r.Header.Get("Origin")
	if g.cors == nil || origin == "" {
		return false
	}
	allowed := slices.Contains(g.cors.Origins, origin)
	if allowed {
		w.Header().Set("Access-Control-Allow-Origin", origin)
	}
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	if allowed {
		w.Header().Set("Access-Control-Allow-Methods", strings.Join(g.cors.Methods, ","))
		w.Header().Set("Access-Control-Allow-Headers", strings.Join(g.cors.Headers, ","))
		w.Header().Set("Access-Control-Max-Age", strconv.Itoa(g.cors.MaxAge))
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// withoutCORS takes off what a function says about CORS: an HTTP API that is
// configured for it says so itself and ignores the function's headers.
func (a answer) withoutCORS() {
	maps.DeleteFunc(a.headers, func(name, _ string) bool { return strings.HasPrefix(name, "access-control-") })
}
