package eventstore

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// filter is what an index does not narrow. It is applied by DynamoDB, where it
// saves transfer but no reading. It is made of a Query for each way to find its events:
// keys and no spellings, and without what the index of that way narrows.
type filter struct {
	now      time.Time // what expired by then is left out
	accounts []string  // keys
	subject  string    // key
	statuses []hotsync.Status
	provider string
	trigger  hotsync.Trigger
	reason   string
}

// selective reports whether the filter leaves out more than expired events.
func (f filter) selective() bool {
	return len(f.accounts) > 0 || f.subject != "" || len(f.statuses) > 0 || f.provider != "" || f.trigger != "" ||
		f.reason != ""
}

// wants reports whether the filter lets events of a status through.
func (f filter) wants(status hotsync.Status) bool {
	return len(f.statuses) == 0 || slices.Contains(f.statuses, status)
}

// allows reports whether a partition can hold what the filter lets through: a
// filter on the key of the index is answered here, as DynamoDB refuses it.
func (f filter) allows(p partition) bool {
	switch {
	case p.attr == attrAccount && len(f.accounts) > 0:
		return slices.Contains(f.accounts, p.key)
	case p.attr == attrSubject && f.subject != "":
		return p.key == f.subject
	default:
		return true
	}
}

// query asks for the events of a partition with lo <= id < hi that the filter
// lets through, newest first. lo must be before hi.
func (s *Store) query(p partition, lo, hi string, f filter) *dynamodb.QueryInput {
	in := &dynamodb.QueryInput{IndexName: &p.index, ScanIndexForward: aws.Bool(false),
		ExpressionAttributeNames:  map[string]string{"#key": p.attr, "#id": attrID, "#expires": dynamo.Expires},
		ExpressionAttributeValues: item{":key": dynamo.Text(p.key), ":now": dynamo.Number(f.now.Unix())}}
	if p.id == "" {
		in.KeyConditionExpression = aws.String("#key = :key AND #id BETWEEN :lo AND :hi")
		in.ExpressionAttributeValues[":lo"] = dynamo.Text(lo)
		in.ExpressionAttributeValues[":hi"] = dynamo.Text(below(hi))
	} else {
		in.KeyConditionExpression = aws.String("#key = :key AND #id = :id")
		in.ExpressionAttributeValues[":id"] = dynamo.Text(p.id)
	}
	terms := []string{"#expires > :now"}
	oneOf := func(attr string, values ...string) {
		if len(values) == 0 || values[0] == "" || attr == p.attr {
			return
		}
		names := make([]string, len(values))
		for i, v := range values {
			names[i] = ":" + attr + strconv.Itoa(i)
			in.ExpressionAttributeValues[names[i]] = dynamo.Text(v)
		}
		in.ExpressionAttributeNames["#"+attr] = attr
		terms = append(terms, "#"+attr+" IN ("+strings.Join(names, ", ")+")")
	}
	statuses := make([]string, len(f.statuses))
	for i, st := range f.statuses {
		statuses[i] = string(st)
	}
	if !p.queued { // which has neither; see holds
		oneOf(attrAccount, f.accounts...)
		oneOf(attrSubject, f.subject)
	}
	oneOf(attrStatus, statuses...)
	oneOf(attrProvider, f.provider)
	oneOf(attrTrigger, string(f.trigger))
	oneOf(attrReason, f.reason)
	in.FilterExpression = aws.String(strings.Join(terms, " AND "))
	return in
}

// below is an upper bound that includes every event id before hi and not hi
// itself. DynamoDB knows no range with one end open, only BETWEEN.
func below(hi string) string {
	last := len(hi) - 1
	return hi[:last] + string(hi[last]-1) + "~"
}
