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
	"context"
	"encoding/json"
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
	again    map[string]bool // only these, by mutant.place; nil for all
	tests    *regexp.Regexp  // of the package
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
	again := f.String("again", "", "only mutants that survived according to this `file`, the output of an earlier run")
	tests := f.String("run", "", "only tests whose name matches this `pattern`")
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
	opt.tests, err = regexp.Compile(*tests)
	if err != nil {
		fmt.Fprintln(stderr, "mutants: -run:", err)
		return 2
	}
	if *again != "" {
		opt.again, err = readSurvivors(*again)
		if err != nil {
			fmt.Fprintln(stderr, "mutants: -again:", err)
			return 2
		}
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
			fmt.Fprintf(stdout, "  %s:%d %s\n", rel, m.line, m.said())
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

	b, err := buildTogether(ctx, opt, pkg, scratch, found)
	if err != nil {
		return out, err
	}
	fmt.Fprintf(
		opt.progress,
		"%s: %d mutants, %d of them in one build, tests take %s one by one\n",
		path,
		len(found),
		b.size(),
		b.takes().Round(time.Millisecond),
	)

	var mu sync.Mutex
	var wg sync.WaitGroup
	tried := 0
	work := make(chan int)
	for range opt.workers {
		wg.Go(func() {
			for i := range work {
				m := found[i]
				explained := known[path+"  "+m.name()]
				result := failed
				if b.in[i] {
					m.missed = b.reach(i+1) == 0
					result = b.run(ctx, b.binaries, i+1, explained)
				} else {
					result = b.runAlone(ctx, opt, pkg, scratch, i, m, explained)
				}
				mu.Lock()
				tried++
				if tried%100 == 0 {
					fmt.Fprintf(opt.progress, "%s %d tried\n", time.Now().Format(time.TimeOnly), tried)
				}
				switch {
				case ctx.Err() != nil:
				case result == noBuild:
					out.invalid++
				case result == failed:
					out.noticed++
					if explained {
						fmt.Fprintf(opt.progress, "explained, and noticed: %s:%d %s\n", filepath.Base(m.file), m.line, m.name())
					}
				case explained:
					out.explained++
				default:
					out.survived = append(out.survived, m)
					fmt.Fprintf(opt.progress, "survives: %s:%d %s\n", filepath.Base(m.file), m.line, m.said())
				}
				mu.Unlock()
			}
		})
	}
	for _, together := range []bool{true, false} { // those that take a build of their own come last
		for i := range found {
			if b.in[i] == together && ctx.Err() == nil {
				work <- i
			}
		}
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
			wanted := opt.again == nil || opt.again[m.place()]
			if wanted && opt.only.MatchString(fmt.Sprintf("%s:%d %s", name, m.line, m.name())) {
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

// survivor is a line that tells of one.
var survivor = regexp.MustCompile(`(\S+\.go):\d+ (.*)$`)

// readSurvivors reads the output of an earlier run, and returns the places of its survivors.
func readSurvivors(file string) (map[string]bool, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	places := map[string]bool{}
	for line := range strings.Lines(string(raw)) {
		parts := survivor.FindStringSubmatch(strings.TrimSpace(line))
		if parts != nil {
			name, _, _ := strings.Cut(parts[2], remark)
			places[filepath.Base(parts[1])+" "+name] = true
		}
	}
	return places, nil
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
