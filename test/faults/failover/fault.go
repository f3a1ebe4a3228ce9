package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"key-value/internal/testkit/rediscluster"
)

// window is how long before its primary died a write may have been acknowledged that is lost. The documentation
// promises it.
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
)

// fault is something that has been broken.
type fault struct {
	kind string
	from instant // when the first thing broke
	to   instant // when nothing was acknowledged any more by what broke
	// others says whether there may have been other failovers meanwhile, as when a node gets no processor for longer than the
	// node timeout.
	others bool
}

// inject breaks something and mends it again. It tells struck once it is broken.
type inject func(ctx context.Context, r *run, turn int, struck func(from, to instant)) error

// kinds are the faults there are.
var kinds = map[string]inject{
	primaryKilled: killPrimary, primaryAlone: killPrimaryAlone, primaryPaused: pausePrimary, primaryHung: hangPrimary,
	primaryOusted: oustPrimary, serviceKilled: killService, replicaKilled: killReplicas, primariesFull: fillPrimaries,
}

// loses says whether acknowledged writes may be lost by a kind of fault.
func loses(kind string) bool {
	return slices.Contains([]string{primaryKilled, primaryAlone, primaryPaused, primaryHung, primaryOusted}, kind)
}

// explain returns an error unless f explains that a write is lost.
func (f fault) explain(l loss) error {
	switch {
	case !loses(f.kind) && !f.others:
		return fmt.Errorf("write %d of %s is lost, though no primary died", l.number, l.key)
	case l.acked < f.from-window:
		return fmt.Errorf("write %d of %s is lost, which was acknowledged %v before its primary died", l.number, l.key, f.from-l.acked)
	case l.sent > f.to: // and not l.acked: an answer may be on its way for longer than its sender lives
		return fmt.Errorf("write %d of %s is lost, which was sent %v after its primary died", l.number, l.key, l.sent-f.to)
	}
	return nil
}

// age is how long before its primary died a write was acknowledged that is lost.
func (f fault) age(l loss) time.Duration { return max(0, f.from-l.acked) }

// killPrimary kills the primaries in turn. A replica takes over, and whoever was killed comes back as its replica.
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

// replace waits until the cluster does without a node, brings that back, and waits until it has copied what it missed.
func (r *run) replace(ctx context.Context, back func(context.Context) error) error {
	if err := r.stage.cluster.Settled(ctx); err != nil {
		return err
	}
	if err := back(ctx); err != nil {
		return err
	}
	return r.stage.cluster.Settled(ctx)
}

// killPrimaryAlone first takes a primary's replica away from it, so that there are writes to lose.
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

// pausePrimary stops a primary for so long that it is replaced. It does not know that when it goes on.
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
		// It may acknowledge more, until it hears that it was replaced.
		r.until(r.now() + nodeTimeout)
		return shard.Primary.Continue()
	})
}

// hangPrimary stops a primary and never has it go on: its connections stay open, and nobody hears anything.
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

// oustPrimary has a replica take over that its primary feeds no more, as when the other nodes are cut off from a primary
// and clients are not: it goes on until it hears that it was replaced.
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
