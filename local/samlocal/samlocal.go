// Package samlocal lets sam local invoke run the functions against a running
// stack, without an AWS account.
//
// sam runs a function in a container, which reaches neither this computer's
// loopback nor variables that the template does not declare, and gives the
// logical id where the template has Ref. So it gets a template of its own, made
// of what package template read of template.yaml: the same functions, for this
// computer's processor, with every variable as plain text. Engines and sandboxes
// stay on loopback; forwarders on the address of Docker's bridge lead to them.
//
// The functions take plain http on loopback only, so that no secret travels in
// the clear, and that stays so: in the container the program bootstrap listens
// on loopback, leads to the bridge, and runs the function.
package samlocal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"hotsync/local/samlocal/forward"
	"hotsync/local/stack"
	"hotsync/local/stack/template"
)

const loopback = "127.0.0.1"

// DockerDesktop is the name by which a container of Docker Desktop reaches the
// loopback of its computer.
const DockerDesktop = "host.docker.internal"

// Bridge is the address of Docker's bridge on Linux, or else the loopback,
// which Docker Desktop leads to.
func Bridge() string {
	bridge, err := net.InterfaceByName("docker0")
	if err != nil {
		return loopback
	}
	addresses, err := bridge.Addrs()
	if err != nil {
		return loopback
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil {
			return ip.IP.String()
		}
	}
	return loopback
}

// Doors are the forwarders and the template of one stack.
type Doors struct {
	Template string // its path

	ways []*forward.Way
}

// Open forwards free ports of address to the engines and sandboxes of s, and
// writes dir/template.yaml with the compiled functions beside it.
func Open(ctx context.Context, s *stack.Stack, root, address, dir string) (_ *Doors, err error) {
	d := &Doors{Template: filepath.Join(dir, "template.yaml")}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("for sam: %w", err), d.Close())
		}
	}()
	name := address
	if address == loopback {
		name = DockerDesktop
	}
	wrapper := filepath.Join(dir, "bootstrap")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", wrapper, "./local/samlocal/bootstrap")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	resources := map[string]any{}
	for _, f := range s.Template.Functions {
		env, err := d.environment(s, f, address, name)
		if err != nil {
			return nil, err
		}
		code := filepath.Join("functions", f.Dir)
		err = errors.Join(
			copyFile(wrapper, filepath.Join(dir, code, "bootstrap")),
			copyFile(s.Binaries[f.Dir], filepath.Join(dir, code, "function")),
		)
		if err != nil {
			return nil, err
		}
		resources[f.LogicalID] = map[string]any{"Type": "AWS::Serverless::Function", "Properties": map[string]any{
			"FunctionName": f.Name, "Runtime": "provided.al2023", "Handler": "bootstrap", "CodeUri": code,
			"Architectures": []string{architecture()}, "Timeout": int(f.Timeout.Seconds()), "MemorySize": f.MemorySize,
			"Environment": map[string]any{"Variables": env}}}
	}
	return d, writeTemplate(d.Template, resources)
}

// environment is what a function gets: the template's variables and the local
// ones, with ports of its own for engines and sandboxes. bootstrap listens on
// these on the container's loopback and leads to the same ports of name.
func (d *Doors) environment(s *stack.Stack, f template.Function, address, name string) (map[string]string, error) {
	var pairs, ports []string // pairs: old, new, …
	for _, base := range []string{s.Engines.DynamoDBEndpoint, s.Engines.SQSEndpoint, s.ZuoraURL, s.LimioURL} {
		w, err := listen(address, strings.TrimPrefix(base, "http://"))
		if err != nil {
			return nil, err
		}
		d.ways = append(d.ways, w)
		_, port, err := net.SplitHostPort(w.Addr())
		if err != nil {
			return nil, err
		}
		pairs, ports = append(pairs, base, "http://"+net.JoinHostPort(loopback, port)), append(ports, port)
	}
	replacer := strings.NewReplacer(pairs...)
	env := map[string]string{forward.Host: name, forward.Ports: strings.Join(ports, ",")}
	for k, v := range f.Environment {
		env[k] = replacer.Replace(v)
	}
	for _, pair := range s.Environment {
		k, v, _ := strings.Cut(pair, "=")
		if !reserved(k) {
			env[k] = replacer.Replace(v)
		}
	}
	return env, nil
}

// listen forwards a port of address that bootstrap can listen on too. Without a
// container between, as in the tests, that is this computer's loopback, where any
// connection may come by a port of the range that the system gives out (from 32768
// on Linux). So the port is below that range, and free there too.
func listen(address, to string) (*forward.Way, error) {
	const first, last, tries = 20000, 32000, 100
	var refused error
	for range tries {
		port := strconv.Itoa(first + rand.IntN(last-first))
		if address != loopback {
			l, err := net.Listen("tcp", net.JoinHostPort(loopback, port))
			if err != nil {
				refused = err
				continue
			}
			err = l.Close()
			if err != nil {
				return nil, err
			}
		}
		w, err := forward.Listen(net.JoinHostPort(address, port), to)
		if err == nil {
			return w, nil
		}
		refused = err
	}
	return nil, fmt.Errorf("no free port after %d tries: %w", tries, refused)
}

// reserved are the variables that Lambda, and sam, set themselves.
func reserved(name string) bool {
	return name == "AWS_REGION" || name == "AWS_ACCESS_KEY_ID" || name == "AWS_SECRET_ACCESS_KEY"
}

// architecture is this computer's in the words of Lambda.
func architecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

// writeTemplate writes JSON, which is YAML too.
func writeTemplate(path string, resources map[string]any) error {
	raw, err := json.MarshalIndent(map[string]any{"AWSTemplateFormatVersion": "2010-09-09",
		"Transform": "AWS::Serverless-2016-10-31", "Resources": resources}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o600)
}

// copyFile copies what may be a link: a container sees nothing beside its folder.
func copyFile(from, to string) (err error) {
	err = os.MkdirAll(filepath.Dir(to), 0o755)
	if err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// Close ends the forwarders. The template stays, for whoever wants to look.
func (d *Doors) Close() error {
	var errs []error
	for _, w := range d.ways {
		errs = append(errs, w.Close())
	}
	return errors.Join(errs...)
}
