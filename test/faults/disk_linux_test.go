package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// TestAServerOnAFullDiskRefusesWrites fills a small file system, on which reads and deletes must go on, and enlarges it.
func TestAServerOnAFullDiskRefusesWrites(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=48m"); err != nil {
		t.Skipf("NOT TESTED: a server on a full disk, because a file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(mount, unix.MNT_DETACH) }) // after the server has ended
	d := prepareDurable(t)
	d.dir = filepath.Join(mount, "data")
	if err := d.start(t.Context(), "always"); err != nil {
		t.Fatal(err)
	}
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
	if err := unix.Mount("", mount, "", unix.MS_REMOUNT, "size=256m"); err != nil {
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

// TestAServerWhoseDiskFailsEnds has the kernel fail a sync: the write is not acknowledged, and the process says why and ends.
func TestAServerWhoseDiskFailsEnds(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("KV_REQUIRE_STRACE") == "1" {
			t.Fatal(err)
		}
		t.Skip("NOT TESTED: a disk that fails, because strace is not installed")
	}
	d := prepareDurable(t)
	const good = 20 // syncs of each thread until all fail
	d.command = func(c proc.Command) proc.Command {
		c.Args = append([]string{"-f", "-o", filepath.Join(t.TempDir(), "trace"), "-e", "trace=fdatasync",
			"-e", fmt.Sprintf("inject=fdatasync:error=EIO:when=%d+", good), c.Path}, c.Args...)
		c.Path = strace
		return c
	}
	if err := d.start(t.Context(), "always"); err != nil {
		if strings.Contains(d.process.Log.String(), "ptrace") {
			t.Skipf("NOT TESTED: a disk that fails, because processes cannot be traced here: %s", d.process.Log.String())
		}
		t.Fatal(err)
	}
	kv := dialDurable(t, d)
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
