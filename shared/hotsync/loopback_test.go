package hotsync_test

import (
	"testing"

	"hotsync/shared/hotsync"
)

func TestIsLoopback(t *testing.T) {
	t.Parallel()

	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.8.9.10": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "localhost.example.com": false, "127.0.0.1.example.com": false, "0.0.0.0": false, "::": false,
		"10.0.0.1": false, "[::1]": false, "127.1": false, "2130706433": false, "example.com": false,
	} {
		if got := hotsync.IsLoopback(host); got != want {
			t.Errorf("IsLoopback(%q) = %v", host, got)
		}
	}
}

// TestDigest holds the digest to what is stored under it: another one would part ids and
// keys from what they were made of.
func TestDigest(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		parts []string
		want  string
	}{
		{nil, "e3b0c44298fc1c149afbf4c8996fb924"},             // SHA-256 of nothing, as everybody knows it
		{[]string{"abc"}, "ba7816bf8f01cfea414140de5dae2223"}, // FIPS 180-2, B.1
		{[]string{"a", "b"}, "59b271ae1bbcb1d31d41929817f4b16f"},
	} {
		if got := hotsync.Digest(tc.parts...); got != tc.want {
			t.Errorf("Digest(%q) = %s, want %s", tc.parts, got, tc.want)
		}
	}
	if hotsync.Digest("a", "b") == hotsync.Digest("ab") || hotsync.Digest("a", "b") == hotsync.Digest("b", "a") {
		t.Error("parts of another cut or order have the same digest")
	}
}
