package claims

import "strings"

// asList takes a value that is a list apart, so that a list of one is looked up
// alike whether it came as an array of a token, as `[a]` of a Cognito attribute
// or an authorizer, or as the text of a JSON array. Each may be URL-form-encoded
// once as Parse reads it. Text between brackets with a comma or a blank in it
// may be several values, and a lookup never guesses which.
func asList(value any) (_ []any, ok bool) {
	text, isText := value.(string)
	if !isText {
		list, ok := value.([]any)
		return list, ok
	}
	text = strings.TrimSpace(text)
	whole := decodeOnce(text)
	decoded := whole != text
	if bracketed(text) {
		whole, decoded = text, false // encoded, if at all, value by value
	}
	if !bracketed(whole) {
		return nil, false
	}
	var list []any
	if unmarshal(whole, &list) == nil {
		return list, true
	}
	inner := whole[1 : len(whole)-1]
	split := strings.Fields
	if strings.Contains(inner, ",") {
		split = func(s string) []string { return strings.Split(s, ",") }
	}
	for _, part := range split(inner) {
		part = strings.TrimSpace(part)
		if !decoded {
			part = decodeOnce(part)
		}
		if part != "" {
			list = append(list, part)
		}
	}
	return list, true
}

func bracketed(s string) bool {
	return len(s) >= 2 && strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]")
}
