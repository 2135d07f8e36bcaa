package syncqueue_test

import (
	"encoding/json"
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

	for name, r := range map[string]hotsync.SyncRequest{"least": request(), "whole": wholeRequest(),
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
		"empty":                   "",
		"no JSON":                 secret,
		"null":                    "null",
		"array":                   "[" + good + "]",
		"two":                     good + good,
		"something behind":        good + secret,
		"not UTF-8":               strings.Replace(good, "sam", "\xff", 1),
		"too large":               good + strings.Repeat(" ", syncqueue.MaxMessage),
		"no version":              set("v", nil),
		"later version":           set("v", 2),
		"version as text":         set("v", "1"),
		"no event":                set("event", ""),
		"other event":             set("event", secret),
		"no trigger":              set("trigger", ""),
		"other trigger":           set("trigger", secret),
		"account as list":         set("account", []string{secret}),
		"account id not Zuora's":  set("accountId", "../"+secret),
		"account too long":        set("account", strings.Repeat("A", 257)),
		"control characters":      set("account", "A1\r\n"+secret),
		"subject too long":        set("sub", secret) + strings.Repeat(" ", 1<<20),
		"identity too long":       set("identity", map[string]string{"sub": strings.Repeat("x", 3000)}),
		"lookup without a field":  set("lookup", map[string]string{"value": secret}),
		"lookup of another field": set("lookup", map[string]string{"field": "Id; drop", "value": secret}),
		"lookup value broken":     set("lookup", map[string]string{"field": "X__c", "value": secret + "\x00"}),
		"note too long":           set("note", strings.Repeat("x", 3000)),
		"no time":                 set("requestedAt", nil),
		"time of another age":     set("requestedAt", "9999-12-31T23:59:59-12:00"),
		"time as text":            set("requestedAt", secret),
		"sent on too often":       set("requeued", 100_001),
		"sent on less than never": set("requeued", -1),
		"sent on and no copy":     set("sentOn", 3),
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
