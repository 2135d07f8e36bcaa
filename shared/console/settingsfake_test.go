package console_test

import (
	"errors"
	"testing"

	"hotsync/local/stack/engines/enginetest"
	"hotsync/shared/console"
	"hotsync/shared/hotsync"
	"hotsync/shared/settingstore"
)

// TestSettingsFake holds the fake of the settings, and their store on the local engine, to
// the same suite.
func TestSettingsFake(t *testing.T) {
	t.Parallel()

	for name, s := range map[string]console.Settings{
		"fake":   &settings{value: hotsync.DefaultSettings()},
		"engine": settingstore.New(enginetest.Table(t), setup(t).clock),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			conformSettings(t, s)
		})
	}
}

func conformSettings(t *testing.T, s console.Settings) {
	t.Helper()
	ctx := t.Context()
	old, err := s.Load(ctx)
	if err != nil || old.Version != 0 {
		t.Fatalf("Load of nothing = version %d, %v", old.Version, err)
	}
	for n := 1; n <= 3; n++ {
		next, err := s.Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		next.HotSync = !next.HotSync
		saved, err := s.Save(ctx, next, "ada")
		if err != nil || saved.Version != n || saved.UpdatedBy != "ada" || !saved.UpdatedAt.Equal(start) {
			t.Fatalf("Save = version %d by %q at %s, %v", saved.Version, saved.UpdatedBy, saved.UpdatedAt, err)
		}
	}
	_, err = s.Save(ctx, old, "ada")
	if !errors.Is(err, settingstore.ErrConflict) || hotsync.AsError(err).Code != hotsync.CodeConflict {
		t.Errorf("Save over an old version = %v, want ErrConflict", err)
	}
	bad, err := s.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	bad.TimeZone = "Nowhere/Else"
	_, err = s.Save(ctx, bad, "ada")
	if hotsync.AsError(err).Code != hotsync.CodeSettingsInvalid {
		t.Errorf("Save of a time zone that is none = %v, want CodeSettingsInvalid", err)
	}
	var versions []int
	for cursor := ""; ; {
		page, next, err := s.History(ctx, 2, cursor)
		if err != nil || len(page) > 2 {
			t.Fatalf("History = %d entries, %v", len(page), err)
		}
		for _, e := range page {
			if e.Version > 0 {
				versions = append(versions, e.Version)
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if len(versions) != 3 || versions[0] != 3 || versions[2] != 1 {
		t.Errorf("History has the versions %v, want 3, 2, 1", versions)
	}
	_, _, err = s.History(ctx, 2, "no cursor")
	if hotsync.AsError(err).Code != hotsync.CodeBadRequest {
		t.Errorf("History by a cursor of nobody's = %v, want CodeBadRequest", err)
	}
	two, err := s.Version(ctx, 2)
	if err != nil || two.Version != 2 || two.By != "ada" {
		t.Errorf("Version(2) = %d by %q, %v", two.Version, two.By, err)
	}
	_, err = s.Version(ctx, 99)
	if hotsync.AsError(err).Code != hotsync.CodeNotFound {
		t.Errorf("Version of none = %v, want CodeNotFound", err)
	}
}
