// Command probe is a Lambda function that does what its event, or the test's
// control server, tells it to.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	if len(os.Args) > 1 { // the child of "orphan"
		_, _ = ask(context.Background(), "child")
		return
	}
	switch os.Getenv("INIT") {
	case "exit":
		fmt.Println("no settings")
		os.Exit(3)
	case "hang":
		time.Sleep(time.Hour)
	case "report":
		body := strings.NewReader(`{"errorType":"Probe.Init","errorMessage":"cannot start"}`)
		res, err := http.Post(
			"http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error",
			"application/json",
			body,
		)
		if err != nil || res.StatusCode != http.StatusAccepted {
			os.Exit(4)
		}
		os.Exit(1)
	case "sigterm":
		lambda.StartWithOptions(handle, lambda.WithEnableSIGTERM(func() {
			fmt.Println("told to end")
			os.Exit(0)
		}))
	}
	lambda.Start(handle)
}

func handle(ctx context.Context, event json.RawMessage) (any, error) {
	var shape struct {
		Do             string
		Records        []events.SQSMessage
		RequestContext json.RawMessage
	}
	if err := json.Unmarshal(event, &shape); err != nil {
		return nil, err
	}
	switch {
	case shape.Records != nil:
		return batch(ctx, shape.Records)
	case shape.RequestContext != nil:
		return page(event)
	}
	return do(ctx, shape.Do, event)
}

func do(ctx context.Context, what string, event json.RawMessage) (any, error) {
	switch what {
	case "error":
		return nil, errors.New("it went wrong")
	case "panic":
		panic("out of order")
	case "exit":
		fmt.Println("about to exit")
		os.Exit(7)
	case "exit0":
		os.Exit(0)
	case "hang":
		time.Sleep(time.Hour)
	case "big":
		return strings.Repeat("x", 7<<20), nil
	case "pid":
		return os.Getpid(), nil
	case "environment":
		return os.Environ(), nil
	case "deadline":
		deadline, _ := ctx.Deadline()
		return deadline.UnixMilli(), nil
	case "orphan":
		child := exec.Command(os.Args[0], "child")
		return nil, child.Start()
	case "ask":
		return ask(ctx, string(event))
	}
	return event, nil
}

// page answers an HTTP API: with the request's body on /answer, as it is, and
// with the event as the body elsewhere.
func page(event json.RawMessage) (any, error) {
	var request events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(event, &request); err != nil {
		return nil, err
	}
	switch request.RawPath {
	case "/answer":
		return json.RawMessage(request.Body), nil
	case "/error":
		return nil, errors.New("it went wrong")
	}
	return events.APIGatewayV2HTTPResponse{
		StatusCode: http.StatusOK,
		Headers:    map[string]string{"content-type": "application/json"},
		Body:       string(event),
	}, nil
}

// batch asks the control server what to do with each record.
func batch(ctx context.Context, records []events.SQSMessage) (any, error) {
	var answer struct {
		BatchItemFailures []events.SQSBatchItemFailure `json:"batchItemFailures"`
	}
	for i, r := range records {
		text, err := json.Marshal(map[string]any{"record": r, "index": i, "of": len(records)})
		if err != nil {
			return nil, err
		}
		action, err := ask(ctx, string(text))
		if err != nil {
			return nil, err
		}
		switch action {
		case "ok":
		case "fail":
			answer.BatchItemFailures = append(
				answer.BatchItemFailures,
				events.SQSBatchItemFailure{ItemIdentifier: r.MessageId},
			)
		case "stranger":
			answer.BatchItemFailures = append(
				answer.BatchItemFailures,
				events.SQSBatchItemFailure{ItemIdentifier: "stranger"},
			)
		default:
			return do(ctx, action, nil)
		}
	}
	return answer, nil
}

func ask(ctx context.Context, text string) (string, error) {
	req, err := http.NewRequestWithContext(
		ctx,
		http.MethodPost,
		os.Getenv("CONTROL")+"?pid="+strconv.Itoa(os.Getpid()),
		strings.NewReader(text),
	)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}
