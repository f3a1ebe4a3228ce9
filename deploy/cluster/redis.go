package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"key-value/internal/testkit/rediscluster"
)

// takeOverPatience is how long a replica may take to replace its primary.
const takeOverPatience = 20 * time.Second

// redisNodes are primaries of Redis or Valkey with a replica each.
type redisNodes struct{ *rediscluster.Cluster }

func startRedis(ctx context.Context, _ *deployment) (nodes, error) {
	cluster, err := rediscluster.Start(ctx, rediscluster.Config{Primaries: 3, Replicas: 1, NodeTimeout: 2 * time.Second})
	return redisNodes{cluster}, err
}

func (n redisNodes) print(d *deployment) {
	all := n.Nodes()
	primaries := len(all) / 2
	for i, node := range all {
		if i < primaries {
			d.list(fmt.Sprint("primary ", i+1), node.Addr(), node.Pid(), "")
		} else {
			d.list(fmt.Sprint("replica ", i+1-primaries), node.Addr(), node.Pid(), ", of "+all[i-primaries].Addr())
		}
	}
	fmt.Fprintf(d.out, `
Kill any of them. After kill -9 %d, which is a primary, its replica takes over within seconds. Ctrl-C ends everything.

`, all[0].Pid())
}

func (n redisNodes) supervise(ctx context.Context, d *deployment) {
	var all sync.WaitGroup
	for _, node := range n.Nodes() {
		all.Go(func() {
			for ctx.Err() == nil {
				n.restart(ctx, d, node)
			}
		})
	}
	all.Wait()
}

// restart waits for the end of a node and restarts it once its replica has taken over. Restarted earlier, it would
// still be the primary, and empty. Without a running replica, it is.
func (n redisNodes) restart(ctx context.Context, d *deployment, node *rediscluster.Node) {
	select {
	case <-node.Exited():
	case <-ctx.Done():
		return
	}
	fmt.Fprintf(d.out, "node %s has ended\n", node.Addr())
	recovered := n.settle(ctx, d)
	if ctx.Err() != nil {
		return
	}
	if !recovered {
		fmt.Fprintf(d.out, "no replica can take over from node %s: it starts again, empty\n", node.Addr())
	}
	if err := node.Restart(ctx); err != nil {
		fmt.Fprintf(d.out, "restart node %s: %v\n", node.Addr(), err)
		<-ctx.Done()
		return
	}
	fmt.Fprintf(d.out, "node %s is back: pid %d\n", node.Addr(), node.Pid())
	n.settle(ctx, d)
}

// settle waits until the cluster has settled, prints its shards, and reports whether it has.
func (n redisNodes) settle(ctx context.Context, d *deployment) bool {
	bounded, cancel := context.WithTimeout(ctx, takeOverPatience)
	defer cancel()
	if n.Settled(bounded) != nil {
		return false
	}
	n.printShards(ctx, d)
	return true
}

// printShards prints which node is whose replica.
func (n redisNodes) printShards(ctx context.Context, d *deployment) {
	shards, err := n.Shards(ctx)
	if err != nil {
		fmt.Fprintln(d.out, err)
		return
	}
	for _, shard := range shards {
		fmt.Fprintf(d.out, "    primary %s pid %-7d", shard.Primary.Addr(), shard.Primary.Pid())
		for _, replica := range shard.Replicas {
			if replica.Running() {
				fmt.Fprintf(d.out, "  replica %s pid %d", replica.Addr(), replica.Pid())
			}
		}
		fmt.Fprintln(d.out)
	}
}
