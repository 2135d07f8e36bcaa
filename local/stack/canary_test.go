package stack_test

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hotsync/local/stack"
	"hotsync/local/stack/engines/enginetest"
	"hotsync/local/stack/stacktest"
	"hotsync/shared/dynamo"
	"hotsync/shared/eventstore"
	"hotsync/shared/hotsync"
)

// planted are texts that nothing but the person's data has, by where they were put.
type planted map[string]string

// in returns what is found of them in a text, but for those that may be there.
func (p planted) in(text string, but ...string) (found []string) {
	text = strings.ToLower(text)
next:
	for where, canary := range p {
		for _, allowed := range but {
			if where == allowed {
				continue next
			}
		}
		if strings.Contains(text, strings.ToLower(canary)) {
			found = append(found, where)
		}
	}
	return found
}

// plant gives a text of its own in place of every text of a member whose name is one
// of a person's.
func (p planted) plant(d doc, members ...string) {
	for _, m := range members {
		value := fmt.Sprintf("kanari%03dvogel", len(p))
		if strings.HasSuffix(m, "Email") {
			value += "@kanari-domain.example"
		}
		d[m], p[fmt.Sprint(m, " of Zuora, ", len(p))] = value, value
	}
}

// TestCanary plants a text of its own in every personal member of an account in Zuora,
// of a token and of what Limio and Zuora answer when they refuse. Then it searches
// whatever hotsync writes: logs with metrics, what a viewer reads by the API, every page of
// the console for each role, the messages in the queues, and every item of every table;
// and once more for everything that names the person after Erase.
func TestCanary(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	engines := enginetest.Start(t)
	sent := &tap{}
	s := stacktest.Start(t,
		stack.Options{Personas: true, Dir: dir, Engines: engines, Name: fmt.Sprint("canary", time.Now().UnixNano()),
			Env: []string{"LOG_LEVEL=debug", "AWS_ENDPOINT_URL_SQS=" + sent.before(t, engines.SQSEndpoint)}})
	p := planted{}
	account := readV1(t, find(t, "single").Accounts[0])
	id := account.id()
	account.basic()["name"] = "kanariname vogel"
	p["name of the account"] = "kanariname vogel"
	for _, contact := range []string{"billToContact", "soldToContact", "shipToContact"} {
		c, ok := account.Account[contact].(doc)
		if !ok {
			c = doc{}
			account.Account[contact] = c
		}
		p.plant(c, "firstName", "lastName", "address1", "address2", "city", "state", "county", "zipCode", "workEmail",
			"personalEmail",
			"workPhone", "mobilePhone", "homePhone", "otherPhone", "fax", "nickname", "taxRegion", "country")
	}
	s.PutAccount(id, account.body())
	subject, email, name := "kanarisub|0001", "kanarimail@kanari-login.example", "kanaritokenname"
	p["subject"], p["e-mail of the token"], p["name of the token"], p["phone of the token"] = subject, email, name,
		"+49kanari555"
	who := hotsync.Identity{Issuer: s.IDPURL + "/direct", Subject: subject}
	token := s.Token("direct",
		map[string]any{"sub": subject, "email": email, "email_verified": true, "name": name, "given_name": name,
			"phone_number": "+49kanari555", "address": map[string]any{"formatted": name},
			"zuora_account_ids": []string{id, "A0KANARINAMED"}})

	p["refusal of Limio"], p["refusal of Zuora"] = "kanarirefusal", "kanarizuorarefusal"
	limioRefuses := map[string]any{"match": "* /api/**", "status": 400,
		"body": map[string]any{"message": "kanarirefusal of kanariname vogel",
			"errors": []any{map[string]any{"firstName": "kanarirefusal"}}}}
	zuoraRefuses := map[string]any{"match": "GET /v1/**", "status": 400, "body": map[string]any{"success": false,
		"reasons": []any{map[string]any{"code": 50000020, "message": "kanarizuorarefusal " + email}}}}
	var ended []hotsync.Event
	for _, faults := range []struct{ zuora, limio []any }{{[]any{zuoraRefuses}, nil}, {nil, []any{limioRefuses}},
		{nil, nil}, {nil, nil}} {
		s.Behave(s.ZuoraURL, map[string]any{"faults": faults.zuora})
		s.Behave(s.LimioURL, map[string]any{"faults": faults.limio})
		ended = append(ended, s.Sync(token)...)
	}
	failed, good := 0, 0
	for _, e := range ended {
		if e.Account.ID == id && e.Status == hotsync.StatusFailed {
			failed++
		}
		if e.Account.ID == id && e.Status == hotsync.StatusSucceeded {
			good++
		}
	}
	if failed < 2 || good < 2 {
		t.Fatalf("%d syncs failed and %d succeeded, want two of each: %+v", failed, good, ended)
	}
	s.Idle()

	// While the person is known: the subject is what an event is about, and no more.
	wantNone := func(place string, found []string) {
		t.Helper()
		if len(found) > 0 {
			t.Errorf("%s has the %s", place, strings.Join(found, "; the "))
		}
	}
	viewer := s.PersonaToken("viewer")
	read := func() {
		t.Helper()
		for _, address := range append([]string{"/api/events", "/api/queue", "/api/catalogue"}, eventAddresses(ended)...) {
			a := s.Do(http.MethodGet, s.URL+address, viewer, nil)
			wantNone("what a viewer reads at "+address, p.in(string(a.Body)))
		}
		logs, err := filepath.Glob(filepath.Join(dir, "logs", "*.log"))
		if err != nil || len(logs) == 0 {
			t.Fatal("no logs", err)
		}
		for _, log := range logs {
			text, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			wantNone(filepath.Base(log), p.in(string(text)))
		}
	}
	look := func(when string) {
		t.Helper()
		for _, role := range []string{"viewer", "operator", "admin"} {
			pages := crawl(t, s, role)
			for _, must := range []string{"/", "/events", "/catalogue", "/audit"} {
				if _, ok := pages[must]; !ok && role == "admin" {
					t.Errorf("the crawl of an %s does not come to %s", role, must)
				}
			}
			seen := 0
			t.Logf("%d pages for a %s%s", len(pages), role, when)
			for address, text := range pages {
				if strings.HasPrefix(address, "/events/event-") || strings.HasPrefix(address, "/accounts/") {
					seen++
				}
				wantNone("the page "+address+" of a "+role+when, p.in(text))
			}
			if seen < 4 {
				t.Errorf("the crawl of a %s comes to %d pages about the person, of %d", role, seen, len(pages))
			}
		}
	}
	read()
	look("")
	store := eventsOf(s)
	for key, text := range items(t, s, store) {
		wantNone(key, p.in(text, "subject"))
	}
	if sent.messages() < len(ended) {
		t.Errorf("%d messages were seen on their way, for %d events", sent.messages(), len(ended))
	}
	wantNone("a message in a queue", p.in(sent.text(), "subject"))

	// Then every value that names the person is gone, and every hash that finds them.
	got, err := store.Erase(t.Context(), who)
	if err != nil || got.Events < 4 || got.Pending != 0 {
		t.Fatalf("Erase = %+v, %v", got, err)
	}
	key := []byte("local-search-key")
	p["account that the login named"], p["hash of the login"] = "A0KANARINAMED", eventstore.IdentityHash(who)
	for where, value := range p {
		if strings.Contains(value, "@") {
			p["hash of the "+where] = hotsync.SearchHash(key, value)
		}
	}
	for key, text := range items(t, s, store) {
		if strings.HasPrefix(key, "OwnershipTable") {
			continue // knows logins by keyed hashes and outlives them, see docs/security.md
		}
		named := p.in(text)
		if strings.Contains(text, `"account":{"number":"A0KANARINAMED"}`) {
			named = p.in(text, "account that the login named") // the event about that account itself
		}
		wantNone(key+" after Erase", named)
	}
	delete(p, "account that the login named")
	read()
	look(" after Erase")
}

// tap keeps what is sent to SQS.
type tap struct {
	mu   sync.Mutex
	sent []string
}

func (x *tap) before(t *testing.T, engine string) string {
	t.Helper()
	return enginetest.Before(t, engine, func(_ http.ResponseWriter, r *http.Request, body []byte) bool {
		if strings.Contains(r.Header.Get("X-Amz-Target"), "SendMessage") {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.sent = append(x.sent, string(body))
		}
		return false
	})
}

func (x *tap) text() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.Join(x.sent, "\n")
}

func (x *tap) messages() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	for _, body := range x.sent { // of one message or of several
		n += strings.Count(body, `"MessageBody"`)
	}
	return n
}

var (
	link  = regexp.MustCompile(`(?:href|hx-get|src)="(/[^"]*)"`)
	value = regexp.MustCompile(`=[^&]*|event-[0-9a-f]{32}`)
	// The door, what is made up, and what is the same for everybody.
	elsewhere = regexp.MustCompile(`^/(sign|gallery|static/)`)
)

// crawl signs a member of staff in and returns the pages of the console by address, each
// as text: the start page and whatever can be reached from it by links.
func crawl(t *testing.T, s *stacktest.System, role string) map[string]string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	visit := func(res *http.Response, err error) (*url.URL, string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode >= http.StatusInternalServerError {
			t.Fatalf("%s of a %s: %d %v", res.Request.URL, role, res.StatusCode, err)
		}
		return res.Request.URL, string(body)
	}
	form, _ := visit(browser.Get(s.URL + "/signin/start"))
	visit(browser.PostForm(form.String(), url.Values{"persona": {role}}))
	pages, next, shapes := map[string]string{}, []string{"/"}, map[string]int{}
	for len(next) > 0 && len(pages) < 80 {
		address := next[0]
		next = next[1:]
		if _, seen := pages[address]; seen || elsewhere.MatchString(address) {
			continue
		}
		// Filters multiply without showing more: two of each that differ by their values alone.
		if shape := value.ReplaceAllString(address, "*"); strings.Contains(shape, "?") {
			shapes[shape]++
			if shapes[shape] > 2 {
				continue
			}
		}
		_, body := visit(browser.Get(s.URL + address))
		text := html.UnescapeString(body)
		pages[address] = text
		for _, found := range link.FindAllStringSubmatch(body, -1) {
			to := html.UnescapeString(found[1])
			if strings.ContainsAny(to, "?") { // filters and pages of lists come last, of which there is no end
				next = append(next, to)
			} else {
				next = append([]string{to}, next...)
			}
		}
	}
	return pages
}

func eventAddresses(events []hotsync.Event) (out []string) {
	for _, e := range events {
		out = append(out, "/api/events/"+e.ID)
	}
	return out
}

// eventsOf returns the event store of a stack.
func eventsOf(s *stacktest.System) *eventstore.Store {
	for _, table := range s.Template.Tables {
		if table.LogicalID == "EventsTable" {
			return eventstore.New(dynamo.Table{Client: s.Engines.DynamoDB(), Name: table.Name}, eventstore.Config{})
		}
	}
	panic("no EventsTable")
}

// items returns every item of every table as text, what is packed in an event included.
func items(t *testing.T, s *stacktest.System, store *eventstore.Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	client := s.Engines.DynamoDB()
	for _, table := range s.Template.Tables {
		pages := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: aws.String(table.Name)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range page.Items {
				var text strings.Builder
				for name, value := range it {
					fmt.Fprintf(&text, "%s=%v ", name, attribute(value))
				}
				if id, ok := strings.CutPrefix(fmt.Sprint(attribute(it["pk"])), "event#"); ok {
					e, err := store.Get(t.Context(), id)
					if err != nil {
						t.Fatal(err)
					}
					for _, part := range []any{e, e.Request} {
						raw, err := json.Marshal(part)
						if err != nil {
							t.Fatal(err)
						}
						text.Write(raw)
					}
				}
				out[fmt.Sprint(table.LogicalID, " ", attribute(it["pk"]), " ", attribute(it["sk"]))] = text.String()
			}
		}
	}
	if len(out) == 0 {
		t.Fatal("the tables are empty")
	}
	return out
}

func attribute(v types.AttributeValue) any {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	case *types.AttributeValueMemberB:
		return string(v.Value)
	default:
		return fmt.Sprintf("%+v", v)
	}
}
