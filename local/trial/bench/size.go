package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// sizeRows are the zips as they are uploaded: a larger one starts later.
func sizeRows(ctx context.Context, b *bench) ([]row, error) {
	var rows []row
	for _, function := range slices.Sorted(maps.Keys(b.binaries)) {
		size, err := zipped(ctx, b, function)
		if err != nil {
			return nil, err
		}
		rows = append(
			rows,
			row{name: "zip of " + function + " (arm64)", value: float64(size) / 1e6, unit: "MB", fixed: true},
		)
	}
	return rows, nil
}

// zipped returns the size of a function as it is uploaded.
func zipped(ctx context.Context, b *bench, function string) (int, error) {
	out := filepath.Join(b.dir, "arm64-"+function)
	cmd := exec.CommandContext(
		ctx,
		"go",
		"build",
		"-tags",
		"lambda.norpc",
		"-trimpath",
		"-ldflags",
		"-s -w",
		"-o",
		out,
		"./functions/"+function,
	)
	cmd.Dir, cmd.Env = b.root, append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	text, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, text)
	}
	binary, err := os.ReadFile(out)
	if err != nil {
		return 0, err
	}
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	f, err := w.Create("bootstrap")
	if err != nil {
		return 0, err
	}
	_, err = f.Write(binary)
	if err != nil {
		return 0, err
	}
	err = w.Close()
	return archive.Len(), err
}
