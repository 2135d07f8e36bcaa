package sample

import (
	"fmt"
	"time"

	"hotsync/shared/hotsync"
)

// Logins makes up records of logins that led to nothing, the newest first: a claim
// misspelt for many, and one of most other kinds.
func Logins(now time.Time) []hotsync.LoginRecord {
	const issuer = "https://login.example.com/"
	var out []hotsync.LoginRecord
	add := func(age time.Duration, r hotsync.LoginRecord) {
		r.At = now.Add(-age)
		r.ID, r.Trigger = hotsync.EventIDFor(r.At, fmt.Sprint("nothing", len(out))), hotsync.TriggerLogin
		out = append(out, r)
	}
	had := []string{"aud", "email", "exp", "iat", "iss", "sub", "zuora_accounts"}
	missing := []hotsync.LoginClaim{
		{Claim: "zuora_account_ids", Reason: "claim_missing", Detail: "The login has no such claim."},
	}
	for i := range 4 {
		add(
			time.Duration(6+9*i)*time.Minute,
			hotsync.LoginRecord{
				Provider: "okta",
				Reason:   "claim_missing",
				Issuer:   issuer,
				Subject:  fmt.Sprintf("00u1a2b3c4d5e6f%02d", i),
				Verified: true,
				Claims:   missing,
				Had:      had,
			},
		)
	}
	add(
		50*time.Minute,
		hotsync.LoginRecord{
			Provider: "direct",
			Reason:   "claim_empty",
			Issuer:   issuer,
			Subject:  "auth0|64c1d0aa91e24b5f7d1e22b9",
			Verified: true,
			Claims: []hotsync.LoginClaim{
				{Claim: "zuora_account_ids", Reason: "claim_empty", Detail: "The claim is there and holds nothing."},
			},
			Had: had,
		},
	)
	add(
		2*time.Hour,
		hotsync.LoginRecord{
			Provider: "lookup",
			Reason:   hotsync.ReasonNoMatch,
			Issuer:   issuer,
			Subject:  "person-4712",
			Verified: true,
		},
	)
	add(
		3*time.Hour,
		hotsync.LoginRecord{
			Reason:  string(hotsync.CodeTokenIssuer),
			Issuer:  "https://" + Hostile,
			Subject: Hostile,
			Had:     []string{Hostile},
		},
	)
	add(
		26*time.Hour,
		hotsync.LoginRecord{
			Provider: "direct",
			Reason:   string(hotsync.CodeTokenAudience),
			Issuer:   issuer,
			Subject:  "person-4713",
		},
	)
	return out
}
