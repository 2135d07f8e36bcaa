package lambdahost

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
)

// maxPayload is the limit of a synchronous request and of an answer:
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const maxPayload = 6 << 20

// runtimeAPI serves the Runtime API to the environment's process, and of the
// Extensions API what a function needs to be told of SIGTERM.
func (e *environment) runtimeAPI() http.Handler {
	const runtime = "/2018-06-01/runtime/"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+runtime+"invocation/next", e.serveNext)
	mux.HandleFunc("POST "+runtime+"invocation/{id}/response", e.serveResponse)
	mux.HandleFunc("POST "+runtime+"invocation/{id}/error", e.serveError)
	mux.HandleFunc("POST "+runtime+"init/error", e.serveInitError)
	mux.HandleFunc("POST /2020-01-01/extension/register", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Lambda-Extension-Identifier", "local")
		writeJSON(w, http.StatusOK, map[string]string{
			"functionName": e.fn.spec.Name, "functionVersion": "$LATEST", "handler": "bootstrap",
		})
	})
	mux.HandleFunc("GET /2020-01-01/extension/event/next", func(_ http.ResponseWriter, r *http.Request) {
		select { // there are no events for those who asked for none
		case <-r.Context().Done():
		case <-e.gone:
		}
	})
	return mux
}

// serveNext ends the invocation before, and waits for another one.
func (e *environment) serveNext(w http.ResponseWriter, r *http.Request) {
	e.finish()
	select {
	case inv := <-e.work:
		e.mu.Lock()
		e.current = inv
		e.mu.Unlock()
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", e.fn.spec.ARN)
		h.Set("Lambda-Runtime-Trace-Id", inv.trace)
		// A write error says that the process is ending, which is seen anyway.
		_, _ = w.Write(inv.payload)
	case <-r.Context().Done():
	case <-e.gone:
	}
}

// finish ends the current invocation: the process asks for the next.
func (e *environment) finish() {
	e.endInit()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.isReady {
		e.isReady = true
		close(e.ready)
	}
	if e.current == nil {
		return
	}
	if e.current.result == nil {
		unanswered := failure(
			e.current.id,
			"Runtime.NoAnswer",
			"The runtime asked for the next event without an answer to this one",
		)
		unanswered.crashed = false
		e.current.result = &unanswered
	}
	close(e.current.over)
	e.current = nil
}

func (e *environment) serveResponse(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	body, tooLarge, err := readBody(r)
	switch {
	case err != nil:
		refuse(w, http.StatusBadRequest, "InvalidRequest", err.Error())
		return
	case tooLarge:
		result := failure(
			id,
			"Function.ResponseSizeTooLarge",
			"Response payload size exceeded maximum allowed payload size ("+strconv.Itoa(maxPayload)+" bytes).",
		)
		result.crashed = false
		if e.answer(w, id, result) {
			refuse(w, http.StatusRequestEntityTooLarge, "Function.ResponseSizeTooLarge", "the response is too large")
		}
		return
	}
	result := Result{RequestID: id, Payload: body}
	// An answer that broke off while it was written tells its error at the end.
	if r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "" {
		result.FunctionError = unhandled
		result.Payload, err = base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
		if err != nil {
			refuse(w, http.StatusBadRequest, "InvalidRequest", err.Error())
			return
		}
	}
	if e.answer(w, id, result) {
		w.WriteHeader(http.StatusAccepted) // any other status ends aws-lambda-go's loop
	}
}

func (e *environment) serveError(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	body, _, err := readBody(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequest", err.Error())
		return
	}
	if e.answer(w, id, Result{RequestID: id, Payload: body, FunctionError: unhandled}) {
		w.WriteHeader(http.StatusAccepted)
	}
}

func (e *environment) serveInitError(w http.ResponseWriter, r *http.Request) {
	body, _, err := readBody(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequest", err.Error())
		return
	}
	e.mu.Lock()
	e.initError = &Result{Payload: body}
	e.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

// answer records the answer to the current invocation. Where id is not that,
// or was answered before, it refuses and is false.
func (e *environment) answer(w http.ResponseWriter, id string, result Result) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current == nil || e.current.id != id || e.current.result != nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return false
	}
	e.current.result = &result
	return true
}

// readBody reads a body up to the payload limit; of a longer one it drops the rest.
func readBody(r *http.Request) (body []byte, tooLarge bool, _ error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	if err != nil {
		return nil, false, err
	}
	if len(body) <= maxPayload {
		return body, false, nil
	}
	_, err = io.Copy(io.Discard, r.Body)
	return nil, true, err
}

func refuse(w http.ResponseWriter, status int, typ, message string) {
	writeJSON(w, status, map[string]string{"errorType": typ, "errorMessage": message})
}

// observeMemory notes the peak of the process's resident memory. Linux only; elsewhere it stays 0.
func (e *environment) observeMemory() {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(e.cmd.Process.Pid) + "/status")
	if errors.Is(err, os.ErrNotExist) {
		return // gone, or not Linux
	}
	for line := range bytes.Lines(status) {
		if kB, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			n, err := strconv.ParseInt(
				string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(kB), []byte("kB")))),
				10,
				64,
			)
			if err == nil {
				e.peakMem.Store(n << 10)
			}
			return
		}
	}
}

// peak is the largest resident memory seen, in bytes.
func (e *environment) peak() int64 { return e.peakMem.Load() }
