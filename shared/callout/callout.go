// Package callout takes Zuora's callouts (its webhooks): something changed on
// an account, so it is queued for a sync like a login would. A callout carries
// ids only; the sync reads the account anew.
//
// Zuora sends what the tenant's callout template says; docs/callouts.md has the
// template this receiver wants. Delivery is unordered and repeated, and whoever saw
// a callout can send it again; what tells one from another is therefore what is
// proven: members of the signed body, or the body itself. The header
// Zuora-Notification-Id, the same for every repetition, counts only where user name
// and password vouch for the whole request. Source: https://developer.zuora.com/v1-api-reference
// (CreateCalloutTemplate).
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

// How long a repeated callout counts as the same. A notification that is named
// does so for as long as SQS remembers a de-duplication id. A body that names
// none may mean another change a moment later, so it does for a short time only.
// Repetitions on either side of a boundary make two events, of which the second
// finds nothing to do.
const (
	sameCallout = 5 * time.Minute
	sameBody    = 10 * time.Second
)

// How old a callout may be that says when it was sent: as long as Zuora repeats one
// by itself (5 tries) or staff sends it again, within a day.
const (
	maxAge  = 24 * time.Hour
	maxSkew = 5 * time.Minute
)

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
	Now func() time.Time
	Log *slog.Logger
}

type receiver struct{ Config }

// New returns the handler of POST /callouts/zuora.
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

	// Members that make a signature cover more than the account, where the template's
	// merge fields can fill them.
	NotificationID string `json:"notificationId"` // differs from one change to the next
	SentAt         string `json:"sentAt"`         // RFC 3339
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
	signed := secret.signs(r, body)
	if !signed && !secret.knows(r) {
		return "", hotsync.Errorf(
			hotsync.CodeUnauthenticated,
			"The callout is not signed with the shared key, and its user name and password are not the configured ones.",
		)
	}
	account, n, err := parse(body)
	if err != nil {
		return "", err
	}
	now := c.Now().UTC()
	if !signed && n.NotificationID == "" {
		n.NotificationID = r.Header.Get("Zuora-Notification-Id")
	}
	begun, err := n.begun(now)
	if err != nil {
		return "", err
	}
	// A repetition has the event of the first, or it would wait for a message that
	// SQS takes for the same and never delivers.
	request := hotsync.SyncRequest{Trigger: hotsync.TriggerCallout, Account: account, RequestedAt: now,
		LoginID: "notification-" + hotsync.Digest(n.name(body), begun.Format(time.RFC3339))}
	request.EventID = hotsync.EventIDFor(begun, request.LoginID, account)
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
func parse(body []byte) (account string, n notification, err error) {
	err = json.Unmarshal(body, &n)
	if err != nil {
		return "", n, hotsync.Errorf(hotsync.CodeBadRequest, `The body must be JSON such as {"accountId": "…"}.`)
	}
	key := n.AccountID
	if key == "" {
		key = n.AccountNumber
	}
	accounts, _ := claims.Parse(key)
	if len(accounts) != 1 {
		return "", n, hotsync.Errorf(hotsync.CodeBadRequest, "Name one account, as accountId or accountNumber.")
	}
	return accounts[0], n, nil
}

// name tells a notification from others: by its own name, or else by the body.
func (n notification) name(body []byte) string {
	if n.NotificationID != "" {
		return n.NotificationID
	}
	return "body\x00" + string(body)
}

// begun is when the notification was sent, or the beginning of the time in which it
// counts as the same. One that was sent too long ago is refused.
func (n notification) begun(now time.Time) (time.Time, error) {
	switch {
	case n.SentAt == "" && n.NotificationID == "":
		return now.Truncate(sameBody), nil
	case n.SentAt == "":
		return now.Truncate(sameCallout), nil
	}
	sent, err := time.Parse(time.RFC3339, n.SentAt)
	switch {
	case err != nil:
		return time.Time{}, hotsync.Errorf(
			hotsync.CodeBadRequest,
			"sentAt must be a time such as 2026-11-22T09:00:00Z.",
		)
	case now.Sub(sent) > maxAge, sent.Sub(now) > maxSkew:
		return time.Time{}, hotsync.Errorf(hotsync.CodeUnauthenticated, "The callout was not sent within the last day.")
	}
	return sent.UTC().Truncate(time.Second), nil
}

// signs reports whether the body is signed with the key. What is not configured
// proves nothing.
func (s Secret) signs(r *http.Request, body []byte) bool {
	return s.HMACKey != "" && signed(s.HMACKey, r.Header.Get(SignatureHeader), body)
}

// knows reports whether the request has the user name and password.
func (s Secret) knows(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	if !ok || s.Username == "" || s.Password == "" {
		return false
	}
	sameUser := subtle.ConstantTimeCompare([]byte(hotsync.Digest(user)), []byte(hotsync.Digest(s.Username)))
	samePassword := subtle.ConstantTimeCompare([]byte(hotsync.Digest(password)), []byte(hotsync.Digest(s.Password)))
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
