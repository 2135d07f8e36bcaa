package settingstore_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/shared/dynamo"
	"hotsync/shared/hotsync"
	"hotsync/shared/settingstore"
)

var start = time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)

// bundle is a store of its own on the local engine, whose clock goes on an hour
// with every look at it.
type bundle struct {
	*settingstore.Store
	table  dynamo.Table
	answer func(*http.Request, *http.Response) (*http.Response, error)
}

func (b *bundle) Do(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultClient.Do(r)
	if err == nil && b.answer != nil {
		return b.answer(r, res)
	}
	return res, err
}

func open(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{}
	b.table = enginetest.Table(t, func(o *dynamodb.Options) { o.HTTPClient = b })
	var hours atomic.Int64
	b.Store = settingstore.New(b.table, func() time.Time { return start.Add(time.Duration(hours.Add(1)) * time.Hour) })
	return b
}

// spoil writes over the item in force, past the store.
func (b *bundle) spoil(t *testing.T, attributes map[string]types.AttributeValue) {
	t.Helper()
	b.put(t, "current", attributes)
}

// put writes an item, past the store.
func (b *bundle) put(t *testing.T, sk string, attributes map[string]types.AttributeValue) {
	t.Helper()
	attributes["pk"], attributes["sk"] = &types.AttributeValueMemberS{Value: "settings"},
		&types.AttributeValueMemberS{Value: sk}
	_, err := b.table.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &b.table.Name, Item: attributes})
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bundle) save(t *testing.T, s hotsync.Settings, by string) hotsync.Settings {
	t.Helper()
	s, err := b.Save(t.Context(), s, by)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wholeSettings() hotsync.Settings {
	s := hotsync.DefaultSettings()
	s.HotSync, s.ZuoraPlan, s.TimeZone, s.RecordUnmatched = true, hotsync.PlanV, "Europe/London", true
	s.ZuoraAccountURL = "https://example.com/{id}"
	s.Providers = []hotsync.Provider{{Name: "direct", Issuer: "https://id.example.com", Audiences: []string{"app"},
		Claims: []hotsync.IdentityClaim{{Claim: "zuora_account_ids", Service: "zuora", Issuer: "zuora", Type: "account"}}}}
	return s
}

func code(err error) hotsync.Code {
	if err == nil {
		return ""
	}
	return hotsync.AsError(err).Code
}

func TestLoadBeforeAnythingWasSaved(t *testing.T) {
	t.Parallel()

	got, err := open(t).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hotsync.DefaultSettings(), got); diff != "" {
		t.Errorf("Load mismatch (-want +got):\n%s", diff)
	}
}

func TestSaveAndLoad(t *testing.T) {
	t.Parallel()

	b := open(t)
	want := wholeSettings()
	saved := b.save(t, want, "ada")
	want.Version, want.UpdatedAt, want.UpdatedBy = 1, start.Add(time.Hour), "ada"
	if diff := cmp.Diff(want, saved); diff != "" {
		t.Errorf("Save mismatch (-want +got):\n%s", diff)
	}
	got, err := b.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Load mismatch (-want +got):\n%s", diff)
	}
}

func TestSaveRefusals(t *testing.T) {
	t.Parallel()

	b := open(t)
	v1 := b.save(t, wholeSettings(), "ada")
	invalid := v1
	invalid.ZuoraPlan, invalid.TimeZone = "X", "Mars"
	large := v1
	large.Providers = slices.Clone(v1.Providers)
	large.Providers[0].Audiences = slices.Repeat([]string{strings.Repeat("a", 1000)}, 400)
	stale, future := v1, v1
	stale.Version, future.Version = 0, 2
	for _, tc := range []struct {
		name     string
		settings hotsync.Settings
		by       string
		want     hotsync.Code
		mentions []string
	}{
		{name: "invalid", settings: invalid, by: "ada", want: hotsync.CodeSettingsInvalid,
			mentions: []string{"zuoraPlan", "timeZone"}},
		{name: "too large", settings: large, by: "ada", want: hotsync.CodeSettingsInvalid,
			mentions: []string{"too large: 392 KB of at most 300"}},
		{name: "nobody", settings: v1, by: " ", want: hotsync.CodeBadRequest},
		{name: "made from an earlier version", settings: stale, by: "ada", want: hotsync.CodeConflict},
		{name: "made from no version there is", settings: future, by: "ada", want: hotsync.CodeConflict},
	} {
		_, err := b.Save(t.Context(), tc.settings, tc.by)
		if code(err) != tc.want {
			t.Errorf("%s: Save error = %v, want %s", tc.name, err, tc.want)
		}
		for _, m := range tc.mentions {
			if err == nil || !strings.Contains(err.Error(), m) {
				t.Errorf("%s: Save error = %v, want it to mention %q", tc.name, err, m)
			}
		}
	}
	got, err := b.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v1, got); diff != "" {
		t.Errorf("a refused save changed the settings (-want +got):\n%s", diff)
	}
}

// What Validate only warns of is saved.
func TestWarningsAreNoErrors(t *testing.T) {
	t.Parallel()

	b := open(t)
	s := wholeSettings()
	s.CreateOffers = true
	if got := b.save(t, s, "ada"); !got.CreateOffers {
		t.Errorf("Save = %+v", got)
	}
}

// A writer that dies after it copied the version in force, and before it wrote its own,
// leaves that version twice: it is one, and can be replaced.
func TestWriterThatDied(t *testing.T) {
	t.Parallel()

	b := open(t)
	v1 := b.save(t, wholeSettings(), "ada")
	out, err := b.table.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &b.table.Name,
		Key: dynamo.Key("settings", "current")})
	if err != nil {
		t.Fatal(err)
	}
	b.put(t, "v#0000000001", out.Item)
	for _, want := range [][]int{{1}, {2, 1}} {
		entries, next, err := b.History(t.Context(), 0, "")
		if diff := cmp.Diff(want, versions(entries)); diff != "" || err != nil || next != "" {
			t.Errorf("History %v, next %q; mismatch (-want +got):\n%s", err, next, diff)
		}
		if len(want) == 1 {
			b.save(t, v1, "bob")
		}
	}
	entries, next, err := b.History(t.Context(), 0, "1")
	if len(entries) > 0 || next != "" || err != nil {
		t.Errorf("History before version 1 = %v, %q, %v; want nothing", versions(entries), next, err)
	}
}

// An earlier version that somebody damaged is known by its place.
func TestDamagedEarlierVersion(t *testing.T) {
	t.Parallel()

	b := open(t)
	b.save(t, wholeSettings(), "ada")
	b.put(t, "v#0000000007", map[string]types.AttributeValue{"version": &types.AttributeValueMemberS{Value: "x"},
		"settings": &types.AttributeValueMemberS{Value: "{"}})
	b.spoil(t, map[string]types.AttributeValue{"version": &types.AttributeValueMemberN{Value: "8"},
		"settings": &types.AttributeValueMemberS{Value: `{"version":8}`}})
	entries, _, err := b.History(t.Context(), 0, "")
	if diff := cmp.Diff([]int{8, 7}, versions(entries)); diff != "" || err != nil {
		t.Fatalf("History %v; mismatch (-want +got):\n%s", err, diff)
	}
	for i, wrong := range []bool{false, true} {
		if (entries[i].Err != nil) != wrong || !entries[i].At.IsZero() {
			t.Errorf("version %d: %v at %v, want damaged %t and no time", entries[i].Version, entries[i].Err, entries[i].At,
				wrong)
		}
	}
}

// reading notes whether every query of a table is consistent: the local engine always is,
// AWS has to be asked for it.
type reading struct {
	dynamo.Client
	consistent, not int
}

func (c *reading) Query(ctx context.Context, in *dynamodb.QueryInput,
	options ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	if in.ConsistentRead != nil && *in.ConsistentRead {
		c.consistent++
	} else {
		c.not++
	}
	return c.Client.Query(ctx, in, options...)
}

func TestHistoryIsReadConsistently(t *testing.T) {
	t.Parallel()

	b := open(t)
	client := &reading{Client: b.table.Client}
	store := settingstore.New(dynamo.Table{Client: client, Name: b.table.Name}, time.Now)
	_, _, err := store.History(t.Context(), 0, "")
	if err != nil || client.consistent == 0 || client.not > 0 {
		t.Errorf("%d consistent queries and %d that are not, %v", client.consistent, client.not, err)
	}
}

// forgetful keeps no version that was replaced.
type forgetful struct{ dynamo.Client }

func (c forgetful) PutItem(ctx context.Context, in *dynamodb.PutItemInput,
	options ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	if strings.HasPrefix(dynamo.GetText(in.Item, "sk"), "v#") {
		return nil, errors.New("away")
	}
	return c.Client.PutItem(ctx, in, options...)
}

// A version that cannot be copied is not replaced: none is ever lost.
func TestWhatCannotBeKeptIsNotReplaced(t *testing.T) {
	t.Parallel()

	b := open(t)
	want := b.save(t, wholeSettings(), "ada")
	store := settingstore.New(dynamo.Table{Client: forgetful{b.table.Client}, Name: b.table.Name}, time.Now)
	_, err := store.Save(t.Context(), want, "bob")
	if err == nil {
		t.Error("Save without a copy of what was in force: no error")
	}
	got, err := b.Load(t.Context())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("Load: %v, mismatch (-want +got):\n%s", err, diff)
	}
}

func TestSaveRaceHasOneWinner(t *testing.T) {
	t.Parallel()

	b := open(t)
	for round := range 3 {
		s := wholeSettings()
		s.Version = round
		var won atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				_, err := b.Save(t.Context(), s, "ada")
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, settingstore.ErrConflict) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("round %d: %d winners, want 1", round, won.Load())
		}
	}
	entries, _, err := b.History(t.Context(), 0, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{3, 2, 1}, versions(entries)); diff != "" {
		t.Errorf("History mismatch (-want +got):\n%s", diff)
	}
}

func TestSaveSurvivesALostAnswer(t *testing.T) {
	t.Parallel()

	b := open(t)
	lost := false
	b.answer = func(r *http.Request, res *http.Response) (*http.Response, error) {
		if !lost && strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutItem") {
			lost = true
			res.Body.Close()
			return nil, errors.New("connection reset by peer")
		}
		return res, nil
	}
	if s := b.save(t, wholeSettings(), "ada"); s.Version != 1 || !lost {
		t.Errorf("version %d (answer lost: %t), want 1", s.Version, lost)
	}
}

func versions(entries []settingstore.Entry) []int {
	var out []int
	for _, e := range entries {
		out = append(out, e.Version)
	}
	return out
}

func TestHistory(t *testing.T) {
	t.Parallel()

	b := open(t)
	entries, next, err := b.History(t.Context(), 0, "")
	if err != nil || len(entries) > 0 || next != "" {
		t.Fatalf("History of nothing = %v, %q, %v", entries, next, err)
	}
	s := wholeSettings()
	for i := range 7 {
		s.HotSync = i%2 == 0
		s = b.save(t, s, fmt.Sprintf("user %d", i+1))
	}
	for _, limit := range []int{1, 2, 3, 6, 7, 100} {
		var all []settingstore.Entry
		cursor, pages := "", 0
		for {
			page, next, err := b.History(t.Context(), limit, cursor)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) > limit {
				t.Errorf("limit %d: page of %d", limit, len(page))
			}
			all = append(all, page...)
			pages++
			if next == "" {
				break
			}
			cursor = next
		}
		if diff := cmp.Diff([]int{7, 6, 5, 4, 3, 2, 1}, versions(all)); diff != "" {
			t.Fatalf("limit %d: versions mismatch (-want +got):\n%s", limit, diff)
		}
		if want := (7 + limit - 1) / limit; pages != want {
			t.Errorf("limit %d: %d pages, want %d", limit, pages, want)
		}
		for i, e := range all {
			if want := fmt.Sprintf("user %d", 7-i); e.By != want || e.Settings.UpdatedBy != want || e.Err != nil {
				t.Errorf("version %d by %q, want %q; error %v", e.Version, e.By, want, e.Err)
			}
			if want := start.Add(time.Duration(7-i) * time.Hour); !e.At.Equal(want) || e.Settings.HotSync != ((6-i)%2 == 0) {
				t.Errorf("version %d at %v, want %v; hot sync %t", e.Version, e.At, want, e.Settings.HotSync)
			}
		}
	}
	for _, wrong := range []struct {
		limit  int
		cursor string
	}{{limit: -1}, {limit: 101}, {cursor: "x"}, {cursor: "0"}, {cursor: "-3"}, {cursor: "007"},
		{cursor: "99999999999999999999"}} {
		_, _, err := b.History(t.Context(), wrong.limit, wrong.cursor)
		if code(err) != hotsync.CodeBadRequest {
			t.Errorf("History(%d, %q) error = %v, want bad_request", wrong.limit, wrong.cursor, err)
		}
	}
}

func TestRestore(t *testing.T) {
	t.Parallel()

	b := open(t)
	v1 := b.save(t, wholeSettings(), "ada")
	changed := v1
	changed.HotSync, changed.Providers = false, nil
	v2 := b.save(t, changed, "bob")
	if diff := cmp.Diff([]hotsync.Provider{}, v2.Providers); diff != "" {
		t.Errorf("no providers mismatch (-want +got):\n%s", diff)
	}
	v3, err := b.Restore(t.Context(), 1, "cleo")
	if err != nil {
		t.Fatal(err)
	}
	want := v1
	want.Version, want.UpdatedAt, want.UpdatedBy = 3, v3.UpdatedAt, "cleo"
	if diff := cmp.Diff(want, v3); diff != "" {
		t.Errorf("Restore mismatch (-want +got):\n%s", diff)
	}
	got, err := b.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v3, got); diff != "" {
		t.Errorf("Load mismatch (-want +got):\n%s", diff)
	}
	for n, want := range map[int]hotsync.Settings{1: v1, 2: v2, 3: v3} {
		entry, err := b.Version(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, entry.Settings); diff != "" {
			t.Errorf("Version(%d) mismatch (-want +got):\n%s", n, diff)
		}
	}
	for _, n := range []int{0, 4, -1} {
		_, err := b.Restore(t.Context(), n, "cleo")
		if !errors.Is(err, settingstore.ErrNotFound) {
			t.Errorf("Restore(%d) error = %v, want ErrNotFound", n, err)
		}
	}
}

// Whatever somebody did to the item in force by hand, it is named for what it
// is, nothing is lost, and the settings can be put right.
func TestDamagedSettings(t *testing.T) {
	t.Parallel()

	str := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	num := func(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }
	for _, tc := range []struct {
		name string
		item map[string]types.AttributeValue
		next int // version after it was put right
	}{
		{name: "no JSON", item: map[string]types.AttributeValue{"version": num("2"), "settings": str("{")}, next: 3},
		{name: "not valid", item: map[string]types.AttributeValue{"version": num("2"),
			"settings": str(`{"version":2,"zuoraPlan":"X"}`)}, next: 3},
		{name: "wrong types", item: map[string]types.AttributeValue{"version": num("2"),
			"settings": str(`{"version":2,"providers":7}`)}, next: 3},
		{name: "another version inside",
			item: map[string]types.AttributeValue{"version": num("2"), "settings": str(`{"version":7}`)}, next: 3},
		{name: "empty", item: map[string]types.AttributeValue{}, next: 2},
		{name: "version as text",
			item: map[string]types.AttributeValue{"version": str("2"), "settings": str(`{"version":2}`)}, next: 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			b := open(t)
			v1 := b.save(t, wholeSettings(), "ada")
			b.save(t, v1, "bob")
			b.spoil(t, tc.item)
			_, err := b.Load(t.Context())
			if code(err) != hotsync.CodeSettingsInvalid {
				t.Fatalf("Load error = %v, want settings_invalid", err)
			}
			_, err = b.Save(t.Context(), v1, "cleo")
			if !errors.Is(err, settingstore.ErrConflict) {
				t.Errorf("Save from version 1: error %v, want ErrConflict", err)
			}
			before, _, err := b.History(t.Context(), 0, "")
			if err != nil || len(before) != 2 || before[0].Err == nil && before[0].Settings.ZuoraPlan != "X" ||
				before[1].Version != 1 {
				t.Errorf("History while they are damaged = %v, %v", versions(before), err)
			}
			restored, err := b.Restore(t.Context(), 1, "cleo")
			if err != nil {
				t.Fatal(err)
			}
			if restored.Version != tc.next {
				t.Errorf("version %d after it was put right, want %d", restored.Version, tc.next)
			}
			entries, _, err := b.History(t.Context(), 0, "")
			if err != nil {
				t.Fatal(err)
			}
			damaged := slices.IndexFunc(entries,
				func(e settingstore.Entry) bool { return e.Version == tc.next-1 || e.Version == 0 })
			if damaged < 0 {
				t.Errorf("History = %v, without what was damaged", versions(entries))
			}
		})
	}
}

// Damaged settings before which there were none are put right as version 1.
func TestDamagedFromTheFirst(t *testing.T) {
	t.Parallel()

	b := open(t)
	b.spoil(t, map[string]types.AttributeValue{"settings": &types.AttributeValueMemberS{Value: "{"}})
	if got := b.save(t, wholeSettings(), "ada"); got.Version != 1 {
		t.Errorf("version %d after they were put right, want 1", got.Version)
	}
}

func TestLoadGivesNewFieldsTheirDefault(t *testing.T) {
	t.Parallel()

	b := open(t)
	b.spoil(t, map[string]types.AttributeValue{"version": &types.AttributeValueMemberN{Value: "1"},
		"settings": &types.AttributeValueMemberS{Value: `{"version":1,"hotSync":true,"fromALaterRelease":7}`}})
	got, err := b.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := hotsync.DefaultSettings()
	want.Version, want.HotSync = 1, true
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Load mismatch (-want +got):\n%s", diff)
	}
}

func TestOutage(t *testing.T) {
	t.Parallel()

	b := open(t)
	down := settingstore.New(dynamo.Table{Client: b.table.Client, Name: "there-is-no-such-table"}, time.Now)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func(context.Context, *settingstore.Store) error{
		"Load": func(ctx context.Context, s *settingstore.Store) error { _, err := s.Load(ctx); return err },
		"Save": func(ctx context.Context, s *settingstore.Store) error {
			_, err := s.Save(ctx, wholeSettings(), "ada")
			return err
		},
		"Restore": func(ctx context.Context, s *settingstore.Store) error { _, err := s.Restore(ctx, 1, "ada"); return err },
		"History": func(ctx context.Context, s *settingstore.Store) error { _, _, err := s.History(ctx, 0, ""); return err },
	} {
		if err := call(t.Context(), down); code(err) != hotsync.CodeStoreUnavailable {
			t.Errorf("%s without a table: error %v, want store_unavailable", name, err)
		}
		if err := call(cancelled, b.Store); code(err) != hotsync.CodeTimeout {
			t.Errorf("%s cancelled: error %v, want timeout", name, err)
		}
	}
}
