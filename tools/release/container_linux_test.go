package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// container is a system of its own, in which systemd runs: it has the programs of this machine, none of its services, and no
// network but its own loopback. What it writes is in memory, and gone after the test.
type container struct {
	nspawn *exec.Cmd
	said   *bytes.Buffer // what nspawn says
	init   string        // process id of its systemd
	upper  string        // directory with all that was written
}

// bootScript makes the file system of a container in the directory $1, and boots it. It runs with mounts of its own.
const bootScript = `set -e
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
rm -rf root/etc/systemd/system/*.wants root/usr/sbin/policy-rc.d root/etc/dpkg/dpkg.cfg.d root/var/lib/man-db/auto-update
: >root/etc/machine-id
exec systemd-nspawn --quiet --settings=no --register=no --keep-unit --private-network --console=pipe --directory="$PWD/root" \
  --bind-ro="$2:/packages" --boot -- --unit=basic.target`

// boot starts a container that has the directory packages at /packages. It skips the test where that is not possible, and fails it
// if KV_REQUIRE_PACKAGES is 1.
func boot(t *testing.T, packages string) *container {
	t.Helper()
	skip := t.Skipf
	if os.Getenv("KV_REQUIRE_PACKAGES") == "1" {
		skip = t.Fatalf
	}
	if os.Getuid() != 0 {
		skip("NOT TESTED: packages are only installed by root, in a container")
	}
	for _, program := range []string{"dpkg", "rpm", "systemd-nspawn", "systemd-analyze", "unshare", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			skip("NOT TESTED: packages are not installed: %v", err)
		}
	}
	dir := t.TempDir()
	c := &container{said: &bytes.Buffer{}, upper: filepath.Join(dir, "upper")}
	c.nspawn = exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", bootScript, "sh", dir, packages)
	c.nspawn.Stdout, c.nspawn.Stderr = c.said, c.said
	if err := c.nspawn.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.nspawn.Wait() }()
	t.Cleanup(func() {
		if c.init != "" {
			_, _ = c.try("systemctl", "poweroff", "--force", "--force")
		}
		if err := c.nspawn.Process.Signal(syscall.SIGTERM); err == nil {
			defer time.AfterFunc(10*time.Second, func() { _ = c.nspawn.Process.Kill() }).Stop()
		}
		<-ended
	})
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-ended:
			ended <- err
			skip("NOT TESTED: packages are not installed, because no container starts here: %v: %s", err, c.said)
		default:
		}
		if time.Now().After(deadline) {
			skip("NOT TESTED: packages are not installed, because systemd does not start in a container here: %s", c.said)
		}
		if c.init = c.findInit(); c.init == "" {
			continue
		}
		if _, err := c.try("systemctl", "is-active", "--quiet", "basic.target"); err == nil {
			return c
		}
	}
}

// findInit returns the process id of the container's systemd, or "" if it does not run yet.
func (c *container) findInit() string {
	children, err := exec.Command("pgrep", "--parent", strconv.Itoa(c.nspawn.Process.Pid), "--exact", "systemd").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(children))
}

// try runs a command in the container and returns its output.
func (c *container) try(command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--target", c.init, "--all", "--", "env", "--chdir=/"}, command...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive"}
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// run runs a command in the container, which must succeed, and returns its output.
func (c *container) run(t *testing.T, command ...string) string {
	t.Helper()
	said, err := c.try(command...)
	if err != nil {
		t.Fatalf("%s: %v: %s\n%s", strings.Join(command, " "), err, said, c.journal())
	}
	return said
}

// fails runs a command in the container, which must fail, and returns its output and exit code.
func (c *container) fails(t *testing.T, command ...string) (string, int) {
	t.Helper()
	said, err := c.try(command...)
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatalf("%s: %v, want a failure: %s", strings.Join(command, " "), err, said)
	}
	return said, exit.ExitCode()
}

// journal returns the last log lines of the service.
func (c *container) journal() string {
	said, _ := c.try("journalctl", "--no-pager", "--lines=40", "--unit=key-value")
	return said
}

// sh runs a line of the shell as run does, and returns its output without white space around it.
func (c *container) sh(t *testing.T, line string) string {
	t.Helper()
	return strings.TrimSpace(c.run(t, "sh", "-c", line))
}
