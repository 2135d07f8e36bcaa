// Package settingstore keeps the settings in a DynamoDB table of their own,
// with every version there ever was, and caches them for the functions.
//
// The table has the string keys pk and sk. All items have pk "settings"; the
// settings in force have sk "current", and a version that was replaced has sk
// "v#" and its number in ten digits. A version is copied to its own item before
// it is replaced, so that none is ever lost, wherever a writer dies.
package settingstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
)

// The failures that callers decide on.
var (
	ErrConflict = &hotsync.Error{Code: hotsync.CodeConflict, Message: "The settings were changed meanwhile."}
	ErrNotFound = &hotsync.Error{Code: hotsync.CodeNotFound, Message: "There is no such version of the settings."}
)

// How many versions History gives at once.
const (
	DefaultLimit = 20
	MaxLimit     = 100
)

// maxSize keeps the settings well within an item's 400 KB.
const maxSize = 300 << 10

// Store is the settings store. It is safe for concurrent use.
type Store struct {
	table dynamo.Table
	now   func() time.Time
}

// New makes the store over an existing table, where nothing expires.
func New(table dynamo.Table, now func() time.Time) *Store {
	return &Store{table: table, now: now}
}

const (
	partition = "settings"
	current   = "current"
	archived  = "v#"

	attrVersion  = "version"
	attrSettings = "settings"
	attrAt       = "updatedAt"
	attrBy       = "updatedBy"
)

type item = dynamo.Item

// version is 0 for an item that is absent or that somebody damaged.
func version(it item) int { return int(dynamo.GetNumber(it, attrVersion)) }

func archiveKey(version int) string { return fmt.Sprintf("%s%010d", archived, version) }

// Load reads the settings in force, consistently. Before anybody saved any they
// are the default ones, of version 0. Stored settings that cannot be read, or
// that are not valid, are a settings_invalid error that says why.
func (s *Store) Load(ctx context.Context) (_ hotsync.Settings, err error) {
	defer hotsync.In(&err, "settingstore.Load")
	it, err := s.get(ctx, current)
	if err != nil {
		return hotsync.Settings{}, err
	}
	if it == nil {
		return hotsync.DefaultSettings(), nil
	}
	settings, err := decode(it)
	if err != nil {
		return hotsync.Settings{}, err
	}
	return settings, valid(settings)
}

// Save puts settings into force. Their Version is the one they were made from:
// when that is no longer in force, Save returns ErrConflict. Settings that are
// not valid are refused with settings_invalid. by is who saves. It returns the
// settings with their new version. Settings in force that cannot be read can be
// replaced too.
func (s *Store) Save(ctx context.Context, settings hotsync.Settings, by string) (_ hotsync.Settings, err error) {
	defer hotsync.In(&err, "settingstore.Save")
	it, err := s.get(ctx, current)
	if err != nil {
		return hotsync.Settings{}, err
	}
	if settings.Version != version(it) {
		return hotsync.Settings{}, ErrConflict
	}
	return s.replace(ctx, it, settings, by)
}

// Restore puts the settings of an earlier version into force again, as a new
// version. It returns ErrNotFound when there is no such version, and ErrConflict
// when somebody else saves at the same time.
func (s *Store) Restore(ctx context.Context, earlier int, by string) (_ hotsync.Settings, err error) {
	defer hotsync.In(&err, "settingstore.Restore(%d)", earlier)
	it, err := s.get(ctx, current)
	if err != nil {
		return hotsync.Settings{}, err
	}
	entry, err := s.Version(ctx, earlier)
	if err != nil {
		return hotsync.Settings{}, err
	}
	if entry.Err != nil {
		return hotsync.Settings{}, entry.Err
	}
	return s.replace(ctx, it, entry.Settings, by)
}

// replace writes settings over the item that is in force.
func (s *Store) replace(
	ctx context.Context,
	before item,
	settings hotsync.Settings,
	by string,
) (hotsync.Settings, error) {
	if strings.TrimSpace(by) == "" {
		return hotsync.Settings{}, hotsync.Errorf(hotsync.CodeBadRequest, "Say who changes the settings.")
	}
	err := valid(settings)
	if err != nil {
		return hotsync.Settings{}, err
	}
	last := version(before)
	if last == 0 {
		// Nothing in force, or it was damaged: its numbers must not be used again.
		last, err = s.newestArchived(ctx)
		if err != nil {
			return hotsync.Settings{}, err
		}
	}
	if before != nil {
		err = s.archive(ctx, before)
		if err != nil {
			return hotsync.Settings{}, err
		}
	}
	settings.Version, settings.UpdatedAt, settings.UpdatedBy = last+1, s.now().UTC().Truncate(time.Millisecond), by
	if settings.Providers == nil {
		settings.Providers = []hotsync.Provider{}
	}
	raw, err := json.Marshal(settings)
	if err != nil {
		return hotsync.Settings{}, fmt.Errorf("encode: %w", err)
	}
	if len(raw) > maxSize {
		return hotsync.Settings{}, hotsync.Errorf(
			hotsync.CodeSettingsInvalid,
			"The settings are too large: %d KB of at most %d.",
			len(raw)>>10,
			maxSize>>10,
		)
	}
	it := dynamo.Key(partition, current)
	it[attrVersion], it[attrSettings] = dynamo.Number(settings.Version), dynamo.Text(string(raw))
	it[attrBy] = dynamo.Text(by)
	it[attrAt] = dynamo.Text(settings.UpdatedAt.Format(time.RFC3339Nano))
	err = s.put(ctx, it, version(before))
	if err != nil {
		return hotsync.Settings{}, err
	}
	return settings, nil
}

// put writes the item in force over a version; 0 is one that is absent or has
// no version.
func (s *Store) put(ctx context.Context, it item, over int) error {
	when := dynamo.Condition{Expression: "version = :over", Values: item{":over": dynamo.Number(over)}}
	if over == 0 {
		when = dynamo.Condition{Expression: "attribute_not_exists(pk) OR NOT attribute_type(version, :number)",
			Values: item{":number": dynamo.Text("N")}}
	}
	err := s.table.Replace(ctx, it, when)
	if errors.Is(err, dynamo.ErrRefused) {
		return ErrConflict
	}
	return err
}

// archive copies the item in force to its own version. It may be there already.
func (s *Store) archive(ctx context.Context, it item) error {
	it = maps.Clone(it)
	it[dynamo.SK] = dynamo.Text(archiveKey(version(it)))
	err := s.table.Replace(ctx, it, dynamo.Absent())
	if errors.Is(err, dynamo.ErrRefused) {
		return nil
	}
	return err
}

func (s *Store) newestArchived(ctx context.Context) (int, error) {
	items, err := s.archivedBelow(ctx, archiveKey(1<<31), 1)
	if err != nil || len(items) == 0 {
		return 0, err
	}
	return archivedVersion(items[0]), nil
}

// archivedVersion is the version by the key, which holds also for an item whose
// version is damaged.
func archivedVersion(it item) int {
	n, err := strconv.Atoi(strings.TrimPrefix(dynamo.GetText(it, dynamo.SK), archived))
	if err != nil {
		return 0
	}
	return n
}

// archivedBelow reads archived items with a key up to that one, newest first.
func (s *Store) archivedBelow(ctx context.Context, upTo string, limit int) ([]item, error) {
	out, err := s.table.Query(ctx, &dynamodb.QueryInput{
		ConsistentRead:         aws.Bool(true),
		KeyConditionExpression: aws.String("pk = :pk AND sk BETWEEN :first AND :last"),
		ScanIndexForward:       aws.Bool(false),
		Limit:                  aws.Int32(int32(limit)),
		ExpressionAttributeValues: item{
			":pk":    dynamo.Text(partition),
			":first": dynamo.Text(archiveKey(0)),
			":last":  dynamo.Text(upTo),
		},
	})
	if err != nil {
		return nil, err
	}
	return out.Items, nil
}

// Entry is one version of the settings.
type Entry struct {
	Version  int
	At       time.Time // when it came into force, in UTC
	By       string    // who saved it
	Settings hotsync.Settings
	Err      error // why Settings could not be read; then they are empty
}

// Version reads one version of the settings, or returns ErrNotFound.
func (s *Store) Version(ctx context.Context, n int) (_ Entry, err error) {
	defer hotsync.In(&err, "settingstore.Version(%d)", n)
	for _, sk := range []string{archiveKey(n), current} {
		it, err := s.get(ctx, sk)
		if err != nil {
			return Entry{}, err
		}
		if it != nil && (sk != current || version(it) == n) {
			return entry(it), nil
		}
	}
	return Entry{}, ErrNotFound
}

// History returns the versions of the settings, newest first and the one in force
// among them, and the cursor of the next page, "" at the end. limit 0 is
// DefaultLimit. A wrong limit or cursor is a bad_request.
func (s *Store) History(ctx context.Context, limit int, cursor string) (_ []Entry, next string, err error) {
	defer hotsync.In(&err, "settingstore.History")
	if limit == 0 {
		limit = DefaultLimit
	}
	if limit < 1 || limit > MaxLimit {
		return nil, "", hotsync.Errorf(hotsync.CodeBadRequest, "The limit must be between 1 and %d.", MaxLimit)
	}
	var entries []Entry
	before := 1 << 31
	if cursor != "" {
		before, err = strconv.Atoi(cursor)
		if err != nil || before < 1 || strconv.Itoa(before) != cursor {
			return nil, "", hotsync.Errorf(
				hotsync.CodeBadRequest,
				"The cursor is not one of this history. Begin again at the first page.",
			)
		}
	} else {
		it, err := s.get(ctx, current)
		if err != nil {
			return nil, "", err
		}
		if it != nil {
			entries = append(entries, entry(it))
			if v := version(it); v > 0 {
				before = v // a copy of it may be there already
			}
		}
	}
	items, err := s.archivedBelow(ctx, archiveKey(before-1), limit-len(entries)+1)
	if err != nil {
		return nil, "", err
	}
	for _, it := range items {
		if len(entries) == limit {
			return entries, strconv.Itoa(archivedVersion(it) + 1), nil
		}
		entries = append(entries, entry(it))
	}
	return entries, "", nil
}

func entry(it item) Entry {
	e := Entry{Version: version(it), By: dynamo.GetText(it, attrBy)}
	if strings.HasPrefix(dynamo.GetText(it, dynamo.SK), archived) {
		e.Version = archivedVersion(it)
	}
	e.Settings, e.Err = decode(it)
	at, err := time.Parse(time.RFC3339Nano, dynamo.GetText(it, attrAt))
	if err == nil {
		e.At = at
	}
	return e
}

// decode reads the settings of an item. What a version before did not know yet
// has its default.
func decode(it item) (hotsync.Settings, error) {
	settings := hotsync.DefaultSettings()
	err := json.Unmarshal([]byte(dynamo.GetText(it, attrSettings)), &settings)
	if err != nil {
		return hotsync.Settings{}, hotsync.Errorf(hotsync.CodeSettingsInvalid,
			"Version %d of the settings cannot be read: it is damaged.", version(it)).
			Because(err)
	}
	if settings.Version != version(it) {
		return hotsync.Settings{}, hotsync.Errorf(
			hotsync.CodeSettingsInvalid,
			"The stored settings say version %d and are kept as version %d: they are damaged.",
			settings.Version,
			version(it),
		)
	}
	return settings, nil
}

// valid turns the errors that Validate finds into one.
func valid(settings hotsync.Settings) error {
	var wrong []string
	for _, f := range settings.Validate() {
		if !f.Warning {
			wrong = append(wrong, f.Path+": "+f.Message)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return hotsync.Errorf(hotsync.CodeSettingsInvalid, "The settings are not valid. %s", strings.Join(wrong, " "))
}

func (s *Store) get(ctx context.Context, sk string) (item, error) {
	return s.table.Get(ctx, dynamo.Key(partition, sk))
}
