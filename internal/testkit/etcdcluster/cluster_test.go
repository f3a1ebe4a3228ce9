package etcdcluster_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"key-value/internal/testkit/etcdcluster"
)

// within bounds an operation that should take seconds.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestAnotherMemberLeadsWhenTheLeaderDies(t *testing.T) {
	c := etcdcluster.StartTest(t, etcdcluster.Config{Members: 3})
	ctx := within(t)
	first, err := c.Leader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Client().Put(ctx, "k", "v"); err != nil {
		t.Fatal(err)
	}
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	for second := first; second == first; {
		if second, err = c.Leader(ctx); err != nil {
			second = first
		}
		if ctx.Err() != nil {
			t.Fatalf("no other member leads: %v", err)
		}
	}
	if err := first.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	answer, err := first.Client().Get(ctx, "k")
	if err != nil || len(answer.Kvs) != 1 {
		t.Errorf("the restarted member has %v, %v; want its data", answer, err)
	}
}

func TestAnotherMemberLeadsWhenTheLeaderIsCutOff(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it reads /proc")
	}
	c := etcdcluster.StartTest(t, etcdcluster.Config{Members: 3, Cuttable: true})
	ctx := within(t)
	first, err := c.Settled(ctx)
	if err != nil {
		t.Fatal(err)
	}
	first.CutOff()
	second, err := c.Settled(ctx)
	if err != nil || second == first {
		t.Fatalf("Settled = %v, %v; want another leader", second, err)
	}
	if _, err := second.Client().Put(ctx, "k", "v"); err != nil {
		t.Fatal(err)
	}
	alone, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if answer, err := first.Client().Get(alone, "k"); err == nil {
		t.Errorf("a member that is cut off answers %v", answer)
	}
	first.Rejoin()
	if _, err := c.Settled(ctx); err != nil {
		t.Fatal(err)
	}
	if answer, err := first.Client().Get(ctx, "k"); err != nil || len(answer.Kvs) != 1 {
		t.Errorf("the member that rejoined has %v, %v; want what the others wrote", answer, err)
	}
}

func TestNothingIsLeftAfterClose(t *testing.T) {
	etcdcluster.Need(t)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	c, err := etcdcluster.Start(within(t), etcdcluster.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Members()[0].Pause(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if c.Members()[0].Running() {
		t.Error("a member is running after Close")
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("files after Close: %v, %v; want none", left, err)
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

func TestNeedFailsInsteadOfSkippingWhereEtcdIsRequired(t *testing.T) {
	for _, require := range []bool{false, true} {
		t.Setenv("KV_REQUIRE_ETCD", map[bool]string{true: "1"}[require])
		o := &outcome{TB: t}
		etcdcluster.NeedResult(o, errors.New("no network"))
		if o.failed != require || o.skipped == require {
			t.Errorf("KV_REQUIRE_ETCD=1 is %t: failed %t, skipped %t", require, o.failed, o.skipped)
		}
	}
}
