package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"hotsync/cmd/hotsync/internal/userpool"
	"hotsync/shared/lambdafn/wiring"
)

var (
	userPoolID  = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-\d+_[0-9A-Za-z]+$`)
	functionARN = regexp.MustCompile(`^arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[\w-]+(:[\w$-]+)?$`)
)

// cognitoTriggers attaches the login function to a user pool, or takes it off.
func cognitoTriggers(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flags("cognito", stderr)
	pool := f.String("pool", "", "id of the user pool, such as eu-west-1_AbCdEfGhI")
	function := f.String(
		"function",
		"",
		"ARN of the login function, the output LoginFunctionArn of the stack; needed to attach, and to detach one that is "+
			"not named …-login",
	)
	dryRun := f.Bool("dry-run", false, "say what would change, and change nothing")
	if len(args) == 0 || args[0] != "attach" && args[0] != "detach" {
		if len(args) > 0 && strings.HasPrefix(args[0], "-") {
			return parse(f, args, 1)
		}
		fmt.Fprintln(stderr, "hotsync cognito: say attach or detach")
		return errUsage
	}
	attach := args[0] == "attach"
	err := parse(f, args[1:], 0)
	if err != nil {
		return err
	}
	switch {
	case !userPoolID.MatchString(*pool):
		fmt.Fprintln(stderr, "hotsync cognito: give --pool, the id of the user pool, such as eu-west-1_AbCdEfGhI")
		return errUsage
	case *function == "" && attach:
		fmt.Fprintln(stderr, "hotsync cognito: give --function, the output LoginFunctionArn of the stack")
		return errUsage
	case *function != "" && !functionARN.MatchString(*function):
		fmt.Fprintln(stderr, "hotsync cognito: --function is not the ARN of a Lambda function")
		return errUsage
	}
	cfg, err := wiring.AWS(ctx, 3, 20*time.Second)
	if err != nil {
		return err
	}
	cfg.Region, _, _ = strings.Cut(*pool, "_")
	pools := userpool.New(cfg)
	plan := pools.Detach
	if attach {
		plan = pools.Attach
	}
	change, err := plan(ctx, *pool, *function)
	if err != nil {
		return err
	}
	if len(change.Lines) == 0 {
		fmt.Fprintf(stdout, "%s: nothing to do, its triggers are so already\n", *pool)
		return nil
	}
	fmt.Fprintf(
		stdout,
		"%s: LambdaConfig\n  %s\nkept as they are: %s\n",
		*pool,
		strings.Join(change.Lines, "\n  "),
		strings.Join(change.Kept, ", "),
	)
	if *dryRun {
		fmt.Fprintln(stdout, "nothing was changed (--dry-run)")
		return nil
	}
	err = pools.Apply(ctx, change)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "done")
	return nil
}
