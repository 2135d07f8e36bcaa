// Package userpool attaches hotsync's triggers to a Cognito user pool and takes
// them off again, and changes nothing else about the pool.
//
// That takes care: UpdateUserPool sets everything that it is not given back to a
// default, so the whole pool is read and given again
// (https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UpdateUserPool.html).
// What a pool has and the update does not take is left out by name; a test derives
// those names from the SDK's own model, so that a new member of either is noticed.
// What the SDK does not know yet is seen in the answer itself, and refused: a pool
// must not lose it. Afterwards the pool is read once more and compared.
package userpool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
)

// notUpdatable are the members that a pool is described with and an update does not
// take: what is fixed, what is counted, and the two that it calls otherwise.
var notUpdatable = []string{
	"AliasAttributes",
	"Arn",
	"CreationDate",
	"CustomDomain",
	"Domain",
	"EmailConfigurationFailure",
	"EstimatedNumberOfUsers",
	"Id",
	"LastModifiedDate",
	"Name",
	"SchemaAttributes",
	"SmsConfigurationFailure",
	"Status",
	"UsernameAttributes",
	"UsernameConfiguration",
}

// triggers are those that mean a login; see package frontdoor.
var triggers = []string{"PostAuthentication", "PostConfirmation"}

// Pools changes user pools.
type Pools struct {
	client *cognito.Client
	wire   *wire
}

// New makes Pools for a region of cfg.
func New(cfg aws.Config) *Pools {
	w := &wire{next: cfg.HTTPClient}
	if w.next == nil {
		w.next = http.DefaultClient
	}
	cfg.HTTPClient = w
	return &Pools{client: cognito.NewFromConfig(cfg), wire: w}
}

// Change is what is to become of a pool.
type Change struct {
	Pool  string
	Lines []string // what differs, a line each; none when there is nothing to do
	Kept  []string // the settings that are given again as they are

	input  *cognito.UpdateUserPoolInput
	before map[string]any
	after  map[string]any // what the pool has to look like afterwards
}

// Attach plans to set both triggers to the function. It refuses to take one away
// from another function; an alias of the same function is no other.
func (p *Pools) Attach(ctx context.Context, pool, function string) (Change, error) {
	return p.plan(ctx, pool, func(trigger string, now *string) (*string, error) {
		if now != nil && unqualified(*now) != unqualified(function) {
			return nil, fmt.Errorf(
				"the pool's %s calls %s: let that function invoke %s instead, "+
					"with the same event and asynchronously (docs/deploy.md)",
				trigger,
				*now,
				function,
			)
		}
		return &function, nil
	})
}

// Detach plans to remove the triggers that call the function; with "" those that
// call a function named …-login. It refuses to remove another's.
func (p *Pools) Detach(ctx context.Context, pool, function string) (Change, error) {
	return p.plan(ctx, pool, func(trigger string, now *string) (*string, error) {
		switch {
		case now == nil, unqualified(*now) == unqualified(function),
			function == "" && strings.HasSuffix(unqualified(*now), "-login"):
			return nil, nil
		case function != "":
			return now, nil // somebody else's, and none of ours
		}
		return nil, fmt.Errorf(
			"the pool's %s calls %s, which is not named as hotsync's are: name the function with --function",
			trigger,
			*now,
		)
	})
}

// unqualified is a function's ARN without the version or alias that may follow it.
func unqualified(arn string) string {
	const parts = 7 // arn:aws:lambda:REGION:ACCOUNT:function:NAME
	words := strings.Split(arn, ":")
	return strings.Join(words[:min(len(words), parts)], ":")
}

// plan reads a pool and makes the update that changes nothing but its two triggers.
func (p *Pools) plan(
	ctx context.Context,
	pool string,
	next func(trigger string, now *string) (*string, error),
) (Change, error) {
	typed, raw, err := p.describe(ctx, pool)
	if err != nil {
		return Change{}, err
	}
	input := updateOf(typed)
	config := types.LambdaConfigType{}
	if input.LambdaConfig != nil {
		config = *input.LambdaConfig
	}
	c := Change{Pool: pool, input: input, before: raw}
	for _, trigger := range triggers {
		field := reflect.ValueOf(&config).Elem().FieldByName(trigger)
		now, _ := field.Interface().(*string)
		then, err := next(trigger, now)
		if err != nil {
			return Change{}, err
		}
		if aws.ToString(now) != aws.ToString(then) {
			c.Lines = append(c.Lines, differences(trigger, now, then)...)
		}
		field.Set(reflect.ValueOf(then))
	}
	input.LambdaConfig = &config
	c.after, err = p.rehearse(ctx, input, raw)
	if err != nil {
		return Change{}, err
	}
	for name := range c.after {
		if name != "LambdaConfig" {
			c.Kept = append(c.Kept, name)
		}
	}
	slices.Sort(c.Kept)
	return c, nil
}

func differences(trigger string, now, then *string) (lines []string) {
	if now != nil {
		lines = append(lines, "- "+trigger+" "+*now)
	}
	if then != nil {
		lines = append(lines, "+ "+trigger+" "+*then)
	}
	return lines
}

// Apply carries a change out, and compares the pool with what it had to become.
func (p *Pools) Apply(ctx context.Context, c Change) error {
	if len(c.Lines) == 0 {
		return nil
	}
	_, again, err := p.describe(ctx, c.Pool)
	if err != nil {
		return err
	}
	if diff := unlike("", settingsOf(c.before), settingsOf(again)); len(diff) > 0 {
		return fmt.Errorf(
			"somebody changed the pool meanwhile (%s): nothing was done, run it again",
			strings.Join(diff, ", "),
		)
	}
	_, err = p.client.UpdateUserPool(ctx, c.input)
	if err != nil {
		return fmt.Errorf("cognito refused the update, so the pool is as it was: %w", err)
	}
	_, raw, err := p.describe(ctx, c.Pool)
	if err != nil {
		return fmt.Errorf("the pool was updated, and then could not be read: %w", err)
	}
	if diff := unlike("", c.after, settingsOf(raw)); len(diff) > 0 {
		return fmt.Errorf(
			"the pool was updated and now differs from before in more than its triggers: look at %s",
			strings.Join(diff, ", "),
		)
	}
	return nil
}

// describe reads a pool, as the SDK understands it and as it came.
func (p *Pools) describe(ctx context.Context, pool string) (types.UserPoolType, map[string]any, error) {
	out, err := p.client.DescribeUserPool(ctx, &cognito.DescribeUserPoolInput{UserPoolId: &pool})
	if err != nil {
		return types.UserPoolType{}, nil, fmt.Errorf("read the user pool: %w", err)
	}
	var raw struct{ UserPool map[string]any }
	err = json.Unmarshal(p.wire.answer, &raw)
	if err != nil || out.UserPool == nil || raw.UserPool == nil {
		return types.UserPoolType{}, nil, errors.New("read the user pool: the answer has none")
	}
	return *out.UserPool, raw.UserPool, nil
}

// updateOf makes the update that leaves a pool as it is, as far as the SDK knows it.
func updateOf(pool types.UserPoolType) *cognito.UpdateUserPoolInput {
	in := &cognito.UpdateUserPoolInput{UserPoolId: pool.Id, PoolName: pool.Name}
	from, to := reflect.ValueOf(pool), reflect.ValueOf(in).Elem()
	for i := range from.NumField() {
		field := to.FieldByName(from.Type().Field(i).Name)
		if field.IsValid() && field.CanSet() && field.Type() == from.Field(i).Type() {
			field.Set(from.Field(i))
		}
	}
	if in.AdminCreateUserConfig != nil {
		// The API refuses this member beside the password policy's
		// TemporaryPasswordValidityDays, which says the same.
		config := *in.AdminCreateUserConfig
		config.UnusedAccountValidityDays = 0
		in.AdminCreateUserConfig = &config
	}
	return in
}

// rehearse writes the update as it would be sent and compares it with the pool as it
// came: what would get lost on the way, since the SDK does not know it, is refused.
// It returns what the pool has to look like afterwards.
func (p *Pools) rehearse(
	ctx context.Context,
	in *cognito.UpdateUserPoolInput,
	raw map[string]any,
) (map[string]any, error) {
	p.wire.hold = true
	_, err := p.client.UpdateUserPool(ctx, in, func(o *cognito.Options) { o.Retryer = aws.NopRetryer{} })
	p.wire.hold = false
	if !errors.Is(err, errHeld) {
		return nil, fmt.Errorf("write the update: %w", err)
	}
	var sent map[string]any
	err = json.Unmarshal(p.wire.request, &sent)
	if err != nil {
		return nil, fmt.Errorf("write the update: %w", err)
	}
	delete(sent, "UserPoolId")
	delete(sent, "PoolName")
	want := settingsOf(raw)
	known := func(name string) bool { return name == "LambdaConfig" }
	var lost []string
	for name := range want {
		if !known(name) {
			lost = append(lost, unlike(name, want[name], sent[name])...)
		}
	}
	before, _ := want["LambdaConfig"].(map[string]any)
	config, _ := sent["LambdaConfig"].(map[string]any)
	for name := range before {
		if !slices.Contains(triggers, name) {
			lost = append(lost, unlike("LambdaConfig."+name, before[name], config[name])...)
		}
	}
	if len(lost) > 0 {
		slices.Sort(lost)
		return nil, fmt.Errorf(
			"the pool has settings that this version does not know, and an update would reset them: %s. Nothing was done",
			strings.Join(lost, ", "),
		)
	}
	after := settingsOf(raw)
	delete(after, "LambdaConfig")
	if len(config) > 0 {
		after["LambdaConfig"] = config
	}
	return after, nil
}

// settingsOf is a pool without what an update does not take and without empty
// members, which come back left out.
func settingsOf(raw map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range raw {
		if slices.Contains(notUpdatable, name) || empty(value) {
			continue
		}
		if config, ok := value.(map[string]any); ok && name == "AdminCreateUserConfig" {
			kept := map[string]any{}
			for n, v := range config {
				if n != "UnusedAccountValidityDays" {
					kept[n] = v
				}
			}
			value = kept
		}
		out[name] = value
	}
	return out
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	case string:
		return v == ""
	default:
		return false
	}
}

// no reports whether a value at a path is false or absent where the SDK writes neither:
// Cognito answers false where nobody has said anything, and takes what is left out for
// false.
func no(path string, v any) bool {
	if v != nil && v != false {
		return false
	}
	at := reflect.TypeFor[cognito.UpdateUserPoolInput]()
	for name := range strings.SplitSeq(path, ".") {
		if at.Kind() == reflect.Pointer {
			at = at.Elem()
		}
		if at.Kind() != reflect.Struct {
			return false
		}
		field, ok := at.FieldByName(name)
		if !ok {
			return false
		}
		at = field.Type
	}
	return at.Kind() == reflect.Bool
}

// unlike names the members in which two values differ.
func unlike(path string, a, b any) (paths []string) {
	am, aIsMap := a.(map[string]any)
	bm, bIsMap := b.(map[string]any)
	if !aIsMap || !bIsMap {
		if empty(a) && empty(b) || reflect.DeepEqual(a, b) || no(path, a) && no(path, b) {
			return nil
		}
		return []string{path}
	}
	seen := map[string]bool{}
	for _, m := range []map[string]any{am, bm} {
		for name := range m {
			if !seen[name] {
				seen[name] = true
				paths = append(paths, unlike(strings.TrimPrefix(path+"."+name, "."), am[name], bm[name])...)
			}
		}
	}
	slices.Sort(paths)
	return paths
}

var errHeld = errors.New("held back")

// wire keeps the last request and answer as they were, and sends nothing while it
// holds.
type wire struct {
	next            aws.HTTPClient
	hold            bool
	request, answer []byte
}

// Do implements aws.HTTPClient.
func (w *wire) Do(r *http.Request) (*http.Response, error) {
	w.request = nil
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		w.request, r.Body = body, io.NopCloser(bytes.NewReader(body))
	}
	if w.hold {
		return nil, errHeld
	}
	res, err := w.next.Do(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	err = errors.Join(err, res.Body.Close())
	if err != nil {
		return nil, err
	}
	w.answer, res.Body = body, io.NopCloser(bytes.NewReader(body))
	return res, nil
}
