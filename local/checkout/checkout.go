// Package checkout finds the folder this project was checked out into.
package checkout

import (
	"fmt"
	"os"
	"path/filepath"
)

// Root is the nearest folder, upwards of the working directory, that has a
// template.yaml.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "template.yaml"))
		if err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf(
				"run this inside the hotsync checkout: there is no template.yaml in %s or above",
				start,
			)
		}
	}
}
