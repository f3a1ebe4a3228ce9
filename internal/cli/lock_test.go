package cli

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// holding is a running kv lock or kv elect.
type holding struct {
	out, err *lines
	stop     context.CancelFunc
	code     chan int
}

func hold(t *testing.T, env map[string]string, args ...string) *holding {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	h := &holding{&lines{}, &lines{}, cancel, make(chan int, 1)}
	go func() {
		h.code <- run(ctx, "test", args, streams{strings.NewReader(""), h.out, h.err}, clientEnv(env))
	}()
	t.Cleanup(cancel)
	return h
}

// waiting is a script that says that it runs, and goes on until it is told to end, which it says too.
const waiting = `trap 'echo told; exit 3' TERM; echo "runs $KV_LOCK_FENCE$KV_ELECTION_FENCE"; while :; do sleep 0.01; done`

// fence waits until the script runs for the nth time, and returns its fence.
func (h *holding) fence(t *testing.T, n int) uint64 {
	t.Helper()
	match := h.out.find(t.Context(), `(?s)(?:runs \d+\n.*){`+strconv.Itoa(n-1)+`}runs (\d+)\n`)
	fence, err := strconv.ParseUint(match, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return fence
}

func TestACommandRunsUnderALock(t *testing.T) {
	t.Parallel()
	env := serving(t)
	check(t, env, "", `lock a -- printenv KV_LOCK_NAME`, wants{out: `a\n`})
	check(t, env, "", `lock a --ttl 10s --wait 1h -- printenv KV_LOCK_FENCE`, wants{out: `\d+\n`})
	check(t, env, "in", `lock a --try -- cat`, wants{out: `in`})
	check(t, env, "", `lock a -- false`, wants{1, "", `kv: false: exit status 1\n`})
	check(t, env, "", `lock -- -a -- printenv KV_LOCK_NAME`, wants{out: `-a\n`})
	if got := kv(t, env, "", "lock", "a", "--", "sh", "-c", "kill -KILL $$"); got.code != 137 {
		t.Errorf("kv lock of a command that SIGKILL ends = %+v, want code 137", got)
	}
	check(t, env, "", "ls", wants{}) // nothing is left
}

func TestALockThatIsHeld(t *testing.T) {
	t.Parallel()
	env := serving(t)
	first := hold(t, env, "lock", "a", "--value", "anna", "--", "sh", "-c", waiting)
	fence := first.fence(t, 1)
	check(t, env, "", `lock a --try -- true`, wants{6, "", `kv: the lock is held by anna\n`})
	check(t, env, "", `lock a --wait 1ms -- true`, wants{6, "", `kv: the lock is held by anna\n`})
	check(t, env, "", `lock b --try -- true`, wants{})
	check(t, env, "", `lock a --prefix other/ --try -- true`, wants{})
	next := hold(t, env, "lock", "a", "--", "sh", "-c", waiting)
	gone := hold(t, env, "lock", "a", "--", "sh", "-c", waiting)
	repeat(t, func() error {
		if got := kv(t, env, "", "ls", "locks/{a}/"); strings.Count(got.out, "\n") < 3 {
			return fmt.Errorf("the queue for the lock is %+v, want three entries", got)
		}
		return nil
	})
	gone.stop()
	if code := <-gone.code; code != 130 {
		t.Errorf("a wait that is interrupted exits with %d, want 130", code)
	}
	first.stop()
	if code := <-first.code; code != 3 || !strings.Contains(first.out.String(), "told\n") {
		t.Errorf("an interrupted lock exits with %d after %q, want the code of its command, which was told", code, first.out)
	}
	if second := next.fence(t, 1); second <= fence {
		t.Errorf("the fence %d follows %d", second, fence)
	}
	next.stop()
	<-next.code
	check(t, env, "", "ls", wants{})
}

func TestALostLockEndsItsCommand(t *testing.T) {
	t.Parallel()
	env := serving(t)
	lost := `kv: the lock was lost: the store does not have its entry any more\n\z`
	told := hold(t, env, "lock", "a", "--", "sh", "-c", waiting)
	told.fence(t, 1)
	deaf := hold(t, env, "lock", "b", "--grace", "0s", "--", "sh", "-c", waiting)
	deaf.fence(t, 1)
	stubborn := hold(t, env, "lock", "c", "--grace", "10ms", "--", "sh", "-c", "trap '' TERM; "+strings.Replace(waiting, "trap", ": trap", 1))
	stubborn.fence(t, 1)
	kv(t, env, "", "del", "--prefix", "locks/", "--yes")
	for name, h := range map[string]*holding{"told": told, "deaf": deaf, "stubborn": stubborn} {
		if code := <-h.code; code != 6 || !regexp.MustCompile(lost).MatchString(h.err.String()) {
			t.Errorf("%s: a lost lock exits with %d and %q, want 6", name, code, h.err)
		}
		if heard := strings.Contains(h.out.String(), "told\n"); heard != (name == "told") {
			t.Errorf("%s: its command printed %q", name, h.out)
		}
	}
}

func TestALeaderRunsACommandUntilItEnds(t *testing.T) {
	t.Parallel()
	env := serving(t)
	check(t, env, "", "elect e --leader", wants{3, "", `kv: nobody leads "e"\n`})
	seen := hold(t, env, "elect", "e", "--observe")
	first := hold(t, env, "elect", "e", "--value", "anna", "--", "sh", "-c", waiting)
	fence := first.fence(t, 1)
	check(t, env, "", "elect e --leader", wants{out: `anna\n`})
	check(t, env, "", "elect e --leader -o json", wants{out: `\{"value":"anna","fence":"` + strconv.FormatUint(fence, 10) + `"\}\n`})
	kv(t, env, "", "del", "--prefix", "elections/", "--yes")
	again := first.fence(t, 2) // it takes part again
	if again <= fence {
		t.Errorf("the fence %d follows %d", again, fence)
	}
	second := hold(t, env, "elect", "e", "--value", "bert", "--", "sh", "-c", waiting)
	seen.out.find(t.Context(), `(`+strconv.FormatUint(again, 10)+`  anna\n)`)
	first.stop()
	if code := <-first.code; code != 3 {
		t.Errorf("an interrupted leader exits with %d, want the code of its command", code)
	}
	if got := first.err.String(); !strings.Contains(got, "kv: the lock was lost: the store does not have its entry any more; taking part again\n") {
		t.Errorf("a leader that lost its place logs %q", got)
	}
	fence = second.fence(t, 1)
	seen.out.find(t.Context(), `(`+strconv.FormatUint(fence, 10)+`  bert\n)`)
	second.stop()
	<-second.code
	seen.out.find(t.Context(), `bert\n(\n)`)
	seen.stop()
	if code := <-seen.code; code != 130 {
		t.Errorf("kv elect --observe exits with %d when it is interrupted, want 130", code)
	}
	check(t, env, "", "elect e -- false", wants{1, "", `kv: false: exit status 1\n`})
}

func TestLocksAndElectionsThatCannotStart(t *testing.T) {
	t.Parallel()
	env := serving(t)
	for _, verb := range []string{"lock", "elect"} {
		for line, want := range map[string]wants{
			"": {2, "", `kv: 0 names: want one NAME, .*
`},
			" -- true": {2, "", `kv: .* NAME.*
`},
			" a true":                      {2, "", `kv: 2 names: want one NAME, .*\n`},
			" a --ttl 999ms -- true":       {2, "", `kv: invalid lock TTL 999ms: want at least 1s\n`},
			" a{b} -- true":                {2, "", `kv: invalid lock name "a\{b\}": want 1 to 512 bytes without braces\n`},
			" a -- no-such-program":        {2, "", `kv: cannot run "no-such-program": executable file not found .*\n`},
			" a -- /":                      {2, "", `kv: cannot run "/": .*\n`},
			" a --url 127.0.0.1:1 -- true": {5, "", `kv: cannot connect .*\n`},
		} {
			check(t, env, "", verb+line, want)
		}
		if got := kv(t, env, "", verb, "", "--", "true"); got.code != 2 || !strings.Contains(got.err, `invalid lock name ""`) {
			t.Errorf("kv %s '' = %+v", verb, got)
		}
		if got := kv(t, env, "", verb, "a\xff", "--", "true"); got.code != 1 || !strings.Contains(got.err, "not valid UTF-8") {
			t.Errorf("kv %s of invalid UTF-8 = %+v", verb, got)
		}
		check(t, map[string]string{"KV_URL": env["KV_URL"]}, "", verb+" a -- true", wants{4, "", `kv: .*\n`})
	}
	check(t, env, "", "lock a", wants{2, "", `kv: nothing to run: .*\n`})
	check(t, env, "", "lock a --try --wait 1s -- true", wants{2, "", `kv: --wait and --try are mutually exclusive: .*\n`})
	check(t, env, "", "elect a", wants{2, "", `kv: want either -- COMMAND, --leader or --observe after NAME\n`})
	check(t, env, "", "elect a --leader -- true", wants{2, "", `kv: want either .*\n`})
	check(t, env, "", "elect a --leader --observe", wants{2, "", `kv: --leader and --observe are mutually exclusive: .*\n`})
}
