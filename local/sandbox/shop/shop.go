// Package shop is a customer's page of the local system: somebody signs in at the
// identity provider, the page calls POST /login from the browser and, when the
// sync has ended, shows the account as Limio's account pages read it.
//
// The server only hands out the page; every call is the browser's own, so that
// what keeps a real shop's page from calling shows here.
package shop

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"strings"
)

//go:embed page.html
var page string

// Config is where the page finds the others.
type Config struct {
	API      string `json:"api"`
	Limio    string `json:"limio"`
	Provider string `json:"provider"` // the identity provider, whose issuers are below it
	ClientID string `json:"clientId"`
}

// New returns the shop's handler.
func New(c Config) http.Handler {
	raw, err := json.Marshal(c) // escapes < and >, so that it cannot end the script
	if err != nil {
		panic(err) // four texts
	}
	body := []byte(strings.Replace(page, "CONFIG", string(raw), 1))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(body) // an error says that the reader is gone
	})
	return mux
}
