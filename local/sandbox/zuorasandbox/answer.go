package zuorasandbox

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// object is a JSON object.
type object = map[string]any

// Error categories: the last two digits of Zuora's codes.
// https://developer.zuora.com/docs/guides/error-handling
const (
	invalid       = 20
	badParameter  = 27 // since version 2025-08-12; 20 before
	notFound      = 40
	limitExceeded = 70
)

// version is what the header Zuora-Version asks for.
type version struct {
	known      bool
	trueStatus bool // v1 errors with their HTTP status instead of 200: since 2024-05-20
	category27 bool // since 2025-08-12
}

// numbered versions came before the dated ones: 186.0 to 341.0.
var numbered = regexp.MustCompile(`^[0-9]{3}(\.[0-9]{1,2})?$`)

// versionOf reads the header. Without it a tenant that never upgraded answers
// as version 186.0: https://developer.zuora.com/v1-api-reference/api-versions
func versionOf(r *http.Request) version {
	switch v := r.Header.Get("Zuora-Version"); {
	case v == "2025-08-12":
		return version{known: true, trueStatus: true, category27: true}
	case v == "2024-05-20":
		return version{known: true, trueStatus: true}
	default:
		return version{known: v == "" || numbered.MatchString(v)}
	}
}

// refuse answers an error in the shape of the API that the path belongs to.
func refuse(w http.ResponseWriter, r *http.Request, status, category int, message string) {
	v := versionOf(r)
	if category == badParameter && !v.category27 {
		category = invalid
	}
	if strings.HasPrefix(r.URL.Path, "/v1/action/") && status != http.StatusTooManyRequests {
		sendJSON(w, r, status, object{"code": "ClientError", "message": message})
		return
	}
	body := object{
		"reasons":   []object{{"code": 50000000 + category, "message": message}},
		"requestId": w.Header().Get("Zuora-Request-Id"),
	}
	if isV1(r) {
		body["success"] = false
		body["processId"] = processID(w)
		if !v.trueStatus && status != http.StatusTooManyRequests {
			status = http.StatusOK
		}
	}
	sendJSON(w, r, status, body)
}

// refuseUnauthorised answers 401, whose code is text in v1 and which has no
// code at all under /v1/action.
func refuseUnauthorised(w http.ResponseWriter, r *http.Request) {
	const text = "Authentication error"
	switch {
	case strings.HasPrefix(r.URL.Path, "/v1/action/"):
		w.Header().Set("WWW-Authenticate", "Basic realm=Zuora API, ZSession realm=Zuora API, Bearer realm=Zuora API")
		sendJSON(w, r, http.StatusUnauthorized, object{"message": text})
	case isV1(r):
		sendJSON(
			w,
			r,
			http.StatusUnauthorized,
			object{"success": false, "reasons": []object{{"code": "90000011", "message": text}}},
		)
	default:
		sendJSON(w, r, http.StatusUnauthorized, object{"reasons": []object{{"code": 90000011, "message": text}},
			"requestId": w.Header().Get("Zuora-Request-Id")})
	}
}

// refuseRateLimited answers as every API does: code 70 and no success flag.
// https://developer.zuora.com/docs/guides/rate-limits
func refuseRateLimited(w http.ResponseWriter, r *http.Request) {
	message := "API Rate limit exceeded for the minute, retry after " + w.Header().Get("RateLimit-Reset") + " seconds"
	sendJSON(w, r, http.StatusTooManyRequests, object{"reasons": []object{{"code": 70, "message": message}}})
}

func isV1(r *http.Request) bool { return !strings.HasPrefix(r.URL.Path, "/object-query/") }

// processID has 16 hex digits; it follows the request id.
func processID(w http.ResponseWriter) string {
	return strings.ToUpper(strings.ReplaceAll(w.Header().Get("Zuora-Request-Id"), "-", "")[:16])
}

func sendJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(
			`{"reasons":[{"code":"SystemError","message":"no JSON form"}]}`,
		)
	}
	send(w, r, status, "application/json;charset=utf-8", body)
}

var gzips = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return z
}}

// send answers; more than 1000 bytes are compressed for who accepts it.
func send(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	if len(body) > 1000 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		var packed bytes.Buffer
		z := gzips.Get().(*gzip.Writer)
		defer gzips.Put(z)
		z.Reset(&packed)
		_, err := z.Write(body)
		if err == nil {
			err = z.Close()
		}
		if err == nil {
			w.Header().Set("Content-Encoding", "gzip")
			body = packed.Bytes()
		}
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, err := w.Write(body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
}
