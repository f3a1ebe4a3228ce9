package e2e_test

import (
	"testing"
	"time"
)

// Setting the clocks of the store and of a holder moves nothing.
func TestALockOutlivesClocksThatAreSet(t *testing.T) {
	clock := newWallClock(t)
	_, env := clock.serve(t)
	name, args := clock.of(kv, "lock", "door", "--ttl", "6s", "--", "sh", "-c", heldScript)
	l := locked{launch(t, env, name, args...)}
	l.fence(t)
	for _, by := range []time.Duration{time.Hour, -time.Hour, 0} {
		clock.set(t, by)
		wantHeld(t, env)
		time.Sleep(2*time.Second + 100*time.Millisecond) // a renewal later
		wantHeld(t, env)
	}
	if code := l.stop(t); code != 3 {
		t.Errorf("kv lock exited with %d, want the code of its command", code)
	}
}

// TTLs in Redis follow its wall clock. Setting it ahead ends a lock early, and its holder is told at once.
func TestSettingTheClockOfRedisAheadEndsLocks(t *testing.T) {
	clock := newWallClock(t)
	url := clock.startRedis(t)
	server := start(t, []string{"KV_API_KEY=" + apiKey}, "serve", "--listen", "127.0.0.1:0", "--store", url)
	env := clientEnv(server)
	holder := startLocked(t, env, "--ttl", "10m")
	first := holder.fence(t)
	next := startLocked(t, env, "--ttl", "10m")
	waitForQueue(t, env, 2)
	clock.set(t, time.Hour)
	holder.wantLost(t)
	if second := next.fence(t); second <= first {
		t.Errorf("the fence %d follows %d", second, first)
	}
	next.stop(t)
}
