// Package release makes what is handed over: a zip for each function, their
// checksums, and a software bill of materials. The same source gives the same
// bytes, wherever and whenever it is built with the same Go.
package release

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Files of a release beside the zips.
const (
	Checksums = "SHA256SUMS"
	SBOM      = "sbom.cdx.json"
	Template  = "template.yaml"
)

// Make builds the functions of the checkout at root for Lambda on arm64 and
// writes the release to dir. version names it in the bill of materials. It
// returns the names of the files written. The templates among them take the zips
// from beside them, see Deployable; one has an alias, see Gradual.
func Make(ctx context.Context, root, dir, version string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(root, "functions"))
	if err != nil {
		return nil, err
	}
	err = os.MkdirAll(dir, 0o755)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "hotsync-release-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)

	err = build(ctx, root, version, work)
	if err != nil {
		return nil, err
	}
	var files []string
	var sums strings.Builder
	modules := map[string]*debug.Module{}
	for _, e := range entries {
		binary := filepath.Join(work, e.Name())
		info, err := buildinfo.ReadFile(binary)
		if err != nil {
			return nil, err
		}
		for _, m := range info.Deps {
			modules[m.Path] = m
		}
		archive, err := pack(binary)
		if err != nil {
			return nil, err
		}
		name := e.Name() + ".zip"
		sum := sha256.Sum256(archive)
		fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), name) // as sha256sum -c reads it
		err = os.WriteFile(filepath.Join(dir, name), archive, 0o644)
		if err != nil {
			return nil, err
		}
		files = append(files, name)
	}
	source, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		return nil, err
	}
	deployable, err := Deployable(source, version)
	if err != nil {
		return nil, err
	}
	gradual, err := Gradual(deployable, Deployment(deployable))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(deployable)
	fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), Template)
	sum = sha256.Sum256(gradual)
	fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), GradualTemplate)
	bill, err := materials(version, modules, sums.String())
	if err != nil {
		return nil, err
	}
	sum = sha256.Sum256(bill)
	fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), SBOM)
	for name, content := range map[string][]byte{
		Template: deployable, GradualTemplate: gradual, SBOM: bill, Checksums: []byte(sums.String()),
	} {
		err = os.WriteFile(filepath.Join(dir, name), content, 0o644)
		if err != nil {
			return nil, err
		}
	}
	return append(files, Template, GradualTemplate, SBOM, Checksums), nil
}

// build compiles the functions as sam build does, see Makefile, each to a file of its
// name in dir: one go command for all, which links several at once. Without the state of
// the repository and the paths of this computer in it, a binary depends on the source and
// on Go alone.
func build(ctx context.Context, root, version, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X hotsync/shared/telemetry.version="+version,
		"-o", dir+string(filepath.Separator), "./functions/...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64", "GOFLAGS=")
	text, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the functions: %w: %s", err, bytes.TrimSpace(text))
	}
	return nil
}

// pack makes the zip that Lambda takes: the binary, named bootstrap, executable.
func pack(binary string) ([]byte, error) {
	f, err := os.Open(binary)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	header := &zip.FileHeader{
		Name:     "bootstrap",
		Method:   zip.Deflate,
		Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	header.SetMode(0o755)
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	w, err := z.CreateHeader(header)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(w, f)
	err = errors.Join(err, z.Close())
	return out.Bytes(), err
}

// A bill of materials in CycloneDX's JSON: https://cyclonedx.org/docs/1.5/json/
type bill struct {
	Format       string      `json:"bomFormat"`
	SpecVersion  string      `json:"specVersion"`
	SerialNumber string      `json:"serialNumber"`
	Version      int         `json:"version"`
	Metadata     metadata    `json:"metadata"`
	Components   []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type     string    `json:"type"`
	Ref      string    `json:"bom-ref"`
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	PURL     string    `json:"purl,omitempty"`
	Licenses []license `json:"licenses,omitempty"`
}

type license struct {
	License struct {
		ID string `json:"id"`
	} `json:"license"`
}

// materials lists the modules inside the binaries. Its serial number follows
// from what it describes, since a random one would differ at every build.
func materials(version string, modules map[string]*debug.Module, describes string) ([]byte, error) {
	serial := sha256.Sum256([]byte(version + "\x00" + describes))
	serial[6], serial[8] = serial[6]&0x0f|0x80, serial[8]&0x3f|0x80 // a UUID of version 8, RFC 9562
	id := hex.EncodeToString(serial[:16])
	b := bill{Format: "CycloneDX", SpecVersion: "1.5", Version: 1, Components: []component{},
		SerialNumber: fmt.Sprintf("urn:uuid:%s-%s-%s-%s-%s", id[:8], id[8:12], id[12:16], id[16:20], id[20:]),
		Metadata:     metadata{component{Type: "application", Ref: "hotsync", Name: "hotsync", Version: version}}}
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		m := modules[path]
		if m.Replace != nil {
			m = m.Replace
		}
		purl := "pkg:golang/" + m.Path + "@" + m.Version
		c := component{Type: "library", Ref: purl, Name: m.Path, Version: m.Version, PURL: purl}
		id, err := LicenseOf(m.Path, m.Version)
		if err != nil {
			return nil, err
		}
		var l license
		l.License.ID = id
		c.Licenses = []license{l}
		b.Components = append(b.Components, c)
	}
	out, err := json.MarshalIndent(b, "", "  ")
	return append(out, '\n'), err
}

// Version is the newest version of a changelog: its first heading of the form
// "## 1.2.3".
func Version(changelog string) (string, error) {
	text, err := os.ReadFile(changelog)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		version, ok := strings.CutPrefix(line, "## ")
		if ok && version[0] >= '0' && version[0] <= '9' {
			return strings.Fields(version)[0], nil
		}
	}
	return "", fmt.Errorf("%s names no version", changelog)
}
