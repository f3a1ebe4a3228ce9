// Package haproxy runs HAProxy, a load balancer, for tests.
package haproxy

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"key-value/internal/testkit/proc"
)

// Listen is what the address of a bind line must be in a configuration for [Start].
const Listen = "fd@3"

// Start runs HAProxy until the test ends, and returns the process with the address where it listens. If HAProxy is not
// installed it skips the test and says so, or fails it if KV_REQUIRE_HAPROXY is 1.
func Start(t testing.TB, config string) *proc.Process {
	t.Helper()
	path, err := exec.LookPath("haproxy")
	if err != nil {
		const advice = "haproxy is not installed: apt-get install haproxy"
		if os.Getenv("KV_REQUIRE_HAPROXY") == "1" {
			t.Fatal(advice)
		}
		fmt.Printf("\nNOT TESTED: %s, because %s\n\n", t.Name(), advice) // go test shows a skipped test only with -v
		t.SkipNow()
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	// HAProxy cannot choose a free port itself, so it inherits a listener.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	inherited, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer inherited.Close()
	p, err := proc.Command{Path: path, Args: []string{"-db", "-f", file}, Files: []*os.File{inherited}}.Start()
	if err != nil {
		t.Fatal(err)
	}
	p.Addr = listener.Addr().String()
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Errorf("HAProxy has ended: %v, %v", err, p.State())
		}
		if t.Failed() {
			t.Logf("HAProxy says:\n%s", p.Log)
		}
	})
	return p
}
