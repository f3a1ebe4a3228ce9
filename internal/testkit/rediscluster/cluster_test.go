package rediscluster_test

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"key-value/internal/testkit/rediscluster"
)

// within bounds an operation that should take seconds.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestAReplicaTakesOverWhenItsPrimaryDies(t *testing.T) {
	ctx := within(t)
	c := rediscluster.StartTest(t, rediscluster.Config{Primaries: 3, Replicas: 1})
	before := shards(t, c)
	if len(before) != 3 {
		t.Fatalf("the cluster has %d shards, want 3", len(before))
	}
	dead, heir := before[1].Primary, before[1].Replicas[0]
	if err := dead.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.Settled(ctx); err != nil {
		t.Fatal(err)
	}
	if got := shards(t, c)[1].Primary; got != heir {
		t.Errorf("the primary is now %s, want the replica %s", got.Addr(), heir.Addr())
	}
	if err := dead.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Settled(ctx); err != nil {
		t.Fatal(err)
	}
	after := shards(t, c)[1]
	if after.Primary != heir || len(after.Replicas) != 1 || after.Replicas[0] != dead {
		t.Errorf("after the restart the shard is %+v, want %s to follow %s", after, dead.Addr(), heir.Addr())
	}
}

func shards(t *testing.T, c *rediscluster.Cluster) []rediscluster.Shard {
	t.Helper()
	shards, err := c.Shards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return shards
}

func TestNothingIsLeftAfterClose(t *testing.T) {
	rediscluster.Need(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	c, err := rediscluster.Start(within(t), rediscluster.Config{Primaries: 1, Replicas: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Nodes()[1].Pause(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for _, node := range c.Nodes() {
		if err := syscall.Kill(node.Pid(), 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d after Close: %v, want %v", node.Pid(), err, syscall.ESRCH)
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("files after Close: %v, %v; want none", left, err)
	}
}
