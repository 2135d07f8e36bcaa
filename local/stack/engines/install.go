package engines

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	nodeMajor = 20
	needNode  = "Node 20 or newer is needed"
	// stamp is a file in node_modules with the hash of the lock file it was installed from.
	stamp = ".hotsync-installed"
	// installPoll is how often a process looks whether another one has finished installing.
	installPoll = 100 * time.Millisecond
)

// Install makes node_modules in dir agree with the package-lock.json there.
// Several processes may call it at once: one installs, the others wait for it.
func Install(ctx context.Context, dir string) error {
	if _, err := exec.LookPath("node"); err != nil {
		return fmt.Errorf("%s: node is not on the PATH", needNode)
	}
	if ok, err := installed(dir); ok || err != nil {
		return err
	}
	unlock, err := lock(ctx, filepath.Join(dir, ".install.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if ok, err := installed(dir); ok || err != nil {
		return err // somebody else did it meanwhile
	}
	if err := checkNode(ctx); err != nil {
		return err
	}
	// No install scripts: none of the packages needs one on a platform it ships binaries for.
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in %s: %w: %s", dir, err, strings.TrimSpace(string(out)))
	}
	want, err := lockHash(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "node_modules", stamp), []byte(want), 0o644)
}

// installed reports whether node_modules was installed from the present lock file.
func installed(dir string) (bool, error) {
	want, err := lockHash(dir)
	if err != nil {
		return false, err
	}
	got, err := os.ReadFile(filepath.Join(dir, "node_modules", stamp))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return string(got) == want, err
}

func lockHash(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

func checkNode(ctx context.Context) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return fmt.Errorf("%s, with npm: npm is not on the PATH", needNode)
	}
	out, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return fmt.Errorf("node --version: %w", err)
	}
	version := strings.TrimSpace(string(out))
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < nodeMajor {
		return fmt.Errorf("%s: this is %s", needNode, version)
	}
	return nil
}

// lock takes the lock file at path, waiting for other processes until ctx ends.
// The system releases it should this process die.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(installPoll)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(
				fmt.Errorf("wait for another process that installs the engines: %w", ctx.Err()),
				f.Close(),
			)
		case <-tick.C:
		}
	}
}
