package lambdahost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build compiles the functions below root/functions for this computer, as they
// are compiled for AWS, and gives their paths, outDir/<function>/bootstrap, by
// folder. What is up to date is not built again. Only one Build at a time may
// use outDir.
func Build(ctx context.Context, root, outDir string) (map[string]string, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return nil, errors.New("go 1.26 or newer is needed to build the functions: go is not on the PATH")
	}
	outDir, err := filepath.Abs(outDir)
	if err != nil {
		return nil, err
	}
	// One go command for all of them: go build names each binary after its folder, so they meet in one directory.
	all := filepath.Join(outDir, "all")
	if err := os.MkdirAll(all, 0o755); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w",
		"-o", all+string(filepath.Separator), "./functions/...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=", "GOARCH=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build functions: %w: %s", err, strings.TrimSpace(string(out)))
	}
	entries, err := os.ReadDir(filepath.Join(root, "functions"))
	if err != nil {
		return nil, err
	}
	binaries := map[string]string{}
	for _, e := range entries {
		built := filepath.Join(all, e.Name())
		if _, err := os.Stat(built); errors.Is(err, os.ErrNotExist) {
			continue // no main package
		}
		bootstrap := filepath.Join(outDir, e.Name(), "bootstrap")
		if err := link(built, bootstrap); err != nil {
			return nil, err
		}
		binaries[e.Name()] = bootstrap
	}
	return binaries, nil
}

// link makes path a symbolic link to target.
func link(target, path string) error {
	if now, err := os.Readlink(path); err == nil && now == target {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(target, path)
}
