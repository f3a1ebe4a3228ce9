package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"key-value/client"
	"key-value/internal/testkit/proc"
)

// dialDurable returns a client of the server, which makes each call once.
func dialDurable(t *testing.T, d *durable) *client.Client {
	t.Helper()
	kv, err := client.New("http://"+d.addr, client.WithAPIKey(apiKey), client.WithoutRetries())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kv.Close)
	return kv
}

// fullDisks mount a file system of 48 MB at a directory.
var fullDisks = map[string]func(t *testing.T, mount string) error{
	"tmpfs": func(_ *testing.T, mount string) error { return unix.Mount("tmpfs", mount, "tmpfs", 0, "size=48m") },
	"ext4 on a loop device": func(t *testing.T, mount string) error {
		image := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(image, nil, 0o600); err != nil {
			return err
		}
		if err := os.Truncate(image, 48<<20); err != nil {
			return err
		}
		for _, c := range []proc.Command{
			{Path: "mkfs.ext4", Args: []string{"-q", "-m", "0", image}}, {Path: "mount", Args: []string{"-o", "loop", image, mount}},
		} {
			if _, err := c.Output(t.Context()); err != nil {
				return err
			}
		}
		return nil
	},
}

// TestAServerOnAFullDiskRefusesWrites fills a small file system, on which reads and deletes must go on, and then makes room.
func TestAServerOnAFullDiskRefusesWrites(t *testing.T) {
	d := prepareDurable(t)
	for name, mounted := range fullDisks {
		t.Run(name, func(t *testing.T) {
			mount := t.TempDir()
			if err := mounted(t, mount); err != nil {
				t.Skipf("NOT TESTED: a server on a full disk, because a file system cannot be mounted here: %v", err)
			}
			t.Cleanup(func() { _ = unix.Unmount(mount, unix.MNT_DETACH) }) // after the server has ended
			d.fillDisk(t, mount)
		})
	}
}

// fillDisk fills the file system at mount, removes a file that takes 8 MB of it, and kills the server.
func (d *durable) fillDisk(t *testing.T, mount string) {
	t.Helper()
	ballast := filepath.Join(mount, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	d.dir = filepath.Join(mount, "data")
	if err := d.start(t.Context(), "always"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.process.Kill() }() // it may have ended
	kv, value := dialDurable(t, d), make([]byte, 256<<10)
	set := func(i int) error {
		_, _, err := kv.Set(t.Context(), fmt.Sprint(i), value)
		return err
	}
	var err error
	stored := 0
	for ; err == nil && stored < 1000; stored++ {
		err = set(stored)
	}
	if !errors.Is(err, client.ErrFull) {
		t.Fatalf("set %d on a full disk: %v, want ErrFull", stored, err)
	}
	if _, err := kv.Get(t.Context(), "0"); err != nil {
		t.Errorf("a get on a full disk: %v", err)
	}
	if _, err := kv.Delete(t.Context(), "0"); err != nil {
		t.Errorf("a delete on a full disk: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(durablePatience); ; pause(t.Context(), 10*time.Millisecond) {
		if err = set(0); err == nil {
			break
		}
		if !errors.Is(err, client.ErrFull) || time.Now().After(deadline) {
			t.Fatalf("a set once there is room: %v", err)
		}
	}
	if err := d.process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := d.start(t.Context(), "always"); err != nil {
		t.Fatal(err)
	}
	for i := range stored - 1 { // the last one was refused
		if _, err := kv.Get(t.Context(), fmt.Sprint(i)); err != nil {
			t.Errorf("after a restart, get %d of %d: %v", i, stored-1, err)
		}
	}
}

// trace runs the server under strace with these expressions, and returns the file that gets the trace.
func (d *durable) trace(t *testing.T, expressions ...string) string {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("KV_REQUIRE_STRACE") == "1" {
			t.Fatal(err)
		}
		t.Skip("NOT TESTED: faults of system calls, because strace is not installed")
	}
	file := filepath.Join(t.TempDir(), "trace")
	d.command = func(c proc.Command) proc.Command {
		args := []string{"-f", "-o", file}
		for _, e := range expressions {
			args = append(args, "-e", e)
		}
		c.Args = append(append(args, c.Path), c.Args...)
		c.Path = strace
		return c
	}
	return file
}

// skipUntraced skips the test if the server did not start because it cannot be traced.
func (d *durable) skipUntraced(t *testing.T) {
	t.Helper()
	if log := d.process.Log.String(); strings.Contains(log, "ptrace") {
		t.Skipf("NOT TESTED: faults of system calls, because processes cannot be traced here: %s", log)
	}
}

// TestAServerWhoseDiskFailsEnds has the kernel fail a sync: the write is not acknowledged, and the process says why and ends.
func TestAServerWhoseDiskFailsEnds(t *testing.T) {
	d := prepareDurable(t)
	const good = 20 // syncs of each thread until all fail
	d.trace(t, "trace=fdatasync", fmt.Sprintf("inject=fdatasync:error=EIO:when=%d+", good))
	if err := d.start(t.Context(), "always"); err != nil {
		d.skipUntraced(t)
		t.Fatal(err)
	}
	kv := dialDurable(t, d)
	var err error
	acknowledged := 0
	for ; acknowledged < 10_000; acknowledged++ {
		if _, _, err = kv.Set(t.Context(), fmt.Sprint(acknowledged), []byte("v")); err != nil {
			break
		}
	}
	if !errors.Is(err, client.ErrUnavailable) {
		t.Fatalf("the set whose sync fails, after %d: %v, want ErrUnavailable", acknowledged, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), durablePatience)
	defer cancel()
	select {
	case <-d.process.Exited():
	case <-ctx.Done():
		t.Fatal("the server goes on after a sync failed")
	}
	if log := d.process.Log.String(); d.process.ExitCode() != 1 || !strings.Contains(log, "log has failed") || !strings.Contains(log, "input/output error") {
		t.Errorf("exit code %d, want 1 and why: %s", d.process.ExitCode(), log)
	}
	d.command = nil
	if err := d.start(t.Context(), "always"); err != nil {
		t.Fatal(err)
	}
	for i := range acknowledged {
		if _, err := kv.Get(t.Context(), fmt.Sprint(i)); err != nil {
			t.Errorf("after a restart, get %d of %d: %v", i, acknowledged, err)
		}
	}
}

// TestAServerIsKilledBetweenARenameAndItsSync kills servers after they have renamed a segment or a snapshot, and before they
// have synced the directory.
func TestAServerIsKilledBetweenARenameAndItsSync(t *testing.T) {
	const attempts, keys, writes = 40, 10, 2000
	d := prepareDurable(t)
	d.kv = buildOften(t)
	n, acknowledged := 0, map[string]int{} // :: key → the last acknowledged value
	for when, seen := 1, map[string]bool{}; len(seen) < 2; when++ {
		if when > attempts {
			t.Fatalf("servers were killed only after renames to %v", seen)
		}
		trace := d.trace(t, "trace=/^(rename|fsync)", fmt.Sprintf("inject=fsync:signal=KILL:when=%d", when)) // of each thread
		err := d.start(t.Context(), "always")
		d.skipUntraced(t)
		kv := dialDurable(t, d)
		for end := n + writes; err == nil && n < end; n++ {
			key := fmt.Sprint(n % keys)
			if _, _, err = kv.Set(t.Context(), key, []byte(fmt.Sprint(n))); err == nil {
				acknowledged[key] = n
			}
		}
		_ = d.process.Kill() // it may have been
		if kind := lastRename(t, trace); kind != "" {
			seen[kind] = true
		}
		d.command = nil
		if err := d.start(t.Context(), "always"); err != nil {
			t.Fatal(err)
		}
		for key, want := range acknowledged {
			entry, err := kv.Get(t.Context(), key)
			if got, _ := strconv.Atoi(string(entry.Value)); err != nil || got < want {
				t.Errorf("killed at sync %d, get %s = %d, %v; want at least %d, which was acknowledged", when, key, got, err, want)
			}
		}
		if err := d.process.Kill(); err != nil {
			t.Fatal(err)
		}
	}
}

// lastRename returns what was renamed last before a server was killed in the sync of a directory: "log" or "snapshot". It is
// empty if the server was not killed there.
func lastRename(t *testing.T, trace string) string {
	t.Helper()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text[max(0, strings.LastIndex(string(text), "fsync(")):]), "fsync(")
	if strings.Contains(after, "= 0") || !strings.Contains(after, "killed by SIGKILL") {
		return ""
	}
	renamed := regexp.MustCompile(`(log|snapshot)-[0-9]+"`).FindAllStringSubmatch(string(text), -1)
	if len(renamed) == 0 {
		return ""
	}
	return renamed[len(renamed)-1][1]
}
