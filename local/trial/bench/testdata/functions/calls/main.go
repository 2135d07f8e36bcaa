// Command calls is a Lambda function that makes the calls of a sync and reads their
// answers, and does nothing with them: the least that any sync does.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"hotsync/shared/lambdafn"
)

// work is what to do, Times times at once.
type work struct {
	Times    int
	Requests []request
	Gets     int   // from DynamoDB, of one item
	Puts     []int // into DynamoDB: how many bytes of item each
}

type request struct {
	Method, URL, Body string
	Header            http.Header
}

func main() {
	lambdafn.LimitMemory(os.Getenv)
	cfg, err := lambdafn.AWS(os.Getenv, 2, time.Second)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	f := function{
		http:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}},
		db:    dynamodb.NewFromConfig(cfg),
		table: os.Getenv("TABLE"),
	}
	lambda.Start(f.handle)
}

type function struct {
	http  *http.Client
	db    *dynamodb.Client
	table string
}

func (f function) handle(ctx context.Context, w work) error {
	g, ctx := errgroup.WithContext(ctx)
	for n := range w.Times {
		for _, r := range w.Requests {
			g.Go(func() error { return f.call(ctx, r) })
		}
		g.Go(func() error { return f.store(ctx, fmt.Sprint(n), w) })
	}
	return g.Wait()
}

func (f function) call(ctx context.Context, r request) error {
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, strings.NewReader(r.Body))
	if err != nil {
		return err
	}
	req.Header = r.Header.Clone()
	answer, err := f.http.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", r.Method, req.URL.Path, answer.Status)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	var read any
	return json.Unmarshal(body, &read)
}

// store makes the calls to DynamoDB one after the other, as most of those of a sync are.
func (f function) store(ctx context.Context, id string, w work) error {
	key := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: id}}
	for _, size := range w.Puts {
		item := map[string]types.AttributeValue{
			"pk":   key["pk"],
			"data": &types.AttributeValueMemberS{Value: strings.Repeat("x", size)},
		}
		_, err := f.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &f.table, Item: item})
		if err != nil {
			return err
		}
	}
	for range w.Gets {
		_, err := f.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &f.table, Key: key})
		if err != nil {
			return err
		}
	}
	return nil
}
