// Command cmd writes a release to a folder: go run ./local/release/cmd DIR (make package).
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
	if len(os.Args) != 2 || strings.HasPrefix(os.Args[1], "-") {
		fmt.Fprintln(os.Stderr, "usage: go run ./local/release/cmd DIR")
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
