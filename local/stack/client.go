package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 256 << 20

// Refusal is an answer with a status of 300 and more.
type Refusal struct {
	Status int
	Text   string
}

// Error implements error.
func (r *Refusal) Error() string { return fmt.Sprintf("%d %.300s", r.Status, r.Text) }

// Send sends a request to a part of a local system, with a JSON body unless it is nil
// (bytes are sent as they are) and a token unless it is "". The client is
// http.DefaultClient when nil. The answer's body is read, and closed.
func Send(
	ctx context.Context,
	client *http.Client,
	method, address, bearer string,
	body any,
) (*http.Response, []byte, error) {
	raw, ok := body.([]byte)
	if !ok && body != nil {
		var err error
		raw, err = json.Marshal(body)
		if err != nil {
			return nil, nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(raw))
	if err != nil {
		return nil, nil, err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return res, answer, err
}

// Call is Send of what has to succeed: another answer is a *Refusal, also that of a
// function that failed. The answer is decoded into into, unless that is nil.
func Call(ctx context.Context, client *http.Client, method, address, bearer string, body, into any) error {
	res, answer, err := Send(ctx, client, method, address, bearer, body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 || res.Header.Get("X-Amz-Function-Error") != "" {
		return &Refusal{res.StatusCode, strings.TrimSpace(string(answer))}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
