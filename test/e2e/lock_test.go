package e2e_test

import (
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"key-value/internal/testkit/proc"
)

// heldScript prints its fence and goes on until it is told to end, which it prints too.
const heldScript = `trap 'echo told; exit 3' TERM; echo "fence $KV_LOCK_FENCE"; while :; do sleep 0.05; done`

// locked is a running kv lock whose command is heldScript.
type locked struct{ *process }

func startLocked(t *testing.T, env []string, flags ...string) locked {
	t.Helper()
	return locked{launch(t, env, kv, append(append([]string{"lock", "door"}, flags...), "--", "sh", "-c", heldScript)...)}
}

// fence waits until the lock is held.
func (l locked) fence(t *testing.T) uint64 {
	t.Helper()
	match, err := l.WaitFor(t.Context(), l.Out, `fence (\d+)\n`)
	if err != nil {
		t.Fatal(err)
	}
	fence, err := strconv.ParseUint(match, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return fence
}

func (l locked) wantLost(t *testing.T) {
	t.Helper()
	if code := l.wait(t); code != 6 || l.Out.String() != "fence "+strconv.FormatUint(l.fence(t), 10)+"\ntold\n" {
		t.Errorf("%s exited with %d and %q, want 6 after its command was told", l, code, l.Out)
	}
}

// wantHeld checks that the lock is held by another process.
func wantHeld(t *testing.T, env []string) {
	t.Helper()
	if got := client(t, env, "", "lock", "door", "--try", "--", "true"); got.Code != 6 {
		t.Errorf("kv lock --try = %+v, want code 6", got)
	}
}

// A shell that is told to end leaves what it has started, which must not go on either.
func TestASignalReachesWhatALockedCommandStarted(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only on Linux")
	}
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	l := launch(t, env, kv, "lock", "door", "--", "sh", "-c", `sh -c 'trap "echo told; exit" TERM; echo begun; while :; do sleep 0.05; done'; echo never`)
	if _, err := l.WaitFor(t.Context(), l.Out, `begun\n`); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(l.Pid(), syscall.SIGTERM); err != nil { // kv alone
		t.Fatal(err)
	}
	if code := l.wait(t); code != 143 || l.Out.String() != "begun\ntold\n" {
		t.Errorf("kv lock exited with %d after %q, want 143 and that what its command started was told", code, l.Out)
	}
	if got := client(t, env, "", "lock", "door", "--try", "--", "true"); got.Code != 0 {
		t.Errorf("kv lock --try after that = %+v", got)
	}
}

// A command must not go on without the one that renews its lock.
func TestALockedCommandDiesWithKV(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only on Linux")
	}
	d := oneProcess(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	l := startPiped(t, env, "lock", "door", "--ttl", "5s", "--", "sh", "-c", heldScript)
	l.readLine(t)
	if err := syscall.Kill(l.Pid(), syscall.SIGKILL); err != nil { // kv alone
		t.Fatal(err)
	}
	if n, err := l.stdout.Read(make([]byte, 1)); n != 0 { // it ends when nobody has it open
		t.Errorf("the command went on: %v", err)
	}
	if got := client(t, env, "", "lock", "door", "--wait", "1m", "--", "true"); got.Code != 0 {
		t.Errorf("kv lock after that = %+v", got)
	}
}

func TestACommandEndsWhenTheStoreIsSilent(t *testing.T) {
	server := start(t, []string{"KV_API_KEY=" + apiKey}, "serve", "--listen", "127.0.0.1:0")
	l := startLocked(t, []string{"KV_URL=http://" + server.Addr, "KV_API_KEY=" + apiKey}, "--ttl", "1s")
	l.fence(t)
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	l.wantLost(t)
}

// A store in memory has lost its locks when it comes back. Their holders are told, and those who wait come back.
func TestARestartInMemoryLosesLocks(t *testing.T) {
	addr := proc.FreeAddr()
	serve := func() *process { return start(t, []string{"KV_API_KEY=" + apiKey}, "serve", "--listen", addr) }
	server := serve()
	env := []string{"KV_URL=http://" + addr, "KV_API_KEY=" + apiKey}
	holder := startLocked(t, env, "--ttl", "1h")
	first := holder.fence(t)
	next := startLocked(t, env)
	waitForQueue(t, env, 2)
	server.end(t, syscall.SIGKILL)
	serve()
	if second := next.fence(t); second <= first {
		t.Errorf("the fence %d follows %d", second, first)
	}
	holder.wantLost(t)
	if code := next.stop(t); code != 3 {
		t.Errorf("the next holder exited with %d, want the code of its command", code)
	}
}

// A store with a data directory keeps locks and their queue, even if it is killed.
func TestARestartWithADataDirectoryKeepsLocks(t *testing.T) {
	addr, dir := proc.FreeAddr(), filepath.Join(t.TempDir(), "data")
	for _, mode := range []string{"always", "1s", "never"} {
		t.Run(mode, func(t *testing.T) {
			serve := func() *process {
				return start(t, []string{"KV_API_KEY=" + apiKey}, "serve", "--listen", addr, "--data-dir", dir, "--fsync", mode)
			}
			server := serve()
			env := []string{"KV_URL=http://" + addr, "KV_API_KEY=" + apiKey}
			holder := startLocked(t, env, "--ttl", "1m")
			first := holder.fence(t)
			next := startLocked(t, env, "--ttl", "1m")
			waitForQueue(t, env, 2)
			server.end(t, syscall.SIGKILL)
			server = serve()
			wantHeld(t, env)
			if next.Out.String() != "" || holder.Out.String() != "fence "+strconv.FormatUint(first, 10)+"\n" {
				t.Errorf("after a restart, the holder has printed %q and the next one %q", holder.Out, next.Out)
			}
			if code := holder.stop(t); code != 3 {
				t.Errorf("the holder exited with %d, want the code of its command", code)
			}
			if second := next.fence(t); second <= first {
				t.Errorf("the fence %d follows %d", second, first)
			}
			next.stop(t)
			server.stop(t)
		})
	}
}

// waitForQueue waits until the lock has n callers.
func waitForQueue(t *testing.T, env []string, n int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got := client(t, env, "", "del", "--prefix", "locks/", "--dry-run"); got.Out == strconv.Itoa(n)+"\n" {
			return
		}
	}
	t.Fatalf("the lock does not have %d callers", n)
}
