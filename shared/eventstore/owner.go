package eventstore

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hotsync/shared/hotsync"
)

// Owner is what is known of an owner identity in Limio. Whoever is linked to an
// owner sees all of its accounts, so both sides are remembered, for as long as
// Limio keeps them: these items do not expire.
type Owner struct {
	ID       string
	Accounts []hotsync.AccountRef // synced to it
	Logins   []string             // linked to it, or about to be, as IdentityHash
}

const (
	attrAccounts = "accounts"
	attrLogins   = "logins"
	attrOwner    = "owner"
)

func ownerKey(id string) item { return key("owner#"+bounded(id), "owner") }

func loginKey(who hotsync.Identity) item { return key("login#"+IdentityHash(who), "login") }

func accountMember(a hotsync.AccountRef) string { return a.ID + "/" + a.Number }

// JoinOwner adds an account and, unless it is nobody, a login to an owner, and
// gives all that the owner then has. Adding and reading are one write: of two
// who join at the same time, at least one sees the other.
func (s *Store) JoinOwner(ctx context.Context, owner string, account hotsync.AccountRef, who hotsync.Identity) (_ Owner, err error) {
	defer hotsync.In(&err, "eventstore.JoinOwner(%q)", owner)
	expression, values := "ADD #accounts :account", item{":account": &types.AttributeValueMemberSS{Value: []string{accountMember(account)}}}
	names := map[string]string{"#accounts": attrAccounts}
	if !who.IsZero() {
		expression += ", #logins :login"
		names["#logins"] = attrLogins
		values[":login"] = &types.AttributeValueMemberSS{Value: []string{IdentityHash(who)}}
	}
	out, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.table, Key: ownerKey(owner), UpdateExpression: &expression,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values, ReturnValues: types.ReturnValueAllNew})
	if err != nil {
		return Owner{}, failure(err)
	}
	joined := Owner{ID: owner, Logins: getSet(out.Attributes, attrLogins)}
	for _, member := range getSet(out.Attributes, attrAccounts) {
		id, number, _ := strings.Cut(member, "/")
		joined.Accounts = append(joined.Accounts, hotsync.AccountRef{ID: id, Number: number})
	}
	return joined, nil
}

// LeaveOwner takes an account, a login, or both back; the zero value of either
// stays out of it.
func (s *Store) LeaveOwner(ctx context.Context, owner string, account hotsync.AccountRef, who hotsync.Identity) (err error) {
	defer hotsync.In(&err, "eventstore.LeaveOwner(%q)", owner)
	var parts []string
	names, values := map[string]string{}, item{}
	if account != (hotsync.AccountRef{}) {
		parts = append(parts, "#accounts :account")
		names["#accounts"], values[":account"] = attrAccounts, &types.AttributeValueMemberSS{Value: []string{accountMember(account)}}
	}
	if !who.IsZero() {
		parts = append(parts, "#logins :login")
		names["#logins"], values[":login"] = attrLogins, &types.AttributeValueMemberSS{Value: []string{IdentityHash(who)}}
	}
	if len(parts) == 0 {
		return nil
	}
	_, err = s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.table, Key: ownerKey(owner),
		UpdateExpression: aws.String("DELETE " + strings.Join(parts, ", ")), ExpressionAttributeNames: names, ExpressionAttributeValues: values})
	if err != nil {
		return failure(err)
	}
	return nil
}

// LoginOwner gives the owner that a login is linked to, "" when none is known.
func (s *Store) LoginOwner(ctx context.Context, who hotsync.Identity) (_ string, err error) {
	defer hotsync.In(&err, "eventstore.LoginOwner")
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: loginKey(who), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return "", failure(err)
	}
	return getStr(out.Item, attrOwner), nil
}

// BindLogin remembers that a login is linked to an owner, unless it is to
// another one already, and gives the owner that holds: a login has one.
func (s *Store) BindLogin(ctx context.Context, who hotsync.Identity, owner string) (_ string, err error) {
	defer hotsync.In(&err, "eventstore.BindLogin(%q)", owner)
	out, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.table, Key: loginKey(who),
		UpdateExpression:         aws.String("SET #owner = if_not_exists(#owner, :owner)"),
		ExpressionAttributeNames: map[string]string{"#owner": attrOwner}, ExpressionAttributeValues: item{":owner": str(owner)},
		ReturnValues: types.ReturnValueAllNew})
	if err != nil {
		return "", failure(err)
	}
	return getStr(out.Attributes, attrOwner), nil
}

// forgetOwner takes a login out of what is known of owners. Its link in Limio is
// Limio's to remove.
func (s *Store) forgetOwner(ctx context.Context, who hotsync.Identity) error {
	owner, err := s.LoginOwner(ctx, who)
	if err != nil || owner == "" {
		return err
	}
	err = s.LeaveOwner(ctx, owner, hotsync.AccountRef{}, who)
	if err != nil {
		return err
	}
	_, err = s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.table, Key: loginKey(who)})
	if err != nil {
		return failure(err)
	}
	return nil
}

func getSet(it item, name string) []string {
	v, ok := it[name].(*types.AttributeValueMemberSS)
	if !ok {
		return nil
	}
	return slices.Sorted(slices.Values(v.Value))
}
