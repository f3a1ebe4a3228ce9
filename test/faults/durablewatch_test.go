package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"key-value/client"
)

// TestAWatchOutlivesAKilledServer kills a server that writes snapshots all the time under a watch of the Go library, which
// resumes after each start: it reports every acknowledged write once and in order.
func TestAWatchOutlivesAKilledServer(t *testing.T) {
	d := prepareDurable(t)
	d.kv = buildOften(t)
	if err := d.start(t.Context(), "always"); err != nil {
		t.Fatal(err)
	}
	kv := dialDurable(t, d)
	ctx, cancel := context.WithTimeout(t.Context(), durablePatience)
	defer cancel()
	ready, reported, ended := make(chan struct{}), []int{}, make(chan error, 1)
	go func() {
		begin := sync.OnceFunc(func() { close(ready) })
		for event, err := range kv.Watch(ctx, "") {
			switch {
			case err != nil:
				ended <- err
				return
			case event.Type == client.EventSync:
				begin()
			case event.Entry.Key == "end":
				ended <- nil
				return
			case event.Type == client.EventPut:
				var n int
				_, _ = fmt.Sscan(string(event.Entry.Value), &n) // 0 fails below
				reported = append(reported, n)
			}
		}
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("the watch ended: %v", err)
	}
	const kills, writes = 3, 300
	acknowledged, n := map[int]bool{}, 0
	for range kills {
		killed := make(chan error, 1)
		for i := 1; ; i++ {
			n++
			if _, _, err := kv.Set(t.Context(), "k", fmt.Append(nil, n)); err != nil {
				break // killed
			}
			acknowledged[n] = true
			if i == writes {
				go func() { killed <- d.process.Kill() }()
			}
		}
		if err := <-killed; err != nil {
			t.Fatal(err)
		}
		if err := d.start(t.Context(), "always"); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := kv.Set(t.Context(), "end", nil); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatalf("the watch ended: %v", err)
	}
	last := 0
	for _, n := range reported {
		if n <= last {
			t.Fatalf("write %d was reported after %d", n, last)
		}
		for missing := last + 1; missing < n; missing++ {
			if acknowledged[missing] {
				t.Fatalf("write %d was acknowledged, and is missing between %d and %d", missing, last, n)
			}
		}
		last = n
	}
	if last < n-1 {
		t.Errorf("the last write that was reported is %d, want at least %d", last, n-1)
	}
}

// TestAWatchThatIsTooOldAfterAKillSaysSo resumes a watch after a kill, when the log no longer has the changes after its token.
func TestAWatchThatIsTooOldAfterAKillSaysSo(t *testing.T) {
	d := prepareDurable(t)
	d.kv, d.flags = buildOften(t), []string{"--watch-history", "64KiB"}
	if err := d.start(t.Context(), "always"); err != nil {
		t.Fatal(err)
	}
	kv := dialDurable(t, d)
	token := firstToken(t, kv)
	write := func() {
		if _, _, err := kv.Set(t.Context(), "k", make([]byte, 16<<10)); err != nil {
			t.Fatal(err)
		}
	}
	for write(); d.snapshots(t) < 50; { // each one begins another segment
		write()
	}
	if err := d.process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := d.start(t.Context(), "always"); err != nil {
		t.Fatal(err)
	}
	for _, err := range kv.Watch(t.Context(), "", client.ResumeFrom(token)) {
		if !errors.Is(err, client.ErrResumeTooOld) {
			t.Errorf("the watch resumes with %v, want ErrResumeTooOld", err)
		}
		break
	}
}

// firstToken returns the token of a watch that begins now.
func firstToken(t *testing.T, kv *client.Client) string {
	t.Helper()
	for event, err := range kv.Watch(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		return event.ResumeToken
	}
	return ""
}
