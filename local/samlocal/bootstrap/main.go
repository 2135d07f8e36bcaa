// Command bootstrap runs a function in a container of sam local invoke: it leads
// from the container's loopback to the computer outside, and starts the program
// function beside it.
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"hotsync/local/samlocal/forward"
)

func main() { os.Exit(run()) }

func run() int {
	for port := range strings.SplitSeq(os.Getenv(forward.Ports), ",") {
		_, err := forward.Listen(net.JoinHostPort("127.0.0.1", port), net.JoinHostPort(os.Getenv(forward.Host), port))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(self), "function"))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err = cmd.Run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
