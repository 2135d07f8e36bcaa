// Package engines runs the local DynamoDB (dynalite) and SQS (fauxqs) as child
// processes on free loopback ports. Both are npm packages, pinned by the lock
// file beside this file and installed on first use. They keep everything in
// memory and listen on 127.0.0.1 only.
//
// It needs Node 20 or newer, and Linux or macOS (process groups, file locks).
package engines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"hotsync/local/checkout"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/sync/errgroup"
)

const (
	// Region is the region of everything local. It is part of a queue's identity in fauxqs.
	Region = "us-east-1"
	// AccessKey is both the key id and the secret key that local clients sign with; the engines take any.
	AccessKey = "local"

	// startLimit bounds the start of one engine; it takes 0.2 to 0.4 s when the computer is idle.
	startLimit = 30 * time.Second
	// stopGrace is what an engine has between SIGTERM and SIGKILL.
	stopGrace = 2 * time.Second
)

// Options say where things are. The zero value works anywhere in a checkout.
type Options struct {
	// Dir receives dynalite.log and fauxqs.log, overwritten at each start. Empty: no log files.
	Dir string
	// Data is a folder for DynamoDB's tables, which are deleted with it by nobody: for more than fits into the memory of
	// Node. Empty: they are kept in memory.
	Data string
	// Root is the checkout. Empty: the nearest directory upwards of the working directory that has local/stack/engines.
	Root string
}

// Engines is a running pair. Its methods are safe for concurrent use.
type Engines struct {
	DynamoDBEndpoint string // such as http://127.0.0.1:45671
	SQSEndpoint      string

	children []*child
	failed   chan error
	stop     sync.Once
}

// Start installs the engines if need be, starts both and returns when both
// answer over HTTP. ctx bounds the start only: call Stop when done. Should the
// calling process die, the engines see their standard input close and end too.
func Start(ctx context.Context, opt Options) (_ *Engines, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("local engines: %w", err)
		}
	}()
	dir, err := find(opt.Root)
	if err != nil {
		return nil, err
	}
	if err := Install(ctx, dir); err != nil {
		return nil, err
	}
	e := &Engines{failed: make(chan error, 2)}
	dynalite := &child{name: "dynalite", ready: "/", failed: e.failed, args: []string{"0", opt.Data}}
	fauxqs := &child{name: "fauxqs", ready: "/health", failed: e.failed}
	e.children = []*child{dynalite, fauxqs}
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range e.children {
		g.Go(func() error { return c.start(ctx, dir, opt.Dir) })
	}
	if err := g.Wait(); err != nil {
		e.Stop()
		return nil, err
	}
	e.DynamoDBEndpoint, e.SQSEndpoint = dynalite.endpoint, fauxqs.endpoint
	return e, nil
}

// Failed delivers an error for each engine that ended without Stop, with the end of what it printed.
func (e *Engines) Failed() <-chan error { return e.failed }

// Stop ends both engines: SIGTERM, then SIGKILL after 2 s. It returns when both are gone.
func (e *Engines) Stop() {
	e.stop.Do(func() {
		var wg sync.WaitGroup
		for _, c := range e.children {
			wg.Go(c.stop)
		}
		wg.Wait()
	})
}

// Environment is what makes the AWS SDK of a child process use these engines.
func (e *Engines) Environment() []string {
	return []string{
		"AWS_ENDPOINT_URL_DYNAMODB=" + e.DynamoDBEndpoint,
		"AWS_ENDPOINT_URL_SQS=" + e.SQSEndpoint,
		"AWS_REGION=" + Region,
		"AWS_ACCESS_KEY_ID=" + AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + AccessKey,
	}
}

// DynamoDB makes a client for the local DynamoDB.
func (e *Engines) DynamoDB(opts ...func(*dynamodb.Options)) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: &e.DynamoDBEndpoint,
		Region:       Region,
		Credentials:  credentials.NewStaticCredentialsProvider(AccessKey, AccessKey, ""),
	}, opts...)
}

// SQS makes a client for the local SQS.
func (e *Engines) SQS(opts ...func(*sqs.Options)) *sqs.Client {
	return sqs.New(sqs.Options{
		BaseEndpoint: &e.SQSEndpoint,
		Region:       Region,
		Credentials:  credentials.NewStaticCredentialsProvider(AccessKey, AccessKey, ""),
	}, opts...)
}

// child is one engine process.
type child struct {
	name   string
	ready  string // path that answers 200 once the engine serves
	failed chan<- error
	args   []string // of its script

	endpoint string
	cmd      *exec.Cmd
	stdin    io.Closer
	out      *output
	stopping chan struct{} // closed when its end is wanted
	gone     chan struct{} // closed when it ended
}

func (c *child) start(ctx context.Context, dir, logDir string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", c.name, err)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()

	out := newOutput()
	if logDir != "" {
		out.log, err = os.Create(filepath.Join(logDir, c.name+".log"))
		if err != nil {
			return err
		}
	}
	// Not CommandContext: the engine outlives the context of its start.
	cmd := exec.Command("node", append([]string{c.name + ".mjs"}, c.args...)...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = stopGrace
	// A group of its own keeps the terminal's Ctrl-C away, so that whoever uses the engine can end first.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return errors.Join(err, out.close())
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(err, out.close())
	}
	c.cmd, c.stdin, c.out = cmd, stdin, out
	c.stopping, c.gone = make(chan struct{}), make(chan struct{})
	go c.wait()

	select {
	case port := <-out.port:
		c.endpoint = "http://127.0.0.1:" + port
	case <-c.gone:
		return fmt.Errorf("ended at once (%s): %s", cmd.ProcessState, out.tail())
	case <-ctx.Done():
		return fmt.Errorf("no answer: %w: %s", ctx.Err(), out.tail())
	}
	return answers(ctx, c.endpoint+c.ready)
}

// wait reaps the process and reports an end that nobody asked for.
func (c *child) wait() {
	err := c.cmd.Wait()
	if closeErr := c.out.close(); err == nil {
		err = closeErr
	}
	close(c.gone)
	select {
	case <-c.stopping:
	default:
		c.failed <- fmt.Errorf("local engine %s ended by itself (%s, %v): %s", c.name, c.cmd.ProcessState, err, c.out.tail())
	}
}

func (c *child) stop() {
	if c.cmd == nil {
		return // never started
	}
	close(c.stopping)
	select {
	case <-c.gone:
		return // its process group id may be somebody else's by now
	default:
	}
	// Errors of signals and close only say that it is gone already.
	_ = c.stdin.Close()
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGTERM)
	kill := time.AfterFunc(stopGrace, func() { _ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL) })
	defer kill.Stop()
	<-c.gone
}

func answers(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s answered %s", url, res.Status)
	}
	return nil
}

// find returns the local/stack/engines directory of the checkout.
func find(root string) (string, error) {
	if root == "" {
		var err error
		root, err = checkout.Root()
		if err != nil {
			return "", err
		}
	}
	return filepath.Join(root, "local", "stack", "engines"), nil
}
