package release

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"unicode"
)

// Allowed are the licences, by SPDX id, whose modules may be part of hotsync:
// they ask for no more than to be named.
var Allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"}

// marks tell a licence by a sentence of it, the more particular ones first.
var marks = []struct{ id, text string }{
	{"Apache-2.0", "Apache License Version 2.0, January 2004"},
	{"MPL-2.0", "Mozilla Public License Version 2.0"},
	{"AGPL-3.0-only", "GNU AFFERO GENERAL PUBLIC LICENSE"},
	{"LGPL-3.0-only", "GNU LESSER GENERAL PUBLIC LICENSE"},
	{"GPL-3.0-only", "GNU GENERAL PUBLIC LICENSE"},
	{"BSD-3-Clause", "may be used to endorse or promote products derived from"},
	{"BSD-2-Clause", "Redistribution and use in source and binary forms, with or without modification, are permitted"},
	{"ISC", "Permission to use, copy, modify, and distribute this software for any purpose with or without fee"},
	{"ISC", "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee"},
	{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"},
}

// Identify tells which licence a text is, by its SPDX id; "" when it is none
// that is known here.
func Identify(text string) string {
	words := strings.Join(strings.FieldsFunc(text, unicode.IsSpace), " ")
	for _, m := range marks {
		if strings.Contains(strings.ToLower(words), strings.ToLower(m.text)) {
			return m.id
		}
	}
	return ""
}

// LicenseOf reads the licence of a module in the module cache.
func LicenseOf(path, version string) (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path+"@"+version).Output()
	if err != nil {
		return "", fmt.Errorf("find %s@%s: %w", path, version, err)
	}
	dir := strings.TrimSpace(string(out))
	for _, pattern := range []string{"LICENSE*", "LICENCE*", "COPYING*", "License*", "license*"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return "", err
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				return "", err
			}
			if id := Identify(string(text)); id != "" {
				return id, nil
			}
		}
	}
	return "", fmt.Errorf(
		"%s@%s has no licence that is known here; read it and add it to local/release/license.go",
		path,
		version,
	)
}
