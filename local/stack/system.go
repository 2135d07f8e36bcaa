package stack

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// System says how another process looks into a running stack: the environment
// by which its functions find engines and tables.
type System struct {
	Environment map[string]string `json:"environment"`
}

// systemFile is where a stack that others look into describes itself.
const systemFile = "system.json"

// SystemFile is the description of the stack whose folder is dir.
func SystemFile(dir string) string { return filepath.Join(dir, systemFile) }

// System describes the stack.
func (s *Stack) System() System {
	env := map[string]string{}
	for _, pair := range s.Engines.Environment() {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	for _, t := range s.Template.Tables {
		switch t.LogicalID {
		case "EventsTable":
			env["EVENTS_TABLE"] = t.Name
		case "OwnershipTable":
			env["OWNERSHIP_TABLE"] = t.Name
		case "SettingsTable":
			env["SETTINGS_TABLE"] = t.Name
		}
	}
	for _, pair := range s.Environment {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	for _, f := range s.Template.Functions {
		if f.Dir != "reconcile" {
			continue
		}
		for name, value := range f.Environment { // what the command line needs to be one of the functions
			if env[name] == "" && !strings.HasSuffix(name, "_SECRET_ID") {
				env[name] = value
			}
		}
		env["RECONCILE_FUNCTION"] = f.Name
	}
	return System{Environment: env}
}

// Describe writes the stack's description into its folder, until it is closed.
func (s *Stack) Describe() error {
	raw, err := json.MarshalIndent(s.System(), "", "  ")
	if err != nil {
		return err
	}
	path := SystemFile(s.Dir)
	err = os.WriteFile(path, append(raw, '\n'), 0o600)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, func() error { return os.Remove(path) })
	return nil
}

// ReadSystem reads a description.
func ReadSystem(path string) (System, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return System{}, err
	}
	var sys System
	err = json.Unmarshal(raw, &sys)
	if err != nil {
		return System{}, fmt.Errorf("%s is no description of a system: %w", path, err)
	}
	return sys, nil
}
