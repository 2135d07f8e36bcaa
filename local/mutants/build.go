package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// build is the tests of a package, and of those that count as well, with the mutants that
// can be switched on.
type build struct {
	in    []bool // which of the mutants
	tests []test
	takes time.Duration // to run them, with none switched on
}

// test is a binary of tests and the folder that they run in.
type test struct{ binary, dir string }

func (b build) size() (n int) {
	for _, in := range b.in {
		if in {
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
	if b.size() == 0 {
		return b, nil
	}
	packages := append([]string{pkg}, opt.also...)
	for range 2*len(files) + 1 {
		overlay, err := overlayTogether(scratch, all, b.in)
		if err != nil {
			return b, err
		}
		bin := filepath.Join(scratch, "tests")
		args := []string{"test", "-c", "-vet=off", "-overlay", overlay, "-o", bin + string(filepath.Separator)}
		cmd := exec.CommandContext(ctx, "go", append(args, packages...)...)
		cmd.Dir = opt.root
		said, err := cmd.CombinedOutput()
		if err == nil {
			b.tests, err = testsOf(ctx, opt, bin, packages)
			began := time.Now()
			if err == nil && b.run(ctx, opt, 0, 10*time.Minute) != passed {
				err = fmt.Errorf("the tests do not pass in the one build of all mutants, where none is on")
			}
			b.takes = time.Since(began)
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
		texts[filepath.Join(filepath.Dir(m.file), "zz_mutants.go")] = fmt.Appendf(nil, `package %s

import (
	"os"
	"strconv"
)

var %s, _ = strconv.Atoi(os.Getenv(%q))
`, name, switched, switched)
	}
	return writeOverlay(scratch, "together", texts)
}

// testsOf finds the binaries of packages. A package without tests has none.
func testsOf(ctx context.Context, opt options, bin string, packages []string) (tests []test, err error) {
	list := exec.CommandContext(ctx, "go", append([]string{"list", "-f", "{{.Dir}}"}, packages...)...)
	list.Dir, list.Stderr = opt.root, os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	for dir := range strings.Lines(string(out)) {
		dir = strings.TrimSpace(dir)
		binary := filepath.Join(bin, filepath.Base(dir)+".test")
		_, err := os.Stat(binary)
		if err == nil {
			tests = append(tests, test{binary, dir})
		}
	}
	return tests, nil
}

// run runs the tests with a mutant switched on.
func (b build) run(ctx context.Context, opt options, number int, patience time.Duration) testResult {
	if opt.first != "" && b.runTests(ctx, opt.first, number, patience) != passed {
		return failed
	}
	return b.runTests(ctx, opt.tests, number, patience)
}

func (b build) runTests(ctx context.Context, tests string, number int, patience time.Duration) testResult {
	for _, t := range b.tests {
		args := []string{"-test.failfast", "-test.timeout", patience.String()}
		if tests != "" {
			args = append(args, "-test.run", tests)
		}
		ctx, cancel := context.WithTimeout(ctx, patience+time.Minute)
		cmd := exec.CommandContext(ctx, t.binary, args...)
		cmd.Dir = t.dir
		cmd.Env = append(os.Environ(), switched+"="+strconv.Itoa(number))
		err := cmd.Run()
		cancel()
		if err != nil {
			return failed
		}
	}
	return passed
}
