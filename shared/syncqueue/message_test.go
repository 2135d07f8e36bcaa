package syncqueue_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/syncqueue"
)

var start = time.Date(2026, 11, 15, 12, 0, 0, 123456789, time.UTC)

const someAccount = "8ad08d2990f5fb9a0190f77a1a2b3c4d"

func request(names ...string) hotsync.SyncRequest {
	return hotsync.SyncRequest{EventID: hotsync.EventIDFor(start, names...), LoginID: "login-1",
		Trigger: hotsync.TriggerLogin,
		Account: "A00000001", RequestedAt: start}
}

func wholeRequest() hotsync.SyncRequest {
	r := request("whole")
	r.Provider, r.Claim, r.AccountID, r.EmailHash = "lookup", "sub", someAccount, "0123456789abcdef"
	r.Identity = hotsync.Identity{Issuer: "https://id.example.com", Subject: "auth0|ada <&>"}
	r.Lookup = &hotsync.Lookup{Field: "LimioExternalId__c", Value: "auth0|ada 'é"}
	r.RetryOf, r.Actor, r.Note, r.Requeued = hotsync.EventIDFor(start, "before"), "sam", "the customer\nis on the phone", 2
	return r
}

func TestEncodeAndDecode(t *testing.T) {
	t.Parallel()

	bounds, early, found := wholeRequest(), request(), request()
	found.Account, found.AccountID = strings.Repeat("A", 71), someAccount // too long for a number, and no longer one
	bounds.Account, bounds.Named = strings.Repeat("A", 256), []string{strings.Repeat("B", 256)}
	bounds.Identity.Subject, bounds.Note = strings.Repeat("s", 2048), strings.Repeat("n", 2048)
	bounds.Requeued, bounds.SentOn = 100_000, 100_000
	bounds.RequestedAt = time.Date(9000, 12, 31, 23, 59, 59, 0, time.UTC)
	early.RequestedAt = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	early.Job, early.Trigger = "job-1", hotsync.TriggerBackfill
	for name, r := range map[string]hotsync.SyncRequest{"least": request(), "whole": wholeRequest(),
		"at its bounds": bounds, "early": early, "found": found,
		"erased": {EventID: request().EventID,
			Trigger: hotsync.TriggerConsole, AccountID: someAccount, Lookup: &hotsync.Lookup{Field: "X__c"},
			RequestedAt: start}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			body, err := syncqueue.Encode(r)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(body, `{"v":1,`) {
				t.Errorf("body = %.20s…, want it to begin with its version", body)
			}
			got, err := syncqueue.Decode(body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r, got); diff != "" {
				t.Errorf("Decode(Encode(r)) mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// What this release does not know yet does not make a message malformed: the
// functions of a deployment change one after the other.
func TestDecodeLetsNewFieldsPass(t *testing.T) {
	t.Parallel()

	body, err := syncqueue.Encode(request())
	if err != nil {
		t.Fatal(err)
	}
	got, err := syncqueue.Decode(strings.Replace(body, "{", `{"priority":"high",`, 1))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(request(), got); diff != "" {
		t.Errorf("Decode mismatch (-want +got):\n%s", diff)
	}
}

// Times are UTC here, however a message writes them.
func TestDecodeToUTC(t *testing.T) {
	t.Parallel()

	r := request()
	r.RequestedAt = start.In(time.FixedZone("", 3600))
	body, err := syncqueue.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := syncqueue.Decode(body)
	if err != nil || got.RequestedAt.Location() != time.UTC || !got.RequestedAt.Equal(start) {
		t.Errorf("Decode = %s, %v; want %s", got.RequestedAt, err, start)
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()

	good, err := syncqueue.Encode(wholeRequest())
	if err != nil {
		t.Fatal(err)
	}
	edit := func(change func(map[string]any)) string {
		var m map[string]any
		err := json.Unmarshal([]byte(good), &m)
		if err != nil {
			t.Fatal(err)
		}
		change(m)
		body, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	set := func(name string, value any) string { return edit(func(m map[string]any) { m[name] = value }) }
	const secret = "hunter2"
	for name, body := range map[string]string{
		"empty":                  "",
		"no JSON":                secret,
		"null":                   "null",
		"array":                  "[" + good + "]",
		"two":                    good + good,
		"something behind":       good + secret,
		"not UTF-8":              strings.Replace(good, "sam", "\xff", 1),
		"too large":              good + strings.Repeat(" ", syncqueue.MaxMessage),
		"no version":             set("v", nil),
		"later version":          set("v", 2),
		"version as text":        set("v", "1"),
		"no event":               set("event", ""),
		"other event":            set("event", secret),
		"no trigger":             set("trigger", ""),
		"other trigger":          set("trigger", secret),
		"account as list":        set("account", []string{secret}),
		"account id not Zuora's": set("accountId", "../"+secret),
		"account too long":       set("account", strings.Repeat("A", 257)),
		"named too long":         set("named", []string{strings.Repeat("A", 257)}),
		"named broken":           set("named", []string{"A1", secret + "\x00"}),
		"number that is none": edit(func(m map[string]any) {
			delete(m, "accountId")
			delete(m, "lookup")
			m["account"] = "../" + secret
		}),
		"control characters":      set("account", "A1\r\n"+secret),
		"subject too long":        set("sub", secret) + strings.Repeat(" ", 1<<20),
		"identity too long":       set("identity", map[string]string{"sub": strings.Repeat("x", 2049)}),
		"lookup without a field":  set("lookup", map[string]string{"value": secret}),
		"lookup of another field": set("lookup", map[string]string{"field": "Id; drop", "value": secret}),
		"lookup value broken":     set("lookup", map[string]string{"field": "X__c", "value": secret + "\x00"}),
		"note too long":           set("note", strings.Repeat("x", 2049)),
		"no time":                 set("requestedAt", nil),
		"time of another age":     set("requestedAt", "9999-12-31T23:59:59-12:00"),
		"time too early":          set("requestedAt", "1999-12-31T23:59:59Z"),
		"time too late":           set("requestedAt", "9001-01-01T00:00:00Z"),
		"time as text":            set("requestedAt", secret),
		"sent on too often":       set("requeued", 100_001),
		"sent on less than never": set("requeued", -1),
		"sent on and no copy":     set("sentOn", 3), // of 2 copies
		"died less than never":    set("sentOn", -1),
		"nothing named": edit(func(m map[string]any) {
			delete(m, "account")
			delete(m, "accountId")
			delete(m, "lookup")
		}),
		"blank account": edit(func(m map[string]any) { m["account"] = " "; delete(m, "accountId"); delete(m, "lookup") }),
		"empty lookup": edit(func(m map[string]any) {
			delete(m, "account")
			delete(m, "accountId")
			m["lookup"] = map[string]string{"field": "X__c"}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r, err := syncqueue.Decode(body)
			if err == nil || hotsync.AsError(err).Code != hotsync.CodeMessageMalformed {
				t.Fatalf("Decode = %+v, %v; want message_malformed", r, err)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error repeats the body: %v", err)
			}
		})
	}
}

// TestLargest: a message as large as may be is read, and a larger one is not written.
func TestLargest(t *testing.T) {
	t.Parallel()

	r := request()
	r.Named = slices.Repeat([]string{strings.Repeat("A", 256)}, 250)
	r.Note = "."
	least, err := syncqueue.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	r.Note = strings.Repeat(".", 1+syncqueue.MaxMessage-len(least))
	largest, err := syncqueue.Encode(r)
	if err != nil || len(largest) != syncqueue.MaxMessage {
		t.Fatalf("Encode = %d bytes, %v; want %d", len(largest), err, syncqueue.MaxMessage)
	}
	_, err = syncqueue.Decode(largest)
	if err != nil {
		t.Error(err)
	}
	r.Note += "."
	_, err = syncqueue.Encode(r)
	if err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("Encode of a byte more: %v, want it refused", err)
	}
}

func TestEncodeRefusesWhatDecodeWould(t *testing.T) {
	t.Parallel()

	for name, change := range map[string]func(*hotsync.SyncRequest){
		"no event":   func(r *hotsync.SyncRequest) { r.EventID = "" },
		"no account": func(r *hotsync.SyncRequest) { r.Account = "" },
		"no time":    func(r *hotsync.SyncRequest) { r.RequestedAt = time.Time{} },
		"not UTF-8":  func(r *hotsync.SyncRequest) { r.Identity.Subject = "\xff" },
		"long note":  func(r *hotsync.SyncRequest) { r.Note = strings.Repeat("x", syncqueue.MaxMessage) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := request()
			change(&r)
			_, err := syncqueue.Encode(r)
			if err == nil || hotsync.AsError(err).Code != hotsync.CodeMessageMalformed {
				t.Errorf("Encode error = %v, want message_malformed", err)
			}
		})
	}
}

// What is decoded is encoded to a body that says the same, of bounded size.
func FuzzDecode(f *testing.F) {
	for _, r := range []hotsync.SyncRequest{request(), wholeRequest()} {
		body, err := syncqueue.Encode(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add(`{"v":1}`)
	f.Add(
		`{"v":1,"event":"event-01900000000070008000000000000000","trigger":"api","Account":"a","account":"b","requestedAt":"2026-01-01T00:00:00.1+01:00"}`)
	f.Add("null")
	f.Fuzz(func(t *testing.T, body string) {
		r, err := syncqueue.Decode(body)
		if err != nil {
			if hotsync.AsError(err).Code != hotsync.CodeMessageMalformed {
				t.Fatalf("Decode error = %v, want message_malformed", err)
			}
			return
		}
		again, err := syncqueue.Encode(r)
		if err != nil {
			t.Fatalf("what Decode took cannot be encoded: %v", err)
		}
		if len(again) > syncqueue.MaxMessage {
			t.Fatalf("body of %d bytes", len(again))
		}
		back, err := syncqueue.Decode(again)
		if err != nil {
			t.Fatalf("what Encode made cannot be decoded: %v", err)
		}
		if diff := cmp.Diff(r, back); diff != "" {
			t.Fatalf("Decode(Encode(r)) mismatch (-want +got):\n%s", diff)
		}
	})
}
