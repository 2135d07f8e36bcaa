package claims

import "strings"

// addresses are the claims that hold what anybody can type in at a sign-up, by
// the last part of their names, with the standard claim that each stands for:
// OpenID Connect Core 5.1 has email and phone_number, directories and Azure B2C
// call them otherwise, and namespaced claims end in them
// (https://acme.example.com/email, signInNames.emailAddress).
var addresses = map[string]string{
	"email":           "email",
	"emails":          "email",
	"e_mail":          "email",
	"mail":            "email",
	"emailaddress":    "email",
	"email_address":   "email",
	"phone_number":    "phone_number",
	"phone_numbers":   "phone_number",
	"phonenumber":     "phone_number",
	"phone":           "phone_number",
	"mobile":          "phone_number",
	"mobilephone":     "phone_number",
	"mobile_phone":    "phone_number",
	"telephonenumber": "phone_number",
}

// suffix makes the claim that says whether another is verified.
const suffix = "_verified"

// verified reports whether the provider vouches for the claim. An address does
// not count without a word that it is verified, since it would find the account
// of whoever really has it. Any other claim counts unless the provider says that
// it is not verified.
//
// The word has to be about this very claim: beside custom:email it is
// custom:email_verified. Where there is none of its own, email_verified counts if
// the claim holds the same as email does, or there is no email: next to
// somebody's own verified address another claim could hold a stranger's.
func verified(claims map[string]any, name string) bool {
	own, said := claims[name+suffix]
	standard, isAddress := addresses[lastPart(name)]
	switch {
	case !isAddress:
		return !said || !saysFalse(own)
	case said || name == standard:
		return saysTrue(own)
	case !saysTrue(claims[standard+suffix]):
		return false
	}
	about, there := claims[standard]
	if !there {
		return true
	}
	one, problem := lookupValue(claims[name])
	other, otherProblem := lookupValue(about)
	return problem == "" && otherProblem == "" && one == other
}

// lastPart returns what a claim's name says when its prefix or namespace is taken
// off, in lower case.
func lastPart(name string) string {
	return strings.ToLower(name[strings.LastIndexAny(name, ":/.#|")+1:])
}

// saysTrue reads a truth value of a token, or as text of a user attribute or
// from behind an authorizer. Only true is true: what a provider means by 1 or
// yes is its own affair.
func saysTrue(value any) bool {
	switch v := value.(type) {
	case bool:
		return v
	case string:
		return strings.EqualFold(strings.TrimSpace(v), "true")
	default:
		return false
	}
}

func saysFalse(value any) bool {
	switch v := value.(type) {
	case bool:
		return !v
	case string:
		return strings.EqualFold(strings.TrimSpace(v), "false")
	default:
		return false
	}
}
