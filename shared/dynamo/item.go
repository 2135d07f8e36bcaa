package dynamo

import (
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Item is an item, or its key, or the values of an expression.
type Item = map[string]types.AttributeValue

// Key is the key of an item.
func Key(pk, sk string) Item { return Item{PK: Text(pk), SK: Text(sk)} }

// Text is a string attribute.
func Text(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }

// Number is a number attribute.
func Number[N int | int64](v N) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(int64(v), 10)}
}

// Bytes is a binary attribute.
func Bytes(v []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: v} }

// Time is a time as a number: milliseconds since 1970, 0 for none.
func Time(t time.Time) types.AttributeValue {
	if t.IsZero() {
		return Number(0)
	}
	return Number(t.UnixMilli())
}

// GetText returns a string attribute, "" when it is absent or of another kind.
func GetText(it Item, name string) string {
	v, ok := it[name].(*types.AttributeValueMemberS)
	if !ok {
		return ""
	}
	return v.Value
}

// GetNumber returns a number attribute, 0 when it is absent or no whole number.
func GetNumber(it Item, name string) int64 {
	v, ok := it[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// GetBytes returns a binary attribute, nil when it is absent or of another kind.
func GetBytes(it Item, name string) []byte {
	v, ok := it[name].(*types.AttributeValueMemberB)
	if !ok {
		return nil
	}
	return v.Value
}

// GetTime returns what Time made, the zero time when it is absent.
func GetTime(it Item, name string) time.Time {
	ms := GetNumber(it, name)
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
