// Command cmd writes a release to a folder: go run ./local/release/cmd DIR (make package).
// With --gradual it writes the template of the checkout with an alias (make gradual).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"hotsync/local/release"
)

func main() { os.Exit(run()) }

func run() int {
	if len(os.Args) == 2 && os.Args[1] == "--gradual" {
		err := gradual()
		if err != nil {
			fmt.Fprintln(os.Stderr, "gradual:", err)
			return 1
		}
		return 0
	}
	if len(os.Args) != 2 || strings.HasPrefix(os.Args[1], "-") {
		fmt.Fprintln(os.Stderr, "usage: go run ./local/release/cmd DIR, or --gradual")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	version, err := release.Version("CHANGELOG.md")
	if err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		return 1
	}
	files, err := release.Make(ctx, ".", os.Args[1], version)
	if err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		return 1
	}
	for _, f := range files {
		info, err := os.Stat(filepath.Join(os.Args[1], f))
		if err != nil {
			fmt.Fprintln(os.Stderr, "package:", err)
			return 1
		}
		fmt.Printf("%-40s %9d bytes\n", filepath.Join(os.Args[1], f), info.Size())
	}
	return 0
}

// gradual writes the checkout's template with an alias. Whatever changes in
// samconfig.toml makes another deployment of it, as the parameters stand there.
func gradual() error {
	template, err := os.ReadFile(release.Template)
	if err != nil {
		return err
	}
	parameters, err := os.ReadFile("samconfig.toml")
	if err != nil {
		return err
	}
	out, err := release.Gradual(template, release.Deployment(template, parameters))
	if err != nil {
		return err
	}
	err = os.WriteFile(release.GradualTemplate, out, 0o644)
	if err != nil {
		return err
	}
	fmt.Println(release.GradualTemplate)
	return nil
}
