package lambdafn_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hotsync/shared/lambdafn"
)

// Every try that DynamoDB refuses for want of capacity is counted, also one that the SDK
// makes up for; other failures are none.
func TestCountThrottles(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name  string
		codes []string // of the answers, the last of which repeats; "" for a good one
		want  int
	}{
		{"answered", []string{""}, 0},
		{"refused once, then answered", []string{"ThrottlingException", ""}, 1},
		{"refused at every try", []string{"ProvisionedThroughputExceededException"}, 3},
		{"another failure", []string{"ResourceNotFoundException"}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			calls := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				code := tc.codes[min(calls, len(tc.codes)-1)]
				calls++
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				answer := `{}`
				if code != "" {
					w.WriteHeader(http.StatusBadRequest)
					answer = `{"__type":"com.amazonaws.dynamodb.v20120810#` + code + `"}`
				}
				_, _ = io.WriteString(w, answer)
			}))
			defer server.Close()
			env := map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
				"AWS_ENDPOINT_URL_DYNAMODB": server.URL}
			cfg, err := lambdafn.AWS(func(name string) string { return env[name] }, 3, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
				o.APIOptions = append(o.APIOptions, lambdafn.CountThrottles(func() { got++ }))
			})
			_, err = client.GetItem(t.Context(),
				&dynamodb.GetItemInput{TableName: aws.String("t"), Key: map[string]types.AttributeValue{}})
			if (err != nil) != (tc.codes[len(tc.codes)-1] != "") || got != tc.want {
				t.Errorf("counted %d, want %d; GetItem: %v", got, tc.want, err)
			}
		})
	}
}
