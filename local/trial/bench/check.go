package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// budgetsFile has, a line each, the name of a measurement that does not depend on the computer, " = " and the most it
// may be.
const budgetsFile = "local/trial/bench/budgets.txt"

const budgetsHead = `# What does not depend on the computer, as make bench-check measured it last; it fails when one of them grows.
# make bench-check UPDATE=1 writes the file anew: say in the commit why a number grew.
# Of each kind of login the least of three counts. A unit of writing may come and go where a packed item is about a
# kilobyte large, as the list of rate plans is after one more subscription: give it the larger number.
`

func readBudgets(root string) (map[string]float64, error) {
	raw, err := os.ReadFile(filepath.Join(root, budgetsFile))
	if errors.Is(err, os.ErrNotExist) {
		return map[string]float64{}, nil
	}
	if err != nil {
		return nil, err
	}
	budgets := map[string]float64{}
	lines := bufio.NewScanner(strings.NewReader(string(raw)))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, " = ")
		if !ok {
			return nil, fmt.Errorf("%s:%d: want NAME = NUMBER", budgetsFile, n)
		}
		budgets[name], err = strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", budgetsFile, n, err)
		}
	}
	return budgets, nil
}

// held returns the rows that do not depend on the computer, each with its budget as target. A measurement without a
// budget, and a budget without its measurement, are errors.
func held(rows []row, budgets map[string]float64) ([]row, error) {
	var out []row
	var wrong []error
	seen := map[string]bool{}
	for _, r := range rows {
		if !r.fixed {
			continue
		}
		budget, ok := budgets[r.name]
		if !ok {
			wrong = append(wrong, fmt.Errorf("%q has no line in %s", r.name, budgetsFile))
		}
		r.target, r.held, seen[r.name] = budget, true, true
		out = append(out, r)
	}
	for name := range budgets {
		if !seen[name] {
			wrong = append(wrong, fmt.Errorf("%s has %q, which is not measured any more", budgetsFile, name))
		}
	}
	return out, errors.Join(wrong...)
}

// writeBudgets writes what was measured as the budgets. Counts are exact; sizes and averages, which differ by version
// of Go, get a twentieth more.
func writeBudgets(root string, rows []row) error {
	var text strings.Builder
	text.WriteString(budgetsHead)
	for _, r := range rows {
		if !r.fixed {
			continue
		}
		value := r.value
		if value != math.Trunc(value) {
			value = math.Ceil(value*1.05*10) / 10
		}
		fmt.Fprintf(&text, "%s = %v\n", r.name, value)
	}
	return os.WriteFile(filepath.Join(root, budgetsFile), []byte(text.String()), 0o644)
}

// check measures what does not depend on the computer and holds it to the budgets, or writes them anew.
func check(root string, rows []row, update bool, w io.Writer) (int, error) {
	if update {
		err := writeBudgets(root, rows)
		if err != nil {
			return 1, err
		}
	}
	budgets, err := readBudgets(root)
	if err != nil {
		return 1, err
	}
	rows, err = held(rows, budgets)
	code := table(w, rows)
	if err != nil {
		return 1, fmt.Errorf("%w\nmake bench-check UPDATE=1 writes the file anew", err)
	}
	return code, nil
}
