package gctune_test

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"key-value/internal/server/gctune"
)

// percent returns the current setting.
func percent() int {
	p := debug.SetGCPercent(100)
	debug.SetGCPercent(p)
	return p
}

// TestFollow runs itself in processes of its own, because the setting is global.
func TestFollow(t *testing.T) {
	if os.Getenv("COLLECTOR_CHILD") == "" {
		for _, env := range []string{"COLLECTOR_CHILD=follow", "GOGC=77"} {
			child := exec.Command(os.Args[0], "-test.run=^TestFollow$")
			child.Env = append(os.Environ(), "COLLECTOR_CHILD=yes", env)
			if out, err := child.CombinedOutput(); err != nil {
				t.Errorf("with %s: %v\n%s", env, err, out)
			}
		}
		return
	}
	gctune.Policy{Percent: 20, Room: 8 << 20, Small: 64 << 20}.Follow()
	if os.Getenv("GOGC") != "" {
		if got := percent(); got != 77 {
			t.Errorf("with GOGC=77 the setting is %d", got)
		}
		return
	}
	if got := percent(); got <= 100 {
		t.Errorf("an empty heap may grow by %d %%, want Room to apply", got)
	}
	held := make([]byte, 256<<20)
	deadline := time.Now().Add(time.Minute)
	for percent() != 20 {
		runtime.GC()
		if time.Now().After(deadline) {
			t.Fatalf("with %d bytes live the heap may grow by %d %%, want 20", len(held), percent())
		}
	}
	runtime.KeepAlive(held)
}
