// Package zuora reads billing accounts from Zuora over its REST API.
//
// It is a small client of a few operations: the OAuth token, one account with
// everything on it (two call plans, one result), the search for an account by
// number, by a custom field or by a subscription, and a check of the settings.
// It never writes to Zuora.
//
// Three rules run through it. What must never be copied (tokens, bank details,
// national ids) is never decoded: structs name the members they want. An answer
// is believed only once it is known to be none of Zuora's error shapes, since
// Zuora may send those with status 200, and an incomplete answer would read as
// an absence. And nothing that was asked for or answered, other than account
// ids and numbers, comes into an error or a log line.
//
// Its structs are not those of package billing: they are what Zuora sends, in two
// vocabularies (v1 and Object Query) and with numbers, dates and nulls however it
// writes them, and billing's are the one value that both come to. One set would
// take either the leniency of the wire into the projection or two spellings into
// every struct.
//
// The client never tries again by itself, except once with a new token after a
// 401: retries belong to the queue. How many calls are in flight is bounded and
// follows what Zuora says is left of its limits:
// https://developer.zuora.com/docs/guides/rate-limits
package zuora
