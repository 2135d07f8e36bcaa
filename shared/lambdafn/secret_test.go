package lambdafn_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/lambdafn"
)

type vault struct {
	texts []string // one an answer; the last is repeated
	reads int
}

func (v *vault) SecretString(context.Context, string) (string, error) {
	text := v.texts[min(v.reads, len(v.texts)-1)]
	v.reads++
	if text == "unreadable" {
		return "", errors.New("access denied")
	}
	return text, nil
}

func source(t *testing.T, env map[string]string, v *vault) *lambdafn.Secret {
	t.Helper()
	s, err := lambdafn.NewSecret("ZUORA", func(k string) string { return env[k] },
		func() lambdafn.SecretManager { return v })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestClient(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		name     string
		env      map[string]string
		texts    []string
		want     [2]string
		wantCode hotsync.Code
	}{
		{name: "environment", env: map[string]string{"ZUORA": `{"clientId":"a","clientSecret":"b"}`},
			want: [2]string{"a", "b"}},
		{name: "secrets manager", env: map[string]string{"ZUORA_SECRET_ID": "x"},
			texts: []string{`{"clientId":"c","clientSecret":"d"}`}, want: [2]string{"c", "d"}},
		{name: "no JSON", env: map[string]string{"ZUORA_SECRET_ID": "x"}, texts: []string{`hunter2`},
			wantCode: hotsync.CodeSecretMissing},
		{name: "member missing", env: map[string]string{"ZUORA_SECRET_ID": "x"}, texts: []string{`{"clientId":"c"}`},
			wantCode: hotsync.CodeSecretMissing},
		{name: "other member missing", env: map[string]string{"ZUORA_SECRET_ID": "x"},
			texts: []string{`{"clientSecret":"d"}`}, wantCode: hotsync.CodeSecretMissing},
		{name: "unreadable", env: map[string]string{"ZUORA_SECRET_ID": "x"}, texts: []string{"unreadable"},
			wantCode: hotsync.CodeSecretMissing},
		{name: "empty", env: map[string]string{"ZUORA_SECRET_ID": "x"}, texts: []string{""},
			wantCode: hotsync.CodeSecretMissing},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			id, sec, err := source(t, tc.env, &vault{texts: tc.texts}).Client(t.Context(), false)
			if tc.wantCode != "" {
				if got := hotsync.AsError(err); got == nil || got.Code != tc.wantCode {
					t.Fatalf("Client error = %v, want code %s", err, tc.wantCode)
				}
				if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("Client error %q shows the secret", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, [2]string{id, sec}); diff != "" {
				t.Errorf("Client mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRotationIsSeenOnRefresh(t *testing.T) {
	t.Parallel()

	v := &vault{texts: []string{"old", "new"}}
	s := source(t, map[string]string{"ZUORA_SECRET_ID": "x"}, v)
	var got []string
	for _, refresh := range []bool{false, false, true, false} {
		text, err := s.Text(t.Context(), refresh)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, text)
	}
	if diff := cmp.Diff([]string{"old", "old", "new", "new"}, got); diff != "" {
		t.Errorf("texts mismatch (-want +got):\n%s", diff)
	}
	if v.reads != 2 {
		t.Errorf("Secrets Manager was read %d times, want 2", v.reads)
	}
}

func TestEmptySecretIsNone(t *testing.T) {
	t.Parallel()

	text, err := source(t, map[string]string{"ZUORA_SECRET_ID": "x"}, &vault{texts: []string{""}}).Text(t.Context(), false)
	if e := hotsync.AsError(err); e == nil || e.Code != hotsync.CodeSecretMissing {
		t.Errorf("Text = %q, %v; want code %s", text, err, hotsync.CodeSecretMissing)
	}
}

func TestNewNamesTheVariables(t *testing.T) {
	t.Parallel()

	_, err := lambdafn.NewSecret("LIMIO", func(string) string { return "" }, nil)
	if err == nil || !strings.Contains(err.Error(), "LIMIO_SECRET_ID") {
		t.Errorf("New error = %v, want one that names LIMIO_SECRET_ID", err)
	}
}
