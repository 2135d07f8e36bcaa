// Command mutants changes a package in small wrong ways, one at a time, and runs its tests on each: a change that no
// test notices is a rule that nobody holds. It writes nothing into the tree: the changed file is an overlay of the
// build.
//
// Survivors that are right to survive (equivalent code, tuning) stand with their reason in explained.txt, one a line:
//
//	shared/claims  parse: `i < n` becomes `i <= n`  # why
//
// It exits with 1 when a mutant survives that nobody explained.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"hotsync/local/checkout"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options say which mutants are tried, and how.
type options struct {
	root     string
	most     int    // of a package; 0 is all
	seed     uint64 // which of them
	only     *regexp.Regexp
	tests    string // of the package, as in go test -run
	first    string // of these: those that are quick and notice most; the rest runs for who survives them
	also     []string
	workers  int
	progress io.Writer
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("mutants", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: mutants [flags] PACKAGE...   (./shared/claims ./shared/ownership)")
		f.PrintDefaults()
	}
	opt := options{progress: stderr}
	f.IntVar(&opt.most, "most", 0, "try at most this many `mutants` of a package, picked by the seed; 0 tries all")
	f.Uint64Var(&opt.seed, "seed", 1, "which are picked")
	only := f.String("only", "", "only mutants whose file:line, function or change matches this `pattern`")
	f.StringVar(&opt.tests, "run", "", "only these tests of the package, as in go test -run")
	f.StringVar(&opt.first, "first", "", "run these `tests` first, as in go test -run, and the others where they pass")
	also := f.String("also", "", "tests of these further `packages` count as well, separated by commas")
	f.IntVar(&opt.workers, "workers", runtime.NumCPU(), "how many run at once")
	err := f.Parse(args)
	if err != nil {
		return 2
	}
	if f.NArg() == 0 {
		f.Usage()
		return 2
	}
	opt.only, err = regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(stderr, "mutants: -only:", err)
		return 2
	}
	if *also != "" {
		opt.also = strings.Split(*also, ",")
	}
	survivors, err := all(ctx, opt, f.Args(), stdout)
	if err != nil {
		fmt.Fprintln(stderr, "mutants:", err)
		return 1
	}
	if survivors > 0 {
		return 1
	}
	return 0
}

func all(ctx context.Context, opt options, packages []string, stdout io.Writer) (survivors int, err error) {
	opt.root, err = checkout.Root()
	if err != nil {
		return 0, err
	}
	known, err := readExplained(filepath.Join(opt.root, "local/mutants/explained.txt"))
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(
		stdout,
		"%-24s %7s %7s %9s %9s %8s\n",
		"package",
		"mutants",
		"noticed",
		"explained",
		"survivors",
		"no build",
	)
	for _, pkg := range packages {
		r, err := try(ctx, opt, pkg, known)
		if err != nil {
			return survivors, fmt.Errorf("%s: %w", pkg, err)
		}
		survivors += len(r.survived)
		fmt.Fprintf(
			stdout,
			"%-24s %7d %7d %9d %9d %8d\n",
			r.pkg,
			r.noticed+r.explained+len(r.survived),
			r.noticed,
			r.explained,
			len(r.survived),
			r.invalid,
		)
		for _, m := range r.survived {
			rel, err := filepath.Rel(opt.root, m.file)
			if err != nil {
				return survivors, err
			}
			fmt.Fprintf(stdout, "  %s:%d %s\n", rel, m.line, m.name())
		}
	}
	return survivors, nil
}

// outcome of the mutants of a package.
type outcome struct {
	pkg                         string
	noticed, explained, invalid int
	survived                    []mutant
}

func try(ctx context.Context, opt options, pkg string, known map[string]bool) (outcome, error) {
	path, found, err := ofPackage(ctx, opt, pkg)
	if err != nil {
		return outcome{}, err
	}
	out := outcome{pkg: path}
	scratch, err := os.MkdirTemp("", "hotsync-mutants-")
	if err != nil {
		return out, err
	}
	defer os.RemoveAll(scratch)

	// A mutant may loop for ever: it is given several times what the tests take.
	began := time.Now()
	result, text := runTests(ctx, opt, pkg, "", 10*time.Minute)
	if result != passed {
		return out, fmt.Errorf("the tests must pass before they are tried:\n%s", text)
	}
	takes := time.Since(began)
	b, err := buildTogether(ctx, opt, pkg, scratch, found)
	if err != nil {
		return out, err
	}
	fmt.Fprintf(
		opt.progress,
		"%s: %d mutants, %d of them in one build, tests take %s\n",
		path,
		len(found),
		b.size(),
		cmp.Or(b.takes, takes).Round(time.Millisecond),
	)
	// A build takes long beside others; a loop that never ends is to be found soon.
	alone, patience := 10*time.Second+5*takes, 10*time.Second+5*b.takes

	var mu sync.Mutex
	var wg sync.WaitGroup
	work := make(chan int)
	for range opt.workers {
		wg.Go(func() {
			for i := range work {
				m := found[i]
				result := failed
				if b.in[i] {
					result = b.run(ctx, opt, i+1, patience)
				} else {
					overlay, err := m.overlay(scratch, i)
					if err != nil {
						continue // the scratch folder is gone: the run is being stopped
					}
					result, _ = runTests(ctx, opt, pkg, overlay, alone)
				}
				mu.Lock()
				switch {
				case ctx.Err() != nil:
				case result == noBuild:
					out.invalid++
				case result == failed:
					out.noticed++
				case known[path+"  "+m.name()]:
					out.explained++
				default:
					out.survived = append(out.survived, m)
					fmt.Fprintf(opt.progress, "survives: %s:%d %s\n", filepath.Base(m.file), m.line, m.name())
				}
				mu.Unlock()
			}
		})
	}
	for i := range found {
		if ctx.Err() != nil {
			break
		}
		work <- i
	}
	close(work)
	wg.Wait()
	slices.SortFunc(out.survived, func(a, b mutant) int {
		return strings.Compare(fmt.Sprintf("%s:%06d", a.file, a.line), fmt.Sprintf("%s:%06d", b.file, b.line))
	})
	return out, ctx.Err()
}

// ofPackage returns the path of a package in the module, and those of its mutants that are asked for.
func ofPackage(ctx context.Context, opt options, pkg string) (string, []mutant, error) {
	list := exec.CommandContext(ctx, "go", "list", "-json=Dir,ImportPath,GoFiles", pkg)
	list.Dir, list.Stderr = opt.root, os.Stderr
	raw, err := list.Output()
	if err != nil {
		return "", nil, fmt.Errorf("go list: %w", err)
	}
	var in struct {
		Dir, ImportPath string
		GoFiles         []string
	}
	err = json.Unmarshal(raw, &in)
	if err != nil {
		return "", nil, err
	}
	var found []mutant
	for _, name := range in.GoFiles {
		more, err := mutants(filepath.Join(in.Dir, name))
		if err != nil {
			return "", nil, err
		}
		for _, m := range more {
			if opt.only.MatchString(fmt.Sprintf("%s:%d %s", name, m.line, m.name())) {
				found = append(found, m)
			}
		}
	}
	if opt.most > 0 && len(found) > opt.most {
		r := rand.New(rand.NewPCG(opt.seed, 0))
		r.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
		found = found[:opt.most]
	}
	return strings.TrimPrefix(in.ImportPath, "hotsync/"), found, nil
}

// overlay writes the changed file and returns the overlay that puts it in place of the right one.
func (m mutant) overlay(dir string, i int) (string, error) {
	src, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	text := slices.Concat(src[:m.start], []byte(m.text), src[m.end:])
	return writeOverlay(dir, strconv.Itoa(i), map[string][]byte{m.file: text})
}

// writeOverlay writes an overlay of a build in which files have those texts.
func writeOverlay(dir, name string, texts map[string][]byte) (string, error) {
	replace := map[string]string{}
	for file, text := range texts {
		replace[file] = filepath.Join(dir, name+"-"+filepath.Base(file))
		err := os.WriteFile(replace[file], text, 0o600)
		if err != nil {
			return "", err
		}
	}
	raw, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, name+".json")
	return overlay, os.WriteFile(overlay, raw, 0o600)
}

type testResult int

const (
	passed testResult = iota
	failed
	noBuild
)

func runTests(ctx context.Context, opt options, pkg, overlay string, patience time.Duration) (testResult, string) {
	args := []string{"test", "-vet=off", "-failfast", "-timeout", patience.String()}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	if opt.tests != "" {
		args = append(args, "-run", opt.tests)
	}
	ctx, cancel := context.WithTimeout(ctx, patience+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", append(append(args, pkg), opt.also...)...)
	cmd.Dir = opt.root
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return passed, ""
	case strings.Contains(string(out), "[build failed]") || strings.Contains(string(out), "[setup failed]"):
		return noBuild, string(out)
	case errors.As(err, &exit):
		return failed, string(out)
	}
	return failed, err.Error()
}

// readExplained reads the survivors that somebody looked at.
func readExplained(file string) (map[string]bool, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for i, line := range strings.Split(string(raw), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		mutant, why, ok := strings.Cut(line, "  # ")
		if !ok || strings.TrimSpace(why) == "" {
			return nil, fmt.Errorf("%s:%d: want PACKAGE, two blanks, the mutant, two blanks and # why", file, i+1)
		}
		known[strings.TrimSpace(mutant)] = true
	}
	return known, nil
}
