package ownership_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hotsync/shared/hotsync"
	"hotsync/shared/ownership"
)

var (
	histories = flag.Int("histories", 10_000, "how many histories the model test runs")
	surprises = flag.Int("surprises", 1, "how many things at most go another way in a small case")
	replay    = flag.Uint64("seed", 0, "the one history to run, and to print in words")
)

// life is how long a sync may run: the function's timeout.
const life = 30 * time.Second

var (
	errCrash  = errors.New("the process died")
	errFailed = errors.New("refused by Limio")
)

// world is Limio, the store and a clock, under a scheduler that may stop any call,
// and kill whoever makes it. After every effect it checks that nobody sees what they
// never named.
type world struct {
	choose func(n int) int // in [0,n): all that is not certain
	now    time.Time
	faults bool
	notes  bool // Limio keeps and shows what is noted at an owner
	shows  bool // Limio shows the logins of an owner

	store  *ownership.Memory
	saved  *ownership.Memory // as it was then
	then   time.Time
	owner  map[string]string            // of each account in Limio; of those that it has
	owners map[string]map[string]string // that there are, with their notes
	links  map[string]map[string]bool   // owners that each login is linked to

	named   map[string]map[string]bool // by a login, ever
	sets    map[string][][]string      // by a login, one sign-in each
	excused map[string]bool            // login/account: staff showed it
	byHand  map[string]string          // owner that staff gave an account to
	staff   bool                       // has moved something
	lost    bool                       // the table was lost, or restored
	log     []string
	talks   bool
	wrong   string
}

func newWorld(choose func(int) int) *world {
	return &world{choose: choose, now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), faults: true, notes: true,
		shows: true,
		store: &ownership.Memory{}, owner: map[string]string{}, owners: map[string]map[string]string{},
		links: map[string]map[string]bool{},
		named: map[string]map[string]bool{}, sets: map[string][][]string{}, excused: map[string]bool{},
		byHand: map[string]string{}}
}

// short makes an account's id of 32 equal letters readable.
var short = regexp.MustCompile(`([abc])[abc]{31}`)

func (w *world) say(format string, args ...any) {
	if w.talks {
		w.log = append(w.log, short.ReplaceAllString(fmt.Sprintf(format, args...), "$1"))
	}
}

func (w *world) fail(format string, args ...any) {
	if w.wrong == "" {
		w.wrong = short.ReplaceAllString(fmt.Sprintf(format, args...), "$1")
		w.say("WRONG: %s", w.wrong)
	}
}

// each calls do for every account that a login sees.
func (w *world) each(do func(login, account string)) {
	for login, owners := range w.links {
		for account, owner := range w.owner {
			if owners[owner] {
				do(login, account)
			}
		}
	}
}

// check wants nobody to see what they never named. What staff gave to an owner is
// known from the first sync that reads it: whoever is linked until then sees it.
func (w *world) check(what string) {
	w.each(func(login, account string) {
		switch {
		case w.named[login][account], w.excused[login+"/"+account]:
		case w.unread(account):
			w.excused[login+"/"+account] = true
		default:
			w.fail("%s: %s sees %s, which it never named", what, login, account)
		}
	})
}

func (w *world) exists(owner string) bool {
	_, has := w.owners[owner]
	return has
}

// unread reports whether staff gave the account to its owner and no sync of it has
// recorded that yet: nothing that another sync can read says so.
func (w *world) unread(account string) bool {
	known, _ := w.store.Owner(context.Background(), w.owner[account])
	_, recorded := known.Accounts[account]
	_, noted := w.owners[w.owner[account]][account]
	return w.byHand[account] == w.owner[account] && !recorded && !(noted && w.notes)
}

func (w *world) seen(account string) ownership.Seen {
	s := ownership.Seen{Owner: w.owner[account], At: w.now, Shows: w.shows}
	if s.Owner == "" {
		return s
	}
	for _, login := range slices.Sorted(maps.Keys(w.links)) {
		if w.shows && w.links[login][s.Owner] {
			s.Logins = append(s.Logins, login)
		}
	}
	if w.notes {
		s.Noted = maps.Clone(w.owners[s.Owner])
	}
	return s
}

// actor is a sync that can be stopped at each of its calls.
type actor struct {
	*world
	name  string
	began time.Time
	store *ownership.Memory // a table that was restored has another name
	yield func(ended bool) bool
}

// pause lets others go on, and may kill the actor.
func (a *actor) pause(format string, args ...any) error {
	if !a.yield(false) {
		return errCrash
	}
	call := ""
	if a.talks {
		call = fmt.Sprintf(format, args...)
	}
	if a.faults && a.now.Sub(a.began) > life {
		a.say("  %s is cut off before it could %s", a.name, call)
		return errCrash
	}
	if a.faults && a.choose(60) == 1 {
		a.say("  %s dies before it could %s", a.name, call)
		return errCrash
	}
	a.say("  %s: %s", a.name, call)
	return nil
}

// refuses lets Limio refuse something once in n times.
func (a *actor) refuses(n int) bool { return a.faults && a.choose(n) == 1 }

func (a *actor) Owner(ctx context.Context, id string) (ownership.Owner, error) {
	err := a.pause("read owner %s", id)
	if err != nil {
		return ownership.Owner{}, err
	}
	return a.store.Owner(ctx, id)
}

func (a *actor) Login(ctx context.Context, login string) (ownership.Login, error) {
	err := a.pause("read login %s", login)
	if err != nil {
		return ownership.Login{}, err
	}
	return a.store.Login(ctx, login)
}

// Read reads in either order, with others in between: the reads of a table go side by side.
func (a *actor) Read(
	ctx context.Context,
	login string,
	owners ...string,
) (known ownership.Login, _ map[string]ownership.Owner, err error) {
	found := map[string]ownership.Owner{}
	last := login != "" && len(owners) > 0 && a.choose(2) == 1
	if login != "" && !last {
		known, err = a.Login(ctx, login)
		if err != nil {
			return known, nil, err
		}
	}
	for _, id := range owners {
		found[id], err = a.Owner(ctx, id)
		if err != nil {
			return known, nil, err
		}
	}
	if last {
		known, err = a.Login(ctx, login)
	}
	return known, found, err
}

func (a *actor) SaveOwner(ctx context.Context, o ownership.Owner) (ownership.Owner, error) {
	err := a.pause("record owner %s", o.ID)
	if err != nil {
		return o, err
	}
	return a.store.SaveOwner(ctx, o)
}

func (a *actor) SaveLogin(ctx context.Context, login string, l ownership.Login) error {
	err := a.pause("bind %s to %s", login, l.Owner)
	if err != nil {
		return err
	}
	return a.store.SaveLogin(ctx, login, l)
}

func (a *actor) Seen(_ context.Context, account string) (ownership.Seen, error) {
	err := a.pause("look at %s", account)
	if err != nil {
		return ownership.Seen{}, err
	}
	return a.seen(account), nil
}

func (a *actor) MakeOwner(_ context.Context, id string, accounts map[string]string) (bool, error) {
	err := a.pause("make owner %s", id)
	if err != nil {
		return false, err
	}
	if a.refuses(20) {
		return false, errFailed
	}
	if a.exists(id) {
		return a.notes && maps.Equal(a.owners[id], accounts), nil
	}
	a.owners[id] = maps.Clone(accounts)
	return true, nil
}

func (a *actor) NoteAccounts(_ context.Context, id string, accounts map[string]string) error {
	err := a.pause("note accounts of %s", id)
	if err != nil {
		return err
	}
	if a.owners[id] == nil {
		a.owners[id] = map[string]string{}
	}
	maps.Copy(a.owners[id], accounts)
	return nil
}

func (a *actor) TransferOwner(_ context.Context, from, to string) (bool, error) {
	err := a.pause("move %s to %s", from, to)
	if err != nil {
		return false, err
	}
	if !a.exists(to) || a.refuses(20) {
		return false, nil
	}
	for account, o := range a.owner {
		if o != from {
			continue
		}
		if a.unread(account) { // nobody could know that it moves, too
			a.byHand[account] = to
			for login, owners := range a.links {
				if owners[to] {
					a.excused[login+"/"+account] = true
				}
			}
		}
		a.owner[account] = to
	}
	a.check(a.name + " moves " + from + " to " + to)
	return true, nil
}

// request is a login's request for one account, a retry of one, or a callout.
type request struct {
	login   string   // "" for a callout
	ids     []string // of the accounts that the sign-in names, and
	named   []string // as its claims name them: by id or by number
	at      time.Time
	account string
	found   bool // by a look-up, which is made again now, also of a retry
	stale   bool // a retry, which does not link
	tries   int
	reason  ownership.Reason
	failed  bool
}

// number is what an account's number is.
func number(account string) string { return "A-" + account[:1] }

func alone(account string, n int) string { return fmt.Sprintf("alone-%s-%d", account, n) }

// sync is what a sync does about owners, from its first read to its link.
func (a *actor) sync(r *request) error {
	for {
		done, err := a.syncOnce(r)
		if err != nil || done {
			return err
		}
	}
}

// syncOnce reports false when somebody else has made the account's customer: it has
// an owner then, with which there is to be decided again.
func (a *actor) syncOnce(r *request) (done bool, err error) {
	err = a.pause("read %s", r.account)
	if err != nil {
		return false, err
	}
	seen := a.seen(r.account)
	f := ownership.Facts{Account: hotsync.AccountRef{ID: r.account, Number: number(r.account)}, Login: r.login,
		Named: r.named, At: r.at,
		Fresh: !r.stale || r.found, Found: r.found, Seen: seen,
		Sole: seen.Owner == alone(r.account, 0) || seen.Owner == "limio-"+r.account}
	k := &ownership.Keeper{Store: a, Limio: a, Now: func() time.Time { return a.now }, Alone: alone}
	d, err := k.Settle(context.Background(), f)
	if err != nil {
		return false, err
	}
	a.say("  %s decides: %s, owner %s", a.name, d.Reason, d.Owner)
	r.reason = d.Reason
	for account, o := range a.owner {
		if o == d.Owner && a.unread(account) {
			a.excused[r.login+"/"+account] = true // nothing that was decided on could say so
		}
	}
	if seen.Owner == "" {
		err = a.pause("create %s for %s", r.account, d.Owner)
		if err != nil {
			return false, err
		}
		if a.refuses(8) {
			return false, errFailed
		}
		if a.owner[r.account] != "" {
			return false, nil
		}
		a.owner[r.account] = d.Owner
		a.check(a.name + " creates " + r.account)
	}
	if !d.Link || d.Reason == ownership.ReasonLinked {
		return true, nil
	}
	err = a.pause("link %s to %s", r.login, d.Owner)
	if err != nil {
		return false, err
	}
	if a.refuses(12) {
		return false, errFailed
	}
	a.link(r, d.Owner)
	return true, nil
}

func (a *actor) link(r *request, owner string) {
	if !a.links[r.login][owner] &&
		!slices.ContainsFunc(a.sets[r.login], func(named []string) bool { return a.covers(r.login, named, owner) }) {
		a.fail("%s links %s to %s, and did not name all that it has in one login", a.name, r.login, owner)
	}
	if r.stale && !r.found {
		a.fail("%s links, and is no sign-in", a.name)
	}
	if a.links[r.login] == nil {
		a.links[r.login] = map[string]bool{}
	}
	a.links[r.login][owner] = true
	if len(a.links[r.login]) > 1 && !a.lost && !a.staff {
		a.fail("%s links %s to a second owner", a.name, r.login)
	}
	a.check(a.name + " links " + r.login + " to " + owner)
}

// covers reports whether the names are those of all accounts that the owner has, as
// far as anybody can read that.
func (w *world) covers(login string, named []string, owner string) bool {
	for account, o := range w.owner {
		if o == owner && !slices.Contains(named, account) && !w.unread(account) && !w.excused[login+"/"+account] {
			return false
		}
	}
	return true
}

// running is a sync, or what somebody does beside, on its way.
type running struct {
	*coroutine
	key string
}

// coroutine does one thing after the other, each until it yields. A new one for each
// sync would spend a fifth of the test's time on growing its stack.
type coroutine struct {
	do   func(yield func(ended bool) bool)
	next func() (ended, ok bool)
	stop func()
}

// idle are coroutines that have ended what they did.
var idle = make(chan *coroutine, 16)

func begin(do func(yield func(ended bool) bool)) *coroutine {
	select {
	case c := <-idle:
		c.do = do
		return c
	default:
	}
	c := &coroutine{do: do}
	c.next, c.stop = iter.Pull(func(yield func(bool) bool) {
		for more := true; more; more = yield(true) {
			c.do(yield)
		}
	})
	return c
}

func (c *coroutine) end() {
	select {
	case idle <- c:
	default:
		c.stop()
	}
}

// run runs requests, one of an account at a time; between any two calls something
// else may happen.
func (w *world) run(queues map[string][]*request, others []func(*actor)) {
	var live []running
	start := func(key, name string, do func(*actor)) {
		live = append(live, running{begin(func(yield func(bool) bool) {
			do(&actor{world: w, name: name, began: w.now, store: w.store, yield: yield})
		}), key})
	}
	for {
		var ready []string
		for _, account := range accounts {
			if len(queues[account]) > 0 && !slices.ContainsFunc(live, func(r running) bool { return r.key == account }) {
				ready = append(ready, account)
			}
		}
		choices := len(live) + len(ready) + min(len(others), 1)
		if choices == 0 {
			return
		}
		if w.faults && w.choose(6) == 1 {
			w.now = w.now.Add(time.Duration(w.choose(8)) * time.Second)
		}
		switch n := w.choose(choices); {
		case n < len(live):
			if ended, _ := live[n].next(); ended {
				live[n].end()
				live = slices.Delete(live, n, n+1)
			}
		case n < len(live)+len(ready):
			account := ready[n-len(live)]
			r := queues[account][0]
			queues[account] = queues[account][1:]
			r.tries++
			name := fmt.Sprintf("%s's sync of %s (try %d)", r.login, account, r.tries)
			w.say("%s begins", name)
			key := account
			if w.faults && w.choose(25) == 1 {
				w.say("  and is delivered a second time while it is at work")
				again := *r
				queues[account] = append([]*request{&again}, queues[account]...)
				key = "slow"
			}
			start(key, name, func(a *actor) { w.end(queues, r, a.name, a.sync(r)) })
		default:
			do := others[0]
			others = others[1:]
			start("other", "somebody", do)
		}
	}
}

// end returns a request back to its queue, or takes it for failed.
func (w *world) end(queues map[string][]*request, r *request, name string, err error) {
	if err != nil {
		w.say("  %s ends: %v", name, err)
	}
	waits := err != nil && hotsync.AsError(err).Code == hotsync.CodeOwnerBusy
	switch {
	case err != nil && (waits || errors.Is(err, errCrash) || r.tries < 2) && r.tries < 60:
		if !w.faults || waits {
			w.now = w.now.Add(max(3*time.Second, hotsync.AsError(err).RetryAfter))
		}
		queues[r.account] = append([]*request{r}, queues[r.account]...)
	case err == nil && w.faults && w.choose(20) == 1:
		w.say("  nobody heard that %s ended: it is delivered again", name)
		again := *r
		queues[r.account] = append([]*request{&again}, queues[r.account]...)
	default:
		r.failed = err != nil
	}
}

var (
	logins   = []string{"x", "y", "z"}
	accounts = []string{strings.Repeat("a", 32), strings.Repeat("b", 32), strings.Repeat("c", 32)}
)

// some is a set of accounts, never an empty one.
func (w *world) some() []string {
	var out []string
	for _, a := range accounts {
		if w.choose(2) == 0 {
			out = append(out, a)
		}
	}
	if out == nil {
		out = accounts[w.choose(3):][:1]
	}
	return out
}

// signIn queues what a login names by its claims, each account by its id or by its
// number; or what look-ups find, of which each knows of itself alone.
func (w *world) signIn(queues map[string][]*request, login string, ids []string) []*request {
	if w.named[login] == nil {
		w.named[login] = map[string]bool{}
	}
	w.sets[login] = append(w.sets[login], ids)
	w.now = w.now.Add(time.Millisecond)
	found := w.choose(8) == 1
	var named []string
	for _, a := range ids {
		switch {
		case found:
		case w.choose(6) == 1:
			named = append(named, number(a))
		default:
			named = append(named, a)
		}
	}
	var out []*request
	for _, a := range ids {
		w.named[login][a] = true
		r := &request{login: login, ids: ids, named: named, at: w.now, account: a, found: found}
		queues[a] = append(queues[a], r)
		out = append(out, r)
	}
	if found {
		w.say("%s signs in, and look-ups find %s", login, strings.Join(ids, ", "))
	} else {
		w.say("%s signs in and names %s", login, strings.Join(named, ", "))
	}
	return out
}

// history is one life of a tenant, in four parts at most: what people, Zuora and
// staff do, with faults; and then a time without, in which everybody signs in once
// more.
func history(choose func(int) int, talks bool) (string, []string) {
	w := newWorld(choose)
	w.talks = talks
	w.notes, w.shows = w.choose(5) != 1, w.choose(9) != 1
	for _, a := range accounts {
		if w.choose(8) == 1 {
			w.owner[a], w.owners["limio-"+a] = "limio-"+a, map[string]string{}
			w.say("Limio has made %s itself", a)
			if w.notes {
				w.owners["limio-"+a] = nil // without a note
			}
		}
	}
	queues := map[string][]*request{}
	last := map[string][]string{}
	var past []*request
	for range 2 + w.choose(3) {
		for range 1 + w.choose(3) {
			switch n := w.choose(10); {
			case n < 2:
				a := accounts[w.choose(3)]
				w.say("a callout names %s", a)
				queues[a] = append(queues[a], &request{account: a, at: w.now})
			case n == 2 && len(past) > 0:
				r := *past[w.choose(len(past))]
				r.stale, r.tries, r.failed = true, 0, false
				w.say("somebody retries what %s asked for: %s", r.login, r.account)
				queues[r.account] = append(queues[r.account], &r)
			default:
				login := logins[w.choose(3)]
				last[login] = w.some()
				past = append(past, w.signIn(queues, login, last[login])...)
			}
		}
		w.run(queues, w.meanwhile())
		w.now = w.now.Add(time.Duration(w.choose(90)) * time.Second)
		if w.choose(4) == 1 {
			w.now = w.now.Add(5 * time.Minute)
		}
		if w.wrong != "" {
			return w.wrong, w.log
		}
	}
	w.settle(queues, last)
	return w.wrong, w.log
}

// meanwhile is what else happens in one part of a history.
func (w *world) meanwhile() (others []func(*actor)) {
	switch n := w.choose(9); {
	case n == 0 && w.notes:
		others = append(others, func(a *actor) {
			a.say("the table is lost")
			a.lost = true
			a.world.store.Forget()
		})
	case n == 1 && w.notes && w.saved != nil && w.now.Sub(w.then) > 5*time.Minute: // so long DynamoDB takes
		others = append(others, func(a *actor) {
			a.say("a table is restored, under another name")
			a.lost = true
			a.world.store, a.saved = a.saved, nil
		})
	case n == 2:
		w.say("the table is saved")
		w.saved, w.then = w.store.Copy(), w.now
	case n < 5:
		account, to := accounts[w.choose(3)], alone(accounts[w.choose(3)], 0)
		others = append(others, func(a *actor) {
			if a.owner[account] != "" && a.exists(to) && a.owner[account] != to {
				a.say("staff move %s to %s", account, to)
				a.staff = true
				a.owner[account], a.byHand[account] = to, to
				a.each(func(login, account string) {
					if !a.named[login][account] {
						a.excused[login+"/"+account] = true
					}
				})
			}
		})
	}
	return others
}

// settle ends the faults, has everybody sign in once more, and wants each to see what
// no rule forbids.
func (w *world) settle(queues map[string][]*request, last map[string][]string) {
	w.say("faults end")
	w.faults = false
	w.now = w.now.Add(5 * time.Minute)
	var clean []*request
	for _, login := range logins {
		if last[login] != nil {
			clean = append(clean, w.signIn(queues, login, last[login])...)
			w.run(queues, nil)
			w.now = w.now.Add(2 * time.Minute)
		}
	}
	for _, r := range clean {
		sees := w.owner[r.account] != "" && w.links[r.login][w.owner[r.account]]
		promised := r.reason == ownership.ReasonLinked || r.reason == ownership.ReasonLink || r.reason == ownership.ReasonMove
		switch {
		case r.failed:
			w.fail("%s is locked out of %s: its clean sync failed", r.login, r.account)
		case sees:
		case promised:
			w.fail("%s does not see %s, and its event says %s", r.login, r.account, r.reason)
		case w.notes && w.shows && !w.forbidden(r):
			w.fail("%s does not see %s (%s), and nothing forbids it", r.login, r.account, r.reason)
		}
	}
}

// forbidden reports whether a rule keeps the login from the account: the account's
// owner or the login's has an account that the login does not name, or another login.
func (w *world) forbidden(r *request) bool {
	concerned := func(owner string) bool { return owner == w.owner[r.account] || w.links[r.login][owner] }
	for account, o := range w.owner {
		if concerned(o) && !slices.Contains(r.ids, account) {
			return true
		}
	}
	for login, owners := range w.links {
		for o := range owners {
			if login != r.login && concerned(o) {
				return true
			}
		}
	}
	return false
}

// Nobody sees what they never named, and nobody is locked out, whatever the order of
// calls, whoever dies, retries, moves things by hand, and whatever becomes of the
// table.
func TestModel(t *testing.T) {
	t.Parallel()

	run := func(seed uint64, talks bool) (string, []string) {
		return history(rand.New(rand.NewPCG(seed, 1)).IntN, talks)
	}
	if *replay != 0 {
		problem, log := run(*replay, true)
		t.Logf("%s\n%s", strings.Join(log, "\n"), problem)
		if problem != "" {
			t.Fail()
		}
		return
	}
	debug.SetGCPercent(-1) // a history leaves little, and that at once
	debug.SetMemoryLimit(128 << 20)
	var wait sync.WaitGroup
	var failed atomic.Int32
	const workers = 2
	for n := range workers {
		wait.Go(func() {
			for seed := uint64(n) + 1; seed <= uint64(*histories); seed += workers {
				problem, _ := run(seed, false)
				if problem == "" {
					continue
				}
				if failed.Add(1) < 8 {
					t.Errorf("history %d: %s\nreplay it: go test ./shared/ownership -run TestModel -v -seed %d", seed, problem, seed)
				}
			}
		})
	}
	wait.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of %d histories are wrong", n, *histories)
	}
}

// explorer goes through all histories of a small case in which at most so many
// things do not go on as they began: another sync is let in between two calls, a
// process dies, Limio refuses.
type explorer struct {
	budget int
	path   []int // the choices of this history
	sizes  []int // of how many
	at     int
}

func (e *explorer) choose(n int) int {
	if e.at == len(e.path) {
		e.path, e.sizes = append(e.path, 0), append(e.sizes, n)
	}
	e.sizes[e.at] = n
	choice := e.path[e.at]
	e.at++
	return choice
}

// next turns to the next history. It reports false after the last.
func (e *explorer) next() bool {
	e.path, e.sizes, e.at = e.path[:e.at], e.sizes[:e.at], 0
	for i := len(e.path) - 1; i >= 0; i-- {
		used := 0
		for _, choice := range e.path[:i] {
			used += min(choice, 1)
		}
		if used < e.budget && e.path[i]+1 < arity(e.sizes[i]) {
			e.path, e.sizes = append(e.path[:i], e.path[i]+1), e.sizes[:i+1]
			return true
		}
	}
	return false
}

// arity is how many of n choices differ: where something happens once in so many
// times, it does or does not.
func arity(n int) int {
	if n >= 6 {
		return 2
	}
	return n
}

// Two logins and two accounts, whatever they name, and whatever was there before:
// every history with up to two surprises.
func TestSmallCases(t *testing.T) {
	t.Parallel()

	sets := [][]string{accounts[:1], accounts[1:2], accounts[:2]}
	befores := map[string]func(*world){
		"nothing": func(*world) {},
		"callouts": func(w *world) {
			for _, a := range accounts[:2] {
				w.run(map[string][]*request{a: {{account: a, at: w.now}}}, nil)
			}
		},
		"the other account, by y": func(w *world) {
			queues := map[string][]*request{}
			w.signIn(queues, "y", accounts[1:2])
			w.run(queues, nil)
		},
		"both, by y, and a table that was lost": func(w *world) {
			queues := map[string][]*request{}
			w.signIn(queues, "y", accounts[:2])
			w.run(queues, nil)
			w.lost = true
			w.store.Forget()
		},
	}
	var ran atomic.Int64
	var wait sync.WaitGroup
	for name, before := range befores {
		wait.Go(func() {
			for _, x := range sets {
				for _, y := range sets {
					e := &explorer{budget: *surprises}
					for more := true; more && !t.Failed(); more = e.next() {
						ran.Add(1)
						w := newWorld(func(int) int { return 0 })
						before(w)
						w.choose = e.choose
						w.now = w.now.Add(5 * time.Minute)
						queues := map[string][]*request{}
						w.signIn(queues, "x", x)
						w.signIn(queues, "y", y)
						w.run(queues, nil)
						w.choose = func(int) int { return 0 }
						w.settle(map[string][]*request{}, map[string][]string{"x": x, "y": y})
						if w.wrong != "" {
							t.Errorf("%s, x names %d and y names %d, choices %v: %s", name, len(x), len(y), e.path, w.wrong)
						}
					}
				}
			}
		})
	}
	wait.Wait()
	t.Logf("%d histories", ran.Load())
}

// The table is lost while a sync adds an account to an owner and another one links
// somebody to it, in any order of their calls.
func TestTableLostUnderASync(t *testing.T) {
	t.Parallel()

	for seed := range uint64(4000) {
		w := newWorld(func(int) int { return 0 })
		queues := map[string][]*request{}
		w.signIn(queues, "x", accounts[:1])
		w.run(queues, nil)
		w.now = w.now.Add(5 * time.Minute)
		w.signIn(queues, "x", accounts[:2])
		queues[accounts[0]] = nil // it is linked
		w.signIn(queues, "y", accounts[:1])
		w.lost = true
		dice := rand.New(rand.NewPCG(seed, 2))
		w.choose = func(n int) int {
			if n >= 6 {
				return 0 // what fails is for TestModel
			}
			return dice.IntN(n)
		}
		w.run(queues, []func(*actor){func(a *actor) { a.world.store.Forget() }})
		w.choose = func(int) int { return 0 }
		w.settle(map[string][]*request{}, map[string][]string{"x": accounts[:2], "y": accounts[:1]})
		if w.wrong != "" {
			t.Fatalf("history %d: %s", seed, w.wrong)
		}
	}
}
