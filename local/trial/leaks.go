package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"hotsync/local/sandbox/zuorasandbox"
	"hotsync/local/stack"
	"hotsync/shared/hotsync"
)

// secret is text that must not be found in a place.
type secret struct {
	name string
	find *regexp.Regexp
}

func literally(name, text string) secret {
	return secret{name, regexp.MustCompile(regexp.QuoteMeta(text))}
}

// nowhere are secrets that no log, event, page or Limio object may hold.
var nowhere = []secret{
	literally("a value that must never be copied out of Zuora", zuorasandbox.Canary),
	literally("Zuora's client secret", zuorasandbox.DefaultClientSecret),
	literally("Limio's client secret", stack.LimioClientSecret),
	{"a JSON Web Token", regexp.MustCompile(`eyJ[\w-]{10,}\.eyJ`)},
	{"a bearer token", regexp.MustCompile(`(?i)bearer [\w.-]{16,}`)},
}

// personal must not be in logs and not in events either: values of changes are
// masked, and an e-mail address is kept as a hash only.
var personal = []secret{
	{"an e-mail address", regexp.MustCompile(`[\w.+-]+@[\w-]+\.(com|org|net)`)},
	{"a name or an address", regexp.MustCompile(`\b(First|Last|Street|Post)-[0-9a-f]{8}\b`)},
}

// subjects must not be in logs: a subject may be an e-mail address.
var subjects = []secret{{"the subject of a login", regexp.MustCompile(`(soak|storm)(\||%7C)\d{6}`)}}

// search returns what is found, each with some of the text before it.
func search(place string, text []byte, secrets ...[]secret) []string {
	var out []string
	for _, list := range secrets {
		for _, s := range list {
			at := s.find.FindIndex(text)
			if at != nil {
				line := text[bytes.LastIndexByte(text[:at[0]], '\n')+1 : at[0]]
				out = append(out, fmt.Sprintf("%s has %s, after %.160q", place, s.name, line[max(0, len(line)-160):]))
			}
		}
	}
	return out
}

// checkLeaks searches everything that a run has left behind.
func (r *run) checkLeaks(ctx context.Context, out *report, events map[string]hotsync.Event) error {
	logs, err := filepath.Glob(filepath.Join(r.stack.Dir, "logs", "*.log"))
	if err != nil {
		return err
	}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		out.leaks = append(out.leaks, search(filepath.Base(name), text, nowhere, personal, subjects)...)
	}
	for id, e := range events {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		out.leaks = append(out.leaks, search("event "+id, text, nowhere, personal)...)
	}
	var state json.RawMessage
	err = call(ctx, "GET", r.stack.LimioURL+"/_sandbox/state", "", nil, &state)
	if err != nil {
		return err
	}
	out.leaks = append(out.leaks, search("Limio", state, nowhere)...)
	return nil
}
