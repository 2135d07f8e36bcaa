// Package callout takes Zuora's callouts (its webhooks): something changed on
// an account, so it is queued for a sync like a login would. A callout carries
// ids only; the sync reads the account anew.
//
// Zuora sends what the tenant's callout template says; docs/callouts.md has the
// template this receiver wants. Delivery is unordered and repeated:
// Zuora-Notification-Id is the same for every repetition and makes SQS take it
// once. Source: https://developer.zuora.com/v1-api-reference (CreateCalloutTemplate).
package callout

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"hotsync/shared/claims"
	"hotsync/shared/hotsync"
)

// SignatureHeader carries the HMAC-SHA256 of the body, in hex or base64.
const SignatureHeader = "X-Hotsync-Signature"

const maxBody = 64 << 10

// sameCallout is how long a repeated callout counts as the same: as long as SQS
// remembers a de-duplication id. Repetitions on either side of a boundary make
// two events, of which the second finds nothing to do.
const sameCallout = 5 * time.Minute

// Secret is what a callout proves itself with: an HMAC key, or a user name and
// password, or either when both are set.
type Secret struct {
	HMACKey  string `json:"hmacKey"`
	Username string `json:"username"`
	Password string `json:"password"`
}

// Config is what the receiver is made of. All members are needed.
type Config struct {
	Secret func(ctx context.Context) (Secret, error)
	Queue  interface {
		Send(ctx context.Context, r hotsync.SyncRequest) error
	}
	Events interface {
		PutQueued(ctx context.Context, e hotsync.Event) error
	}
	NewEventID func(time.Time) string
	Now        func() time.Time
	Log        *slog.Logger
}

type receiver struct{ Config }

// New gives the handler of POST /callouts/zuora.
func New(cfg Config) http.Handler {
	r := &receiver{cfg}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /callouts/zuora", r.receive)
	return mux
}

// notification is the body that docs/callouts.md tells Zuora to send.
type notification struct {
	AccountID     string `json:"accountId"`
	AccountNumber string `json:"accountNumber"`
}

func (c *receiver) receive(w http.ResponseWriter, r *http.Request) {
	id, err := c.queue(r)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	status, answer := http.StatusAccepted, any(map[string]string{"event": id})
	if err != nil {
		e := hotsync.AsError(err)
		status, answer = e.Code.HTTPStatus(), map[string]any{"error": e.Problem()}
		if status == http.StatusUnauthorized {
			// Zuora sends the first request without credentials and waits for this.
			w.Header().Set("WWW-Authenticate", `Basic realm="hotsync"`)
		}
		c.Log.WarnContext(r.Context(), "callout refused", "code", e.Code, "status", status)
	}
	w.WriteHeader(status)
	err = json.NewEncoder(w).Encode(answer)
	if err != nil {
		c.Log.WarnContext(r.Context(), "answer not written", "error", err)
	}
}

func (c *receiver) queue(r *http.Request) (string, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return "", hotsync.Errorf(hotsync.CodeBadRequest, "The body could not be read, or is over %d bytes.", maxBody)
	}
	secret, err := c.Secret(r.Context())
	if err != nil {
		return "", err
	}
	if !secret.proves(r, body) {
		return "", hotsync.Errorf(hotsync.CodeUnauthenticated, "The callout is not signed with the shared key, and its user name and password are not the configured ones.")
	}
	account, err := parse(body)
	if err != nil {
		return "", err
	}
	now := c.Now().UTC()
	request := hotsync.SyncRequest{EventID: c.NewEventID(now), Trigger: hotsync.TriggerCallout, Account: account, RequestedAt: now}
	if id := r.Header.Get("Zuora-Notification-Id"); id != "" {
		bucket := now.Truncate(sameCallout)
		request.LoginID = "notification-" + hash(id+"\x00"+bucket.Format(time.RFC3339))
		// The event of a repetition that SQS takes for the same is the same one, or it
		// would wait for a message that never comes.
		request.EventID = hotsync.EventIDFor(bucket, request.LoginID, account)
	}
	err = c.Queue.Send(r.Context(), request)
	if err != nil {
		return "", err
	}
	err = c.Events.PutQueued(r.Context(), hotsync.NewEvent(request))
	if err != nil {
		c.Log.WarnContext(r.Context(), "queued event not written", "event_id", request.EventID, "error", err)
	}
	return request.EventID, nil
}

// parse finds the account in a notification.
func parse(body []byte) (string, error) {
	var n notification
	err := json.Unmarshal(body, &n)
	if err != nil {
		return "", hotsync.Errorf(hotsync.CodeBadRequest, `The body must be JSON such as {"accountId": "…"}.`)
	}
	key := n.AccountID
	if key == "" {
		key = n.AccountNumber
	}
	accounts, _ := claims.Parse(key)
	if len(accounts) != 1 {
		return "", hotsync.Errorf(hotsync.CodeBadRequest, "Name one account, as accountId or accountNumber.")
	}
	return accounts[0], nil
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// proves reports whether the request is signed with the key, or has the user
// name and password. What is not configured proves nothing.
func (s Secret) proves(r *http.Request, body []byte) bool {
	if s.HMACKey != "" && signed(s.HMACKey, r.Header.Get(SignatureHeader), body) {
		return true
	}
	user, password, ok := r.BasicAuth()
	if !ok || s.Username == "" || s.Password == "" {
		return false
	}
	sameUser := subtle.ConstantTimeCompare([]byte(hash(user)), []byte(hash(s.Username)))
	samePassword := subtle.ConstantTimeCompare([]byte(hash(password)), []byte(hash(s.Password)))
	return sameUser&samePassword == 1
}

func signed(key, signature string, body []byte) bool {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	want := mac.Sum(nil)
	signature = strings.TrimSpace(signature)
	got, err := hex.DecodeString(signature)
	if err != nil {
		got, err = base64.StdEncoding.DecodeString(signature)
	}
	return err == nil && hmac.Equal(want, got)
}
