package jobs

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"hotsync/shared/hotsync"
)

// Row is a line of a list of accounts.
type Row struct {
	Line    int
	Account string
	Login   hotsync.Identity // it is known by; zero where the list has none
	Problem string           // why the row names no account, as the end of a sentence; "" where it does
}

// maxLine bounds a line, in bytes.
const maxLine = 16 << 10

// The columns, by the names that they go by, without case, blanks and signs. Of several
// that may name the account the first of these does: beside an account number, id is that
// of the row.
var (
	accountColumns = []string{
		"accountnumber",
		"accountid",
		"accountkey",
		"zuoraaccountnumber",
		"zuoraaccountid",
		"zuoraaccount",
		"account",
		"number",
		"id",
	}
	issuerColumns  = []string{"issuer", "iss"}
	subjectColumns = []string{"subject", "sub"}
)

// expected says what a list of accounts looks like.
const expected = "want UTF-8 text with a row for each account and the names of the columns in its first line: " +
	"account (an id or a number), and issuer and subject where logins are listed"

// ReadAccounts reads a list of accounts as spreadsheets write it: CSV with commas,
// semicolons or tabs, quotes, CRLF, a byte order mark, columns in any order and others
// between them; or an account a line and nothing else. A row that names no account is
// handed to each with its problem, and the next ones go on. It holds one line at a
// time, however many there are. The error is of each, of reading, or says in one line
// what was expected instead of such a file.
//
// A quoted field ends with its line: no account number has a line break, and so a
// quote that is never closed costs a row, not the rest of the file.
func ReadAccounts(r io.Reader, logins bool, each func(Row) error) error {
	in := bufio.NewReaderSize(r, maxLine)
	var cols *columns
	for n := 1; ; n++ {
		line, long, err := readLine(in)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		last := err != nil
		if n == 1 {
			switch {
			case bytes.HasPrefix(line, []byte("\xff\xfe")), bytes.HasPrefix(line, []byte("\xfe\xff")):
				return errors.New("this is UTF-16; " + expected)
			case bytes.HasPrefix(line, []byte("PK\x03\x04")):
				return errors.New("this is a spreadsheet or an archive, save it as CSV; " + expected)
			}
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		blank := len(bytes.TrimSpace(line)) == 0 && !long
		switch {
		case blank:
		case cols == nil && isSeparatorHint(line):
		case cols == nil:
			var header bool
			cols, header = readColumns(line, long)
			if cols == nil || logins && (cols.issuer < 0 || cols.subject < 0) {
				return errors.New("the first line does not name the columns; " + expected)
			}
			if !header {
				err = each(cols.row(line, n, logins))
			}
		case long:
			err = each(Row{Line: n, Problem: "is longer than any row with an account"})
		default:
			err = each(cols.row(line, n, logins))
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if last {
			break
		}
	}
	if cols == nil {
		return errors.New("the file is empty; " + expected)
	}
	return nil
}

// readLine reads a line without its end. Of one that is too long it keeps the
// beginning.
func readLine(in *bufio.Reader) (line []byte, long bool, err error) {
	line, err = in.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		_, err = in.ReadSlice('\n')
	}
	if long {
		return nil, true, err
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), false, err
}

// isSeparatorHint reports whether a line is the one by which Excel tells itself the
// separator, before that with the names.
func isSeparatorHint(line []byte) bool {
	hint, ok := bytes.CutPrefix(bytes.ToLower(line), []byte("sep="))
	return ok && len(hint) == 1
}

// columns say where in a row something stands; -1 for nowhere.
type columns struct {
	separator                byte
	account, issuer, subject int
	fields                   []string // of the row under way
}

// readColumns reads the first line. A single account in it is a row, and so will be
// every other line.
func readColumns(line []byte, long bool) (c *columns, header bool) {
	if long {
		return nil, false
	}
	for _, separator := range []byte{',', ';', '\t'} {
		c = &columns{separator: separator, account: -1, issuer: -1, subject: -1}
		best := -1 // place of the account's column among their names
		fields, problem := c.split(line)
		if problem != "" {
			continue
		}
		for i, name := range fields {
			name = strings.Map(func(r rune) rune {
				if strings.ContainsRune(" _-.", r) {
					return -1
				}
				return r
			}, strings.ToLower(name))
			place := slices.Index(accountColumns, name)
			switch {
			case place >= 0 && (best < 0 || place < best):
				c.account, best = i, place
			case c.issuer < 0 && slices.Contains(issuerColumns, name):
				c.issuer = i
			case c.subject < 0 && slices.Contains(subjectColumns, name):
				c.subject = i
			}
		}
		if c.account >= 0 {
			return c, true
		}
	}
	c = &columns{separator: ',', account: 0, issuer: -1, subject: -1}
	fields, problem := c.split(line)
	if problem == "" && len(fields) == 1 && hotsync.IsAccountKey(strings.TrimSpace(fields[0])) &&
		strings.ContainsAny(fields[0], "0123456789") {
		return c, false
	}
	return nil, false
}

// row reads a line.
func (c *columns) row(line []byte, n int, logins bool) Row {
	row := Row{Line: n}
	if !utf8.Valid(line) {
		row.Problem = "is not UTF-8"
		return row
	}
	fields, problem := c.split(line)
	field := func(i int) string {
		if i < 0 || i >= len(fields) {
			return ""
		}
		return strings.TrimSpace(fields[i])
	}
	account := field(c.account)
	switch {
	case problem != "":
		row.Problem = problem
	case account == "":
		row.Problem = "has no account"
	case !hotsync.IsAccountKey(account):
		row.Problem = hotsync.AccountKeyProblem(account)
	case logins && (field(c.issuer) == "" || field(c.subject) == ""):
		row.Problem = "has no issuer and subject"
	case logins && (!plainText(field(c.issuer)) || !plainText(field(c.subject))):
		row.Problem = "has an issuer or a subject that is none"
	default:
		row.Account = account
		if logins {
			row.Login = hotsync.Identity{Issuer: field(c.issuer), Subject: field(c.subject)}
		}
	}
	return row
}

func plainText(s string) bool {
	return len(s) <= 2048 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// split parts a line into fields, whose list is used again for the next line. The
// problem says what is wrong with the quotes in it, as that of a row.
func (c *columns) split(line []byte) (_ []string, problem string) {
	c.fields = c.fields[:0]
	rest := string(line)
	for {
		trimmed := strings.TrimLeft(rest, " ")
		if !strings.HasPrefix(trimmed, `"`) {
			field, after, more := strings.Cut(rest, string(c.separator))
			c.fields = append(c.fields, field)
			if !more {
				return c.fields, ""
			}
			rest = after
			continue
		}
		rest = trimmed[1:]
		var field strings.Builder
		for {
			part, after, closed := strings.Cut(rest, `"`)
			if !closed {
				return c.fields, "has a quote that is not closed"
			}
			field.WriteString(part)
			rest = after
			if !strings.HasPrefix(rest, `"`) {
				break
			}
			field.WriteByte('"')
			rest = rest[1:]
		}
		between, after, more := strings.Cut(rest, string(c.separator))
		if strings.Trim(between, " ") != "" { // half a value would be another account
			return c.fields, "goes on after a closing quote"
		}
		c.fields = append(c.fields, field.String())
		if !more {
			return c.fields, ""
		}
		rest = after
	}
}
