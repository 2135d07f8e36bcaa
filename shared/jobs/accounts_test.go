package jobs_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/shared/hotsync"
	"hotsync/shared/jobs"
)

func rows(in string, logins bool) (got []jobs.Row, err error) {
	err = jobs.ReadAccounts(strings.NewReader(in), logins, func(r jobs.Row) error {
		got = append(got, r)
		return nil
	})
	return got, err
}

func TestReadAccounts(t *testing.T) {
	t.Parallel()

	ada := hotsync.Identity{Issuer: "https://idp.example.com", Subject: "auth0|ada"}
	for _, tc := range []struct {
		name, in string
		logins   bool
		want     []jobs.Row
	}{
		{name: "one column", in: "account\nA1\nA2\n", want: []jobs.Row{{Line: 2, Account: "A1"}, {Line: 3, Account: "A2"}}},
		{name: "a byte order mark and CRLF", in: "\xef\xbb\xbfaccount\r\nA1\r\n", want: []jobs.Row{{Line: 2, Account: "A1"}}},
		{name: "quotes", in: "\"Account Number\",\"name\"\n\"A1\",\"Reader, \"\"Ada\"\"\"\n",
			want: []jobs.Row{{Line: 2, Account: "A1"}}},
		{name: "another order, other columns, semicolons", in: "name;sub;account_id;iss\nAda;x; A1 ;y\n",
			want: []jobs.Row{{Line: 2, Account: "A1"}}},
		{name: "tabs", in: "name\taccount\nAda\tA1\n", want: []jobs.Row{{Line: 2, Account: "A1"}}},
		{name: "an id of the row before the account", in: "id,account\n1,A1\n", want: []jobs.Row{{Line: 2, Account: "A1"}}},
		{name: "a number of something else", in: "Number\tAccount ID\tName\n7\tA1\tAda\n",
			want: []jobs.Row{{Line: 2, Account: "A1"}}},
		{name: "an account by name and by number", in: "Account;Account Number\nAda;A1\n",
			want: []jobs.Row{{Line: 2, Account: "A1"}}},
		{name: "no header", in: "A1\nA2", want: []jobs.Row{{Line: 1, Account: "A1"}, {Line: 2, Account: "A2"}}},
		{name: "blank lines", in: "\n\naccount\n\nA1\n  \n", want: []jobs.Row{{Line: 5, Account: "A1"}}},
		{name: "bad rows, and the good ones go on",
			in: "account\nA1\n\"A2\n=cmd()\n\n,\nnull\n\xff\n" + strings.Repeat("x", 20_000) + "\nA3\n", want: []jobs.Row{
				{Line: 2, Account: "A1"}, {Line: 3, Problem: "has a quote that is not closed"}, {Line: 4,
					Problem: "holds characters that no account id or number has"},
				{Line: 6, Problem: "has no account"}, {Line: 7, Problem: "is the word null, true or false"}, {Line: 8,
					Problem: "is not UTF-8"},
				{Line: 9, Problem: "is longer than any row with an account"}, {Line: 10, Account: "A3"}}},
		{name: "what Excel begins a file with", in: "sep=;\r\nname;account\r\nAda;A1\r\n",
			want: []jobs.Row{{Line: 3, Account: "A1"}}},
		{name: "quotes within", in: "account,name\n\"A\"1,x\n\"A2\" ,x\nA3,\"x\"y\nA\"4,x\n", want: []jobs.Row{
			{Line: 2, Problem: "goes on after a closing quote"}, {Line: 3, Account: "A2"}, {Line: 4,
				Problem: "goes on after a closing quote"},
			{Line: 5, Problem: "holds characters that no account id or number has"}}},
		{name: "logins", logins: true, in: "account,issuer,subject\nA1,https://idp.example.com,auth0|ada\nA2,,x\n",
			want: []jobs.Row{
				{Line: 2, Account: "A1", Login: ada}, {Line: 3, Problem: "has no issuer and subject"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			got, err := rows(tc.in, tc.logins)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("ReadAccounts mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadAccountsOfAWrongFile(t *testing.T) {
	t.Parallel()

	for name, in := range map[string]string{
		"empty":                 "",
		"only blank lines":      "\n\n",
		"other columns":         "name,email\nAda,ada@example.com\n",
		"a picture":             "\x89PNG\r\n\x1a\n",
		"a spreadsheet":         "PK\x03\x04rest",
		"UTF-16":                "\xff\xfea\x00c\x00",
		"JSON":                  `{"accounts": ["A1"]}`,
		"one very long line":    strings.Repeat("A1,", 20_000),
		"a word":                "hello\nworld\n",
		"logins without logins": "",
	} {
		_, err := rows(in, name == "logins without logins")
		if err == nil || !strings.Contains(err.Error(), "want UTF-8 text with a row for each account") ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: ReadAccounts = %v, want one line that says what was expected", name, err)
		}
	}
	_, err := rows("account\nA1\n", true)
	if err == nil {
		t.Error("a list without logins was taken for one with logins")
	}
}

// lines returns rows without ever having them all.
type lines struct {
	n, of int
	rest  []byte
}

func (l *lines) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		if l.n > l.of {
			return 0, io.EOF
		}
		l.rest = []byte("account,name\r\n")
		if l.n > 0 {
			l.rest = fmt.Appendf(l.rest[:0], "A%08d,\"Reader, Ada\"\r\n", l.n)
		}
		l.n++
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// A million rows take no more memory than a thousand.
func TestReadAccountsInConstantMemory(t *testing.T) {
	const million = 1_000_000
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, most := 0, uint64(0)
	err := jobs.ReadAccounts(&lines{of: million}, false, func(r jobs.Row) error {
		n++
		if r.Problem != "" || r.Line != n+1 {
			return errors.New("row " + fmt.Sprint(r))
		}
		if n%100_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
		return nil
	})
	if err != nil || n != million {
		t.Fatalf("ReadAccounts gave %d rows, %v", n, err)
	}
	if most > before.HeapAlloc+1<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before.HeapAlloc, most)
	}
}

func BenchmarkReadAccounts(b *testing.B) {
	b.ReportAllocs()
	err := jobs.ReadAccounts(&lines{of: b.N}, false, func(jobs.Row) error { return nil })
	if err != nil {
		b.Fatal(err)
	}
}

func FuzzReadAccounts(f *testing.F) {
	for _, seed := range []string{"account\nA1\n", "\xef\xbb\xbfaccount;sub;iss\r\n\"A1\";x;y\r\n", "A1\nA2",
		"account\n\"A1\n", "account\n\"a\"b\"\n", ""} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, in string, logins bool) {
		last := 0
		err := jobs.ReadAccounts(strings.NewReader(in), logins, func(r jobs.Row) error {
			if r.Line <= last || r.Line > strings.Count(in, "\n")+1 {
				t.Fatalf("line %d after %d", r.Line, last)
			}
			last = r.Line
			if (r.Problem == "") != hotsync.IsAccountKey(r.Account) {
				t.Fatalf("row %+v", r)
			}
			if (r.Problem == "" && logins) != (r.Login.Issuer != "" && r.Login.Subject != "") {
				t.Fatalf("row %+v", r)
			}
			return nil
		})
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Fatalf("error of several lines: %v", err)
		}
	})
}
