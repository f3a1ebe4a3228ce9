package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"key-value/internal/testkit/rediscluster"
)

// window is how long before the death of its primary an acknowledged write may be lost. The documentation promises it.
const window = time.Second

const (
	primaryKilled = "primary killed"
	primaryAlone  = "primary killed, its replica cut off before"
	primaryPaused = "primary paused, replaced, and back"
	primaryHung   = "primary paused for good, replaced"
	primaryOusted = "primary replaced while clients reach it"
	serviceKilled = "kvservice killed, started again"
	replicaKilled = "all replicas killed, started again"
	primariesFull = "memory limit of all primaries reached"

	leaderKilled  = "leader of etcd killed"
	leaderStopped = "leader of etcd stopped, replaced, and back"
	leaderCutOff  = "leader of etcd cut off from the other members"
	mostGone      = "two of three members of etcd killed"
	etcdFull      = "quota of etcd reached"
	etcdRestored  = "etcd restored from a snapshot"
	serverKilled  = "server with etcd killed, started again"
)

// fault is a fault that was injected.
type fault struct {
	kind string
	from instant // when the first thing failed
	// since is when the latest lost write may have been acknowledged at the earliest. 0: within the window before from.
	since instant
	to    instant // when the failed part stopped acknowledging
	// others reports whether other failovers may have happened in the meantime, as when a node gets no CPU time for
	// longer than the node timeout.
	others bool
}

// inject causes a fault and repairs it. It calls struck once the fault has happened.
type inject func(ctx context.Context, r *run, turn int, struck func(from, to instant)) error

// loses reports whether a kind of fault may lose acknowledged writes.
func loses(kind string) bool {
	return slices.Contains([]string{primaryKilled, primaryAlone, primaryPaused, primaryHung, primaryOusted, etcdRestored}, kind)
}

// explain returns an error unless f explains the loss of a write.
func (f fault) explain(l loss) error {
	since := f.since
	if since == 0 {
		since = f.from - window
	}
	switch {
	case !loses(f.kind) && !f.others:
		return fmt.Errorf("write %d of %s is lost, though no primary died", l.number, l.key)
	case l.acked < since:
		return fmt.Errorf("write %d of %s is lost, which was acknowledged %v before its primary died", l.number, l.key, f.from-l.acked)
	case l.sent > f.to: // and not l.acked: an answer can be in flight for longer than its sender lives
		return fmt.Errorf("write %d of %s is lost, which was sent %v after its primary died", l.number, l.key, l.sent-f.to)
	}
	return nil
}

// age returns how long before the death of its primary a lost write was acknowledged.
func (f fault) age(l loss) time.Duration { return max(0, f.from-l.acked) }

// killPrimary kills the primaries in rotation. A replica takes over, and the killed node comes back as its replica.
func killPrimary(ctx context.Context, r *run, turn int, struck func(from, to instant)) error {
	shard, err := r.stage.shard(ctx, turn)
	if err != nil {
		return err
	}
	return r.kill(ctx, shard.Primary, struck)
}

func (r *run) kill(ctx context.Context, node *rediscluster.Node, struck func(from, to instant)) error {
	from := r.now()
	if err := node.Kill(); err != nil {
		return err
	}
	struck(from, r.now())
	return r.replace(ctx, node.Restart)
}

// replace waits until the cluster has replaced a node, runs back, and waits until the node has copied what it missed.
func (r *run) replace(ctx context.Context, back func(context.Context) error) error {
	if err := r.stage.cluster.Settled(ctx); err != nil {
		return err
	}
	if err := back(ctx); err != nil {
		return err
	}
	return r.stage.cluster.Settled(ctx)
}

// killPrimaryAlone first disconnects the primary's replica, so that there are writes to lose.
func killPrimaryAlone(ctx context.Context, r *run, turn int, struck func(from, to instant)) error {
	shard, err := r.stage.shard(ctx, turn)
	if err != nil {
		return err
	}
	replica := shard.Replicas[0]
	if err := replica.Pause(); err != nil {
		return err
	}
	if _, err := shard.Primary.Do(ctx, "CLIENT", "KILL", "TYPE", "replica"); err != nil {
		return err
	}
	pause(ctx, nodeTimeout/4)
	from := r.now()
	if err := shard.Primary.Kill(); err != nil {
		return err
	}
	struck(from, r.now())
	if err := replica.Continue(); err != nil {
		return err
	}
	return r.replace(ctx, shard.Primary.Restart)
}

// pausePrimary pauses a primary until it is replaced, which the primary does not know when it continues.
func pausePrimary(ctx context.Context, r *run, turn int, struck func(from, to instant)) error {
	shard, err := r.stage.shard(ctx, turn)
	if err != nil {
		return err
	}
	from := r.now()
	if err := shard.Primary.Pause(); err != nil {
		return err
	}
	struck(from, from+time.Hour)
	return r.replace(ctx, func(context.Context) error {
		// It may acknowledge more writes until it hears that it was replaced.
		r.until(r.now() + nodeTimeout)
		return shard.Primary.Continue()
	})
}

// hangPrimary pauses a primary for good: its connections stay open, and it answers nothing.
func hangPrimary(ctx context.Context, r *run, turn int, struck func(from, to instant)) error {
	shard, err := r.stage.shard(ctx, turn)
	if err != nil {
		return err
	}
	from := r.now()
	if err := shard.Primary.Pause(); err != nil {
		return err
	}
	struck(from, r.now())
	return r.replace(ctx, func(ctx context.Context) error {
		if _, err := r.recovered(ctx); err != nil {
			return err
		}
		return errors.Join(shard.Primary.Kill(), shard.Primary.Restart(ctx))
	})
}

// oustPrimary makes a disconnected replica take over, as when a primary is cut off from the other nodes but not from
// clients: it continues until it hears that it was replaced.
func oustPrimary(ctx context.Context, r *run, turn int, struck func(from, to instant)) error {
	shard, err := r.stage.shard(ctx, turn)
	if err != nil {
		return err
	}
	primary := shard.Primary
	if _, err := primary.Do(ctx, "ACL", "SETUSER", "default", "-psync", "-sync"); err != nil {
		return err
	}
	if _, err := primary.Do(ctx, "CLIENT", "KILL", "TYPE", "replica"); err != nil {
		return err
	}
	pause(ctx, nodeTimeout/4)
	from := r.now()
	struck(from, from+time.Hour)
	if _, err := shard.Replicas[0].Do(ctx, "CLUSTER", "FAILOVER", "TAKEOVER"); err != nil {
		return err
	}
	r.until(r.now() + nodeTimeout) // by then it has heard
	return r.replace(ctx, func(ctx context.Context) error {
		_, err := primary.Do(ctx, "ACL", "SETUSER", "default", "+psync", "+sync")
		return err
	})
}

func killService(ctx context.Context, r *run, turn int, struck func(from, to instant)) error {
	from, i := r.now(), turn%2
	p := r.stage.services[i]
	if err := p.Kill(); err != nil {
		return err
	}
	struck(from, r.now())
	pause(ctx, nodeTimeout/2)
	return r.stage.startService(ctx, i, p.Addr)
}

func killReplicas(ctx context.Context, r *run, _ int, struck func(from, to instant)) error {
	shards, err := r.stage.cluster.Shards(ctx)
	if err != nil {
		return err
	}
	from := r.now()
	for _, shard := range shards {
		if err := shard.Replicas[0].Kill(); err != nil {
			return err
		}
	}
	struck(from, r.now())
	return r.replace(ctx, func(ctx context.Context) error {
		for _, shard := range shards {
			if err := shard.Replicas[0].Restart(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}
