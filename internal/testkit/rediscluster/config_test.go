package rediscluster_test

import (
	"strings"
	"testing"

	"key-value/internal/testkit/rediscluster"
	"key-value/internal/testkit/tlstest"
)

// setting returns the value of a node's setting.
func setting(t *testing.T, node *rediscluster.Node, name string) string {
	t.Helper()
	answer, err := node.Do(within(t), "CONFIG", "GET", name)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := answer.AsStrSlice()
	if err != nil || len(pair) != 2 {
		t.Fatalf("CONFIG GET %s = %v, %v", name, pair, err)
	}
	return pair[1]
}

func TestAStandaloneNodeIsNotACluster(t *testing.T) {
	c := rediscluster.StartTest(t, rediscluster.Config{Lines: []string{"maxmemory 20mb", "maxmemory-policy allkeys-lru"}})
	node := c.Nodes()[0]
	if _, err := node.Do(within(t), "CLUSTER", "INFO"); err == nil || !strings.Contains(err.Error(), "cluster support disabled") {
		t.Errorf("CLUSTER INFO: %v, want an error of a standalone node", err)
	}
	if got := setting(t, node, "maxmemory"); got != "20971520" {
		t.Errorf("maxmemory = %s, want 20 MiB", got)
	}
	if got := setting(t, node, "maxmemory-policy"); got != "allkeys-lru" {
		t.Errorf("maxmemory-policy = %s, want allkeys-lru", got)
	}
	if want := "redis://" + node.Addr(); c.URL() != want {
		t.Errorf("URL() = %s, want %s", c.URL(), want)
	}
	if _, err := rediscluster.Start(within(t), rediscluster.Config{Replicas: 1}); err == nil {
		t.Error("a standalone node was started with a replica")
	}
}

func TestPasswordAndTLSAreUsedBetweenNodesToo(t *testing.T) {
	authority := tlstest.NewAuthority(t)
	cert, key := authority.Files(t, tlstest.Leaf{})
	const password = `a "quoted" secret with \ and spaces`
	c := rediscluster.StartTest(t, rediscluster.Config{
		Primaries: 1, Replicas: 1, Password: password,
		TLS: &rediscluster.TLS{Cert: cert, Key: key, CA: authority.File(t)},
	})
	if !strings.HasPrefix(c.URL(), "rediss://127.0.0.1:") {
		t.Errorf("URL() = %s, want scheme rediss", c.URL())
	}
	if got := setting(t, c.Nodes()[1], "masterauth"); got != password {
		t.Errorf("masterauth = %q, want the password", got)
	}
}

func TestARestartedNodeIsEmptyAndKeepsItsName(t *testing.T) {
	ctx := within(t)
	c := rediscluster.StartTest(t, rediscluster.Config{Primaries: 1})
	node := c.Nodes()[0]
	if _, err := node.Do(ctx, "SET", "key", "value"); err != nil {
		t.Fatal(err)
	}
	addr, id, pid := node.Addr(), node.ID(), node.Pid()
	if err := node.Restart(ctx); err == nil {
		t.Error("Restart of a running node succeeded")
	}
	if err := node.Kill(); err != nil {
		t.Fatal(err)
	}
	<-node.Exited()
	if err := node.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Settled(ctx); err != nil {
		t.Fatal(err)
	}
	if node.Addr() != addr || node.ID() != id || node.Pid() == pid {
		t.Errorf("the node is %s %s pid %d after the restart, was %s %s pid %d", node.Addr(), node.ID(), node.Pid(), addr, id, pid)
	}
	answer, err := node.Do(ctx, "DBSIZE")
	if err != nil {
		t.Fatal(err)
	}
	if size, err := answer.AsInt64(); err != nil || size != 0 {
		t.Errorf("the node has %d keys after the restart, %v; want none", size, err)
	}
}

func TestAPausedPrimaryIsReplacedAndComesBackAsAReplica(t *testing.T) {
	ctx := within(t)
	c := rediscluster.StartTest(t, rediscluster.Config{Primaries: 3, Replicas: 1})
	paused, heir := shards(t, c)[0].Primary, shards(t, c)[0].Replicas[0]
	if err := paused.Pause(); err != nil {
		t.Fatal(err)
	}
	if paused.Running() {
		t.Error("Running() of a paused node = true")
	}
	if err := c.Settled(ctx); err != nil {
		t.Fatal(err)
	}
	if err := paused.Continue(); err != nil {
		t.Fatal(err)
	}
	if err := c.Settled(ctx); err != nil {
		t.Fatal(err)
	}
	if got := shards(t, c)[0]; got.Primary != heir || len(got.Replicas) != 1 || got.Replicas[0] != paused {
		t.Errorf("the shard is %+v, want %s to follow %s", got, paused.Addr(), heir.Addr())
	}
}

func TestTheErrorSaysHowToInstallAServer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("KV_REDIS_SERVER", "")
	err := rediscluster.Installed()
	if err == nil || !strings.Contains(err.Error(), "apt-get install redis-server") {
		t.Errorf("Installed() = %v, want how to install a server", err)
	}
	if _, startErr := rediscluster.Start(within(t), rediscluster.Config{}); startErr == nil || startErr.Error() != err.Error() {
		t.Errorf("Start = %v, want %v", startErr, err)
	}
}

// outcome records whether a test was failed or skipped.
type outcome struct {
	testing.TB
	failed, skipped bool
}

func (o *outcome) Helper()      {}
func (o *outcome) Fatal(...any) { o.failed = true }
func (o *outcome) Skip(...any)  { o.skipped = true }

func TestNeedFailsInsteadOfSkippingWhereRedisIsRequired(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("KV_REDIS_SERVER", "")
	for _, require := range []bool{false, true} {
		t.Setenv("KV_REQUIRE_REDIS", map[bool]string{true: "1"}[require])
		o := &outcome{TB: t}
		rediscluster.Need(o)
		if o.failed != require || o.skipped == require {
			t.Errorf("KV_REQUIRE_REDIS=1 is %t: failed %t, skipped %t", require, o.failed, o.skipped)
		}
	}
}
