package lambdahost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/google/uuid"

	"hotsync/local/stack/template"
)

// maxAsyncPayload is the limit of an asynchronous request.
const maxAsyncPayload = 1 << 20

// InvokeAPI serves Lambda's Invoke operation, which the AWS CLI, the SDKs and
// Cognito emulators call: POST /2015-03-31/functions/{name}/invocations.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
func (h *Host) InvokeAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", h.serveInvoke)
	return mux
}

func (h *Host) serveInvoke(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Amzn-Requestid", uuid.NewString())
	f, ok := h.find(r.PathValue("name"))
	if !ok {
		lambdaError(
			w,
			http.StatusNotFound,
			"ResourceNotFoundException",
			fmt.Sprintf(
				"Function not found: arn:aws:lambda:%s:%s:function:%s",
				template.Region,
				template.AccountID,
				r.PathValue("name"),
			),
		)
		return
	}
	kind := r.Header.Get("X-Amz-Invocation-Type")
	limit := maxPayload
	if kind == "Event" {
		limit = maxAsyncPayload
	}
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(limit)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		lambdaError(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException",
			fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", limit))
		return
	case err != nil:
		return // the caller is gone
	case len(payload) == 0:
		payload = []byte("{}")
	case !json.Valid(payload):
		lambdaError(
			w,
			http.StatusBadRequest,
			"InvalidRequestContentException",
			"Could not parse request body into json.",
		)
		return
	}
	switch kind {
	case "", "RequestResponse":
		h.invokeAndAnswer(w, r, f, payload)
	case "Event":
		if !h.begin(func() { h.invokeLater(f, payload) }) {
			lambdaError(w, http.StatusServiceUnavailable, "ServiceException", ErrClosed.Error())
			return
		}
		w.WriteHeader(http.StatusAccepted)
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
	default:
		lambdaError(
			w,
			http.StatusBadRequest,
			"InvalidParameterValueException",
			"X-Amz-Invocation-Type is none of RequestResponse, Event and DryRun",
		)
	}
}

func (h *Host) invokeAndAnswer(w http.ResponseWriter, r *http.Request, f *function, payload []byte) {
	result, err := f.call(r.Context(), payload)
	if err != nil {
		lambdaError(w, http.StatusServiceUnavailable, "ServiceException", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	w.Header().Set("X-Amzn-Requestid", result.RequestID)
	if result.FunctionError != "" {
		w.Header().Set("X-Amz-Function-Error", result.FunctionError)
	}
	_, _ = w.Write(result.Payload) // an error says that the caller is gone
}

func (h *Host) invokeLater(f *function, payload []byte) {
	result, err := f.invoke(context.Background(), payload)
	switch {
	case err != nil:
		h.cfg.Logger.Error("asynchronous invocation lost", "function", f.spec.Dir, "error", err)
	case result.FunctionError != "":
		h.cfg.Logger.Error("asynchronous invocation failed", "function", f.spec.Dir, "request_id", result.RequestID)
	}
}

// lambdaError answers in the form of Lambda's REST API.
func lambdaError(w http.ResponseWriter, status int, typ, message string) {
	w.Header().Set("X-Amzn-Errortype", typ)
	writeJSON(w, status, map[string]string{"Type": "User", "Message": message})
}

func writeJSON(w http.ResponseWriter, status int, v map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error says that the caller is gone
}
