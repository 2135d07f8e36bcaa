package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// build is the tests of a package, and of those that count as well, with the mutants that
// can be switched on.
type build struct {
	in       []bool // which of the mutants
	binaries []binary
	tests    []test // the quickest first
}

// binary is the tests of a package and the folder that they run in.
type binary struct{ file, dir string }

// test is one test of a binary: what it takes by itself, and which mutants it comes to.
type test struct {
	binary  int
	name    string
	takes   time.Duration
	reaches map[int]bool
}

// quick is what a test takes at most that runs together with others.
const quick = 300 * time.Millisecond

func (b build) size() (n int) {
	for _, in := range b.in {
		if in {
			n++
		}
	}
	return n
}

func (b build) takes() (sum time.Duration) {
	for _, t := range b.tests {
		sum += t.takes
	}
	return sum
}

// reach is how many tests come to a mutant.
func (b build) reach(number int) (n int) {
	for _, t := range b.tests {
		if t.reaches[number] {
			n++
		}
	}
	return n
}

// buildTogether makes the one build of a package. What does not compile in it is left out:
// first a file's numbers, then the file.
func buildTogether(ctx context.Context, opt options, pkg, scratch string, all []mutant) (build, error) {
	b := build{in: make([]bool, len(all))}
	files := map[string]int{} // how much of a file is left out
	for i, m := range all {
		b.in[i] = m.way != (way{})
		files[m.file] = 0
	}
	packages := append([]string{pkg}, opt.also...)
	for range 2*len(files) + 1 {
		overlay, err := overlayTogether(scratch, all, b.in)
		if err != nil {
			return b, err
		}
		bin := filepath.Join(scratch, "tests")
		said, err := compile(ctx, opt, overlay, bin, packages)
		if err == nil {
			b.binaries, err = binariesOf(ctx, opt, bin, packages)
			if err == nil {
				b.tests, err = b.measure(ctx, opt, scratch)
			}
			return b, err
		}
		if ctx.Err() != nil {
			return b, ctx.Err()
		}
		found := false
		for file := range files {
			if strings.Contains(string(said), filepath.Base(file)+":") {
				files[file]++
				found = true
			}
		}
		if !found {
			return b, fmt.Errorf("build all mutants in one: %w\n%s", err, said)
		}
		fmt.Fprintf(opt.progress, "left out of the one build:\n%s", said)
		for i, m := range all {
			if files[m.file] > 1 || files[m.file] == 1 && m.way.value {
				b.in[i] = false
			}
		}
	}
	return b, fmt.Errorf("no build has all mutants of %s", pkg)
}

// overlayTogether writes the files with the mutants that are in, and the variable that
// switches them.
func overlayTogether(scratch string, all []mutant, in []bool) (string, error) {
	texts := map[string][]byte{}
	for i, m := range all {
		if !in[i] || texts[m.file] != nil {
			continue
		}
		src, err := os.ReadFile(m.file)
		if err != nil {
			return "", err
		}
		texts[m.file] = together(m.file, src, all, in)
		_, rest, _ := strings.Cut("\n"+string(src), "\npackage ")
		name, _, _ := strings.Cut(rest, "\n")
		texts[filepath.Join(filepath.Dir(m.file), "zz_mutants.go")] =
			fmt.Appendf(nil, switches, name, len(all), switched, reached)
	}
	return writeOverlay(scratch, "together", texts)
}

// compile builds the tests of packages with an overlay into a folder.
func compile(ctx context.Context, opt options, overlay, bin string, packages []string) (said []byte, err error) {
	args := []string{"test", "-c", "-vet=off", "-overlay", overlay, "-o", bin + string(filepath.Separator)}
	cmd := exec.CommandContext(ctx, "go", append(args, packages...)...)
	cmd.Dir = opt.root
	return cmd.CombinedOutput()
}

// binariesOf finds the binaries of packages. A package without tests has none.
func binariesOf(ctx context.Context, opt options, bin string, packages []string) (binaries []binary, err error) {
	list := exec.CommandContext(ctx, "go", append([]string{"list", "-f", "{{.Dir}}"}, packages...)...)
	list.Dir, list.Stderr = opt.root, os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	for dir := range strings.Lines(string(out)) {
		dir = strings.TrimSpace(dir)
		file := filepath.Join(bin, filepath.Base(dir)+".test")
		_, err := os.Stat(file)
		if err == nil {
			binaries = append(binaries, binary{file, dir})
		}
	}
	return binaries, nil
}

// measure runs each test by itself, with no mutant on. All must pass.
func (b build) measure(ctx context.Context, opt options, scratch string) (tests []test, err error) {
	for i, binary := range b.binaries {
		list := exec.CommandContext(ctx, binary.file, "-test.list", ".")
		list.Dir, list.Stderr = binary.dir, os.Stderr
		out, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("list the tests: %w", err)
		}
		for name := range strings.FieldsSeq(string(out)) {
			if strings.HasPrefix(name, "Benchmark") || !opt.tests.MatchString(name) {
				continue
			}
			t := test{binary: i, name: name}
			file := filepath.Join(scratch, "reached-"+strconv.Itoa(i)+"-"+name)
			began := time.Now()
			said, err := binary.run(ctx, []string{name}, 10*time.Minute, reached+"="+file)
			if err != nil {
				return nil, fmt.Errorf("the tests must pass before they are tried: %s: %w\n%s", name, err, said)
			}
			t.takes = time.Since(began)
			t.reaches, err = readReached(file)
			if err != nil {
				return nil, err
			}
			tests = append(tests, t)
		}
	}
	slices.SortStableFunc(tests, func(a, b test) int { return cmp.Compare(a.takes, b.takes) })
	return tests, nil
}

// readReached reads which mutants a test comes to. One that comes to none writes no file.
func readReached(file string) (map[int]bool, error) {
	raw, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	numbers := map[int]bool{}
	for text := range strings.FieldsSeq(string(raw)) {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("which mutants a test comes to: %w", err)
		}
		numbers[n] = true
	}
	return numbers, nil
}

// runAlone builds the tests with one mutant alone and runs them: all, since which of them come to it is not known.
func (b build) runAlone(
	ctx context.Context,
	opt options,
	pkg, scratch string,
	i int,
	m mutant,
	onlyQuick bool,
) testResult {
	overlay, err := m.overlay(scratch, i)
	if err != nil {
		return noBuild // the scratch folder is gone: the run is being stopped
	}
	bin := filepath.Join(scratch, "alone-"+strconv.Itoa(i))
	defer os.RemoveAll(bin)
	_, err = compile(ctx, opt, overlay, bin, append([]string{pkg}, opt.also...))
	if err != nil {
		return noBuild
	}
	binaries := slices.Clone(b.binaries)
	for n := range binaries {
		binaries[n].file = filepath.Join(bin, filepath.Base(binaries[n].file))
	}
	return b.run(ctx, binaries, 0, onlyQuick)
}

// run runs the tests that come to a mutant, with it switched on; all for 0. The quick ones run together and first, the
// others one by one, unless only the quick ones are to run.
func (b build) run(ctx context.Context, binaries []binary, number int, onlyQuick bool) testResult {
	together, takes := make([][]string, len(binaries)), make([]time.Duration, len(binaries))
	var slow []test
	for _, t := range b.tests {
		switch {
		case number > 0 && !t.reaches[number]:
		case t.takes > quick:
			slow = append(slow, t)
		default:
			together[t.binary], takes[t.binary] = append(together[t.binary], t.name), takes[t.binary]+t.takes
		}
	}
	on := switched + "=" + strconv.Itoa(number)
	for i, names := range together {
		if len(names) == 0 {
			continue
		}
		_, err := binaries[i].run(ctx, names, takes[i], on)
		if err != nil {
			return failed
		}
	}
	if onlyQuick {
		return passed
	}
	for _, t := range slow {
		_, err := binaries[t.binary].run(ctx, []string{t.name}, t.takes, on)
		if err != nil {
			return failed
		}
	}
	return passed
}

// run runs tests that take so long. A mutant may loop for ever: it is given several times that. Where it timed out
// without having had the processor, the computer was busy with other things, and it is tried once more.
func (b binary) run(ctx context.Context, names []string, takes time.Duration, env string) (said []byte, err error) {
	patience := 10*time.Second + 5*takes
	said, used, err := b.try(ctx, names, patience, env)
	if err != nil && used < patience/4 && bytes.Contains(said, []byte("panic: test timed out")) {
		said, _, err = b.try(ctx, names, 4*patience, env)
	}
	return said, err
}

// try runs tests once and returns the processor time that they used.
func (b binary) try(
	ctx context.Context,
	names []string,
	patience time.Duration,
	env string,
) (said []byte, used time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.file, "-test.failfast", "-test.timeout", patience.String(),
		"-test.run", "^("+strings.Join(names, "|")+")$")
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), env)
	said, err = cmd.CombinedOutput()
	if cmd.ProcessState != nil {
		used = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	return said, used, err
}
