// Package settingstore keeps the settings in DynamoDB, with every version they
// ever had: who changed them and when.
//
// The table has the string keys pk and sk. The item settings/current is the
// version in force, settings/v#0000000012 its copy in the history. There are no
// transactions: current decides.
package settingstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hotsync/shared/hotsync"
)

// Client is what the store needs of *dynamodb.Client.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

// Config says where the store is. Both members are needed.
type Config struct {
	Table string
	Now   func() time.Time
}

// Store keeps settings. It is safe for concurrent use.
type Store struct {
	client Client
	table  string
	now    func() time.Time
}

// New makes the store over an existing table.
func New(client Client, cfg Config) *Store { return &Store{client, cfg.Table, cfg.Now} }

const (
	partition   = "settings"
	current     = "current"
	attrVersion = "version"
	attrBody    = "settings"
)

func key(sk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: partition}, "sk": &types.AttributeValueMemberS{Value: sk}}
}

func versionKey(version int) string { return fmt.Sprintf("v#%010d", version) }

// Load reads the settings in force. Before anybody saved any they are
// DefaultSettings, version 0. Settings that cannot be read, or that are not
// valid, are CodeSettingsInvalid.
func (s *Store) Load(ctx context.Context) (_ hotsync.Settings, err error) {
	defer hotsync.In(&err, "settingstore.Load")
	return s.get(ctx, current)
}

// Version reads an earlier version, or fails with CodeNotFound.
func (s *Store) Version(ctx context.Context, version int) (_ hotsync.Settings, err error) {
	defer hotsync.In(&err, "settingstore.Version(%d)", version)
	settings, err := s.get(ctx, versionKey(version))
	if err == nil && settings.Version == 0 {
		return hotsync.Settings{}, hotsync.Errorf(hotsync.CodeNotFound, "The settings have no version %d.", version)
	}
	return settings, err
}

func (s *Store) get(ctx context.Context, sk string) (hotsync.Settings, error) {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: key(sk), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return hotsync.Settings{}, unavailable(err)
	}
	if out.Item == nil {
		return hotsync.DefaultSettings(), nil
	}
	return decode(out.Item)
}

func decode(item map[string]types.AttributeValue) (hotsync.Settings, error) {
	// A member that an older version did not have keeps its default.
	settings := hotsync.DefaultSettings()
	body, ok := item[attrBody].(*types.AttributeValueMemberS)
	if !ok {
		return hotsync.Settings{}, hotsync.Errorf(hotsync.CodeSettingsInvalid, "The stored settings have no body.")
	}
	err := json.Unmarshal([]byte(body.Value), &settings)
	if err != nil {
		return hotsync.Settings{}, hotsync.Errorf(hotsync.CodeSettingsInvalid, "The stored settings cannot be read.").Because(err)
	}
	return settings, valid(settings)
}

// valid collects what keeps settings from being used.
func valid(s hotsync.Settings) error {
	var wrong []string
	for _, f := range s.Validate() {
		if !f.Warning {
			wrong = append(wrong, f.Path+": "+f.Message)
		}
	}
	if len(wrong) > 0 {
		return hotsync.Errorf(hotsync.CodeSettingsInvalid, "%s", strings.Join(wrong, " "))
	}
	return nil
}

func unavailable(cause error) error {
	return hotsync.Errorf(hotsync.CodeStoreUnavailable, "The settings could not be reached.").Because(cause)
}

// Save puts settings in force as the version after settings.Version, which must
// be the one in force: somebody else's change since is CodeConflict. What
// Validate finds wrong is CodeSettingsInvalid. It returns what was saved.
func (s *Store) Save(ctx context.Context, settings hotsync.Settings, who string) (_ hotsync.Settings, err error) {
	defer hotsync.In(&err, "settingstore.Save")
	err = valid(settings)
	if err != nil {
		return hotsync.Settings{}, err
	}
	before := settings.Version
	settings.Version, settings.UpdatedAt, settings.UpdatedBy = before+1, s.now().UTC(), who
	item, err := encode(settings)
	if err != nil {
		return hotsync.Settings{}, err
	}
	in := &dynamodb.PutItemInput{TableName: &s.table, Item: with(item, current), ConditionExpression: aws.String("attribute_not_exists(pk)")}
	if before > 0 {
		in.ConditionExpression = aws.String("#version = :before")
		in.ExpressionAttributeNames = map[string]string{"#version": attrVersion}
		in.ExpressionAttributeValues = map[string]types.AttributeValue{":before": number(before)}
	}
	_, err = s.client.PutItem(ctx, in)
	var lost *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &lost):
		return hotsync.Settings{}, hotsync.Errorf(hotsync.CodeConflict, "Somebody else changed the settings meanwhile.")
	case err != nil:
		return hotsync.Settings{}, unavailable(err)
	}
	return settings, s.remember(ctx, settings, item)
}

// remember writes the history entry of a version. If it fails the settings are
// in force all the same; the error says that their history has a gap.
func (s *Store) remember(ctx context.Context, settings hotsync.Settings, item map[string]types.AttributeValue) error {
	_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: with(item, versionKey(settings.Version))})
	if err != nil {
		return unavailable(err)
	}
	return nil
}

func encode(settings hotsync.Settings) (map[string]types.AttributeValue, error) {
	body, err := json.Marshal(settings)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return map[string]types.AttributeValue{attrVersion: number(settings.Version), attrBody: &types.AttributeValueMemberS{Value: string(body)}}, nil
}

func with(item map[string]types.AttributeValue, sk string) map[string]types.AttributeValue {
	out := key(sk)
	for k, v := range item {
		out[k] = v
	}
	return out
}

func number(n int) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: fmt.Sprint(n)}
}

// History gives up to limit versions, the latest first, older than before (0:
// from the latest on).
func (s *Store) History(ctx context.Context, limit, before int) (_ []hotsync.Settings, err error) {
	defer hotsync.In(&err, "settingstore.History")
	high := versionKey(9_999_999_999)
	if before > 0 {
		high = versionKey(before - 1)
	}
	out, err := s.client.Query(ctx, &dynamodb.QueryInput{TableName: &s.table, Limit: aws.Int32(int32(limit)), ScanIndexForward: aws.Bool(false),
		ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :p AND sk BETWEEN :low AND :high"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberS{Value: partition},
			":low": &types.AttributeValueMemberS{Value: versionKey(0)}, ":high": &types.AttributeValueMemberS{Value: high}}})
	if err != nil {
		return nil, unavailable(err)
	}
	var versions []hotsync.Settings
	for _, item := range out.Items {
		settings, err := decode(item)
		if err != nil && settings.Version == 0 {
			return nil, err
		}
		versions = append(versions, settings)
	}
	return versions, nil
}

// Restore puts an earlier version in force again, as a new version.
func (s *Store) Restore(ctx context.Context, version int, who string) (_ hotsync.Settings, err error) {
	defer hotsync.In(&err, "settingstore.Restore(%d)", version)
	old, err := s.Version(ctx, version)
	if err != nil {
		return hotsync.Settings{}, err
	}
	now, err := s.Load(ctx)
	if err != nil && hotsync.AsError(err).Code != hotsync.CodeSettingsInvalid {
		return hotsync.Settings{}, err
	}
	old.Version = now.Version
	return s.Save(ctx, old, who)
}
