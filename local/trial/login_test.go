package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hotsync/local/sandbox/idp"
	"hotsync/shared/billing"
	"hotsync/shared/hotsync"
)

// cognitoPatience is how long Cognito may have to wait for its event: less than
// half of the five seconds after which it fails the login.
const cognitoPatience = 2 * time.Second

// doorway is a system whose login function is looked at from outside: the
// compiled function, behind AWS services that misbehave.
type doorway struct {
	*run
	t *testing.T
}

func openDoorway(t *testing.T, env ...string) *doorway {
	t.Helper()
	opt := short(t, 0, 0, 0)
	opt.env = env
	r, err := begin(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := r.close()
		if err != nil {
			t.Error(err)
		}
	})
	r.world = &world{accounts: []billing.Account{{ID: strings.Repeat("ab", 16), Number: "A00000001"}}}
	return &doorway{r, t}
}

func (d *doorway) place(name string) *place {
	for _, p := range d.places {
		if p.name == name {
			return p
		}
	}
	d.t.Fatalf("there is no place %q", name)
	return nil
}

// freeze ends the processes of the login function, so that the next login meets
// a new one, which knows nothing yet.
func (d *doorway) freeze() {
	d.t.Helper()
	for _, function := range []string{"LoginFunction", "LoginApiFunction"} {
		for _, pid := range d.stack.Host.PIDs(function) {
			err := syscall.Kill(pid, syscall.SIGKILL)
			if err != nil && !errors.Is(err, syscall.ESRCH) {
				d.t.Fatal(err)
			}
		}
		for len(d.stack.Host.PIDs(function)) > 0 {
			err := wait(d.t.Context(), 5*time.Millisecond)
			if err != nil {
				d.t.Fatal(err)
			}
		}
	}
}

// invoke sends an event to the login function as Cognito does, and wants it back
// in time, whatever it is.
func (d *doorway) invoke(event []byte) {
	d.t.Helper()
	began := time.Now()
	res, err := http.Post(d.stack.InvokeURL+"/2015-03-31/functions/login/invocations", "application/json",
		bytes.NewReader(event))
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	back, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	took := time.Since(began)
	if took > cognitoPatience {
		d.t.Errorf("Cognito waited %s for its event, want at most %s", took, cognitoPatience)
	}
	if fault := res.Header.Get("X-Amz-Function-Error"); res.StatusCode != http.StatusOK || fault != "" {
		d.t.Errorf("the login failed: status %d, %s", res.StatusCode, fault)
	}
	if !bytes.Equal(bytes.TrimSpace(back), bytes.TrimSpace(event)) {
		d.t.Errorf("Cognito got %.200s back, want its event as it was", back)
	}
}

// answer is what POST /login says.
type answer struct {
	status int
	queued int
	code   hotsync.Code
}

// login signs in by POST /login with claims over the usual ones.
func (d *doorway) login(claims doc) answer {
	d.t.Helper()
	all := doc{"sub": "soak|door", "zuora_account_ids": []string{d.world.accounts[0].ID}}
	for name, value := range claims {
		all[name] = value
	}
	var signed struct {
		Token string `json:"id_token"`
	}
	err := call(d.t.Context(), http.MethodPost, d.stack.IDPURL+"/_sandbox/token?issuer="+idp.Direct, "", all, &signed)
	if err != nil {
		d.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.stack.URL+"/login", nil)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+signed.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	var body struct {
		Queued []json.RawMessage `json:"queued"`
		Error  struct {
			Code hotsync.Code `json:"code"`
		} `json:"error"`
	}
	err = json.NewDecoder(res.Body).Decode(&body)
	if err != nil {
		d.t.Fatal(err)
	}
	return answer{res.StatusCode, len(body.Queued), body.Error.Code}
}

var amz = map[string]string{"Content-Type": "application/x-amz-json-1.0"}

// The matrix of what may go wrong around a login, against the compiled function:
// Cognito gets its event back in time, and POST /login says what was taken. What holds a
// login to its time does not run beside soaks and storms.
func TestLoginSafety(t *testing.T) {
	always := func(f fault) []fault {
		f.Match, f.Probability = "* /**", 1
		return []fault{f}
	}
	denied := always(fault{Status: http.StatusBadRequest, Headers: amz,
		Body: json.RawMessage(`{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}`)})
	throttled := always(fault{Status: http.StatusBadRequest, Headers: amz,
		Body: json.RawMessage(`{"__type":"com.amazonaws.sqs#RequestThrottled","message":"slow down"}`)})
	down, slow := always(fault{Drop: true}), always(fault{LatencyMS: 5000})
	const taken, refused = http.StatusAccepted, http.StatusServiceUnavailable
	d := openDoorway(t)
	for _, tc := range []struct {
		name   string
		place  string
		faults []fault
		cold   bool // a process that knows nothing yet
		want   []int
	}{
		{name: "all is well", place: "SQS", cold: true, want: []int{taken}},
		{name: "SQS down", place: "SQS", faults: down, want: []int{refused}},
		{name: "SQS down, cold", place: "SQS", faults: down, cold: true, want: []int{refused}},
		{name: "SQS slow", place: "SQS", faults: slow, want: []int{refused, http.StatusGatewayTimeout}},
		{name: "SQS denied", place: "SQS", faults: denied, want: []int{refused}},
		{name: "SQS throttled", place: "SQS", faults: throttled, want: []int{refused}},
		{name: "DynamoDB down", place: "DynamoDB", faults: down, want: []int{taken}},
		{name: "DynamoDB slow", place: "DynamoDB", faults: slow, want: []int{taken}},
		{name: "DynamoDB down, cold", place: "DynamoDB", faults: down, cold: true, want: []int{refused}},
		{name: "DynamoDB slow, cold", place: "DynamoDB", faults: slow, cold: true,
			want: []int{refused, http.StatusGatewayTimeout}},
		{name: "keys unreachable", place: "identity provider", faults: keysGone(down), want: []int{taken}},
		{name: "keys unreachable, cold", place: "identity provider", faults: keysGone(down), cold: true,
			want: []int{refused}},
		{name: "keys slow, cold", place: "identity provider", faults: keysGone(slow), cold: true,
			want: []int{refused, http.StatusGatewayTimeout}},
	} {
		// One after the other: they share the system.
		t.Run(tc.name, func(t *testing.T) {
			d := &doorway{d.run, t}
			d.warm(t)
			p := d.place(tc.place)
			err := p.misbehave(t.Context(), tc.faults)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				err := p.misbehave(context.Background(), nil)
				if err != nil {
					t.Error(err)
				}
			}()
			if tc.cold {
				d.freeze()
			}
			d.invoke(cognitoEvent(person{subject: "soak|" + tc.name, email: "p@example.com"}, []string{d.world.accounts[0].ID}))
			got := d.login(nil)
			ok := false
			for _, status := range tc.want {
				ok = ok || got.status == status
			}
			if !ok || (got.status == taken) != (got.queued == 1) {
				t.Errorf("POST /login = %+v, want one of %v, and 202 with the account only", got, tc.want)
			}
		})
	}
}

func keysGone(faults []fault) []fault {
	f := faults[0]
	f.Match = "GET /*/jwks"
	return []fault{f}
}

// warm lets a process learn what it needs, with everything in order.
func (d *doorway) warm(t *testing.T) {
	t.Helper()
	for range 20 {
		if d.login(nil).status == http.StatusAccepted {
			return
		}
		err := wait(t.Context(), 500*time.Millisecond) // keys that could not be read are not asked for again at once
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("no login is taken although everything is in order")
}

// Settings that are missing are those that hold before anybody saved any, with
// hot sync off; those that make no sense are refused. Neither hurts a login.
func TestLoginSafetyOfSettings(t *testing.T) {
	d := openDoorway(t)
	table := ""
	for _, x := range d.stack.Template.Tables {
		if x.LogicalID == "SettingsTable" {
			table = x.Name
		}
	}
	db := d.stack.Engines.DynamoDB()
	all, err := db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	event := cognitoEvent(person{subject: "soak|settings", email: "p@example.com"}, []string{d.world.accounts[0].ID})
	for _, it := range all.Items {
		for name, value := range it {
			if _, ok := value.(*types.AttributeValueMemberS); ok && name != "pk" && name != "sk" {
				it[name] = &types.AttributeValueMemberS{Value: `{"version":"seven","providers":17`}
			}
		}
		_, err = db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: it})
		if err != nil {
			t.Fatal(err)
		}
	}
	d.freeze()
	d.invoke(event)
	if got := d.login(nil); got.status == http.StatusAccepted || got.code != hotsync.CodeSettingsInvalid {
		t.Errorf("POST /login with corrupt settings = %+v, want %s", got, hotsync.CodeSettingsInvalid)
	}
	for _, it := range all.Items {
		_, err = db.DeleteItem(t.Context(),
			&dynamodb.DeleteItemInput{TableName: &table, Key: map[string]types.AttributeValue{"pk": it["pk"], "sk": it["sk"]}})
		if err != nil {
			t.Fatal(err)
		}
	}
	d.freeze()
	d.invoke(event)
	if got := d.login(nil); got.queued != 0 {
		t.Errorf("POST /login without settings = %+v, want nothing queued", got)
	}
}

func TestLoginSafetyOfEvents(t *testing.T) {
	d := openDoorway(t)
	for name, event := range map[string]string{
		"null":                  `null`,
		"list":                  `[1,2,3]`,
		"text":                  `"PostAuthentication"`,
		"number":                `7`,
		"trigger is a number":   `{"triggerSource":7,"request":{"userAttributes":{}}}`,
		"attributes are a list": `{"triggerSource":"PostAuthentication_Authentication","region":"eu-west-1","userPoolId":"p","request":{"userAttributes":["sub"]}}`,
		"no request":            `{"triggerSource":"PostAuthentication_Authentication"}`,
		"deep": `{"triggerSource":"PostAuthentication_Authentication","x":` + strings.Repeat("[",
			5000) + strings.Repeat("]", 5000) + `}`,
		"large":                `{"triggerSource":"PostAuthentication_Authentication","region":"eu-west-1","userPoolId":"p","request":{"userAttributes":{"sub":"s","custom:zuora_accounts":"` + strings.Repeat("A1,", 400_000) + `"}}}`,
		"unknown members kept": `{"triggerSource":"PostAuthentication_Authentication","futureMember":{"a":[1e400,-0.0,12345678901234567890]},"request":{}}`,
		"refresh of a token":   `{"triggerSource":"TokenGeneration_RefreshTokens","request":{"userAttributes":{"sub":"s"}}}`,
		"odd text":             `{"triggerSource":"PostAuthentication_Authentication","userName":"\ud83d\ude00\u2028 \u0000"}`,
	} {
		t.Run(name, func(t *testing.T) {
			(&doorway{d.run, t}).invoke([]byte(event))
		})
	}
	now := time.Now().Unix()
	for name, tc := range map[string]struct {
		claims doc
		want   hotsync.Code
	}{
		"expired":                         {doc{"exp": now - 600, "iat": now - 4200}, hotsync.CodeTokenExpired},
		"not valid yet":                   {doc{"nbf": now + 600, "iat": now, "exp": now + 3600}, hotsync.CodeTokenNotYet},
		"issued by a clock that is ahead": {doc{"iat": now + 600, "exp": now + 4200}, hotsync.CodeTokenNotYet},
		"a little ahead":                  {doc{"iat": now + 20, "exp": now + 3620}, ""},
	} {
		t.Run("clock skew: "+name, func(t *testing.T) {
			got := (&doorway{d.run, t}).login(tc.claims)
			if got.code != tc.want || (got.status == http.StatusAccepted) != (tc.want == "") {
				t.Errorf("POST /login = %+v, want %q", got, tc.want)
			}
		})
	}
}

// With hardly any memory a login is slower, but no login is refused for it.
func TestLoginSafetyUnderMemoryPressure(t *testing.T) {
	d := openDoorway(t, "GOMEMLIMIT=6MiB", "GOGC=20")
	event := cognitoEvent(person{subject: "soak|memory", email: strings.Repeat("p", 100_000) + "@example.com"},
		[]string{d.world.accounts[0].ID})
	for range 10 {
		d.invoke(event)
	}
	if got := d.login(nil); got.status != http.StatusAccepted {
		t.Errorf("POST /login = %+v, want 202", got)
	}
}
