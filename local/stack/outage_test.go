package stack_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"hotsync/local/stack"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/hotsync"
)

// door stands before a sandbox and can be closed: connections are refused then.
type door struct {
	t      *testing.T
	addr   string
	target string // once it is known
	server *httptest.Server
}

func newDoor(t *testing.T) *door {
	d := &door{t: t, addr: "127.0.0.1:0"}
	d.open()
	t.Cleanup(func() { d.server.Close() })
	return d
}

func (d *door) open() {
	d.t.Helper()
	listener, err := net.Listen("tcp", d.addr)
	if err != nil {
		d.t.Fatal(err)
	}
	d.addr = listener.Addr().String()
	d.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target, err := url.Parse(d.target)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		proxy := httputil.NewSingleHostReverseProxy(target)
		// as it was dropped behind the door
		proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
		proxy.ServeHTTP(w, r)
	}))
	d.server.Listener.Close()
	d.server.Listener = listener
	d.server.Start()
}

func (d *door) close() {
	d.server.CloseClientConnections()
	d.server.Close()
}

// TestOutages takes Zuora or Limio away while people sign in, in each of the ways in which
// such a system is away. No sync fails or uses up a try; they wait, and go on within
// seconds when it is over. That the oldest goes first is held in a clock of its own, by
// TestOutagesCostTime of package syncer.
func TestOutages(t *testing.T) {
	t.Parallel()

	for upstream, parameter := range map[string]string{"zuora": "ZuoraBaseUrl", "limio": "LimioBaseUrl"} {
		t.Run(upstream, func(t *testing.T) {
			t.Parallel()

			d := newDoor(t)
			s := stacktest.Start(t, stack.Options{Personas: true, Parameters: map[string]string{parameter: "http://" + d.addr}})
			d.target = s.ZuoraURL
			if upstream == "limio" {
				d.target = s.LimioURL
			}
			sandbox := d.target
			behave := func(fault doc) func() {
				return func() { s.Behave(sandbox, doc{"faults": []doc{fault}}) }
			}
			for n, tc := range []struct {
				name       string
				begin, end func()
			}{
				{name: "503", begin: behave(doc{"match": "* /**", "status": 503, "body": doc{"message": "away"}})},
				{name: "502 without a word", begin: behave(doc{"match": "* /**", "status": 502})},
				{name: "429 with Retry-After",
					begin: behave(doc{"match": "* /**", "status": 429, "headers": doc{"Retry-After": "3"}})},
				{name: "drops connections", begin: behave(doc{"match": "* /**", "drop": true})},
				{name: "refuses connections", begin: d.close, end: d.open},
				{name: "hangs", begin: behave(doc{"match": "* /**", "hang": true})},
			} {
				t.Run(tc.name, func(t *testing.T) {
					s := s.For(t)
					tc.begin()
					var ids []string
					for i, p := range []string{"single", "mixed", "wallet"} {
						a := s.Login(s.Token("direct", map[string]any{"sub": fmt.Sprintf("direct|outage-%d-%d", n, i),
							"zuora_account_ids": find(t, p).Accounts[0].ID}))
						ids = append(ids, a.Queued[0].Event)
					}
					for _, id := range ids {
						e := s.AwaitEvent(id, "waits",
							func(e hotsync.Event) bool { return e.Status == hotsync.StatusRetrying || e.Status.Final() })
						if e.Status.Final() || e.Reason != hotsync.ReasonPaused {
							t.Errorf("during the outage it is %s %s: %+v", e.Status, e.Reason, e.Error)
						}
					}
					if tc.end == nil {
						s.Behave(sandbox, doc{})
					} else {
						tc.end()
					}
					over := time.Now()
					for _, id := range ids {
						e := s.Await(id)
						if e.Status != hotsync.StatusSucceeded || len(e.Attempts) != 1 {
							t.Errorf("after the outage it is %s %s after %d tries: %+v", e.Status, e.Reason, len(e.Attempts), e.Error)
						}
					}
					took := time.Since(over)
					t.Logf("all went on within %s", took.Round(100*time.Millisecond))
					// The longest pause (or the time that a call may take, of one that hung), the spread behind it, a queue that
					// counts in seconds, and a busy computer.
					if most := 30 * time.Second; took > most {
						t.Errorf("they went on after %s, want %s at most", took, most)
					}
				})
			}
		})
	}
}
