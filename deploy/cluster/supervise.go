package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"key-value/internal/testkit/rediscluster"
)

// takeOverPatience is how long a replica may take to replace its primary.
const takeOverPatience = 20 * time.Second

// printProcesses prints the processes, and what to try.
func (d *deployment) printProcesses() {
	url := "http://" + d.balancer.Addr()
	fmt.Fprintf(d.out, `
The store is at %[1]s; its API key is %[2]s

Try it:

    curl -X PUT %[1]s/v1/values -H "Content-Type: application/json" -H "x-api-key: %[2]s" -d '{"key": "hello", "value": "world"}'
    curl %[1]s/v1/values/hello -H "x-api-key: %[2]s"

Or open %[1]s in a browser. The processes are:

`, url, d.key)
	for i, gateway := range d.gateways {
		d.list(gateway.name, gateway.Addr, gateway.Pid(), "")
		d.list(d.services[i].name, d.services[i].Addr, d.services[i].Pid(), "")
	}
	nodes := d.nodes.Nodes()
	primaries := len(nodes) / 2
	for i, node := range nodes {
		if i < primaries {
			d.list(fmt.Sprint("primary ", i+1), node.Addr(), node.Pid(), "")
		} else {
			d.list(fmt.Sprint("replica ", i+1-primaries), node.Addr(), node.Pid(), ", of "+nodes[i-primaries].Addr())
		}
	}
	fmt.Fprintf(d.out, `
Kill any of them. After kill -9 %d, which is a primary, its replica takes over within seconds. Ctrl-C ends everything.

`, nodes[0].Pid())
}

func (d *deployment) list(name, addr string, pid int, more string) {
	fmt.Fprintf(d.out, "    %-11s  %s  pid %d%s\n", name, addr, pid, more)
}

// supervise restarts nodes that end, and reports programs that end, until ctx is done.
func (d *deployment) supervise(ctx context.Context) {
	var all sync.WaitGroup
	for _, p := range slices.Concat(d.gateways, d.services) {
		all.Go(func() {
			select {
			case <-p.Exited():
				fmt.Fprintf(d.out, "%s has ended: %v\n", p.name, p.State())
			case <-ctx.Done():
			}
		})
	}
	for _, node := range d.nodes.Nodes() {
		all.Go(func() {
			for ctx.Err() == nil {
				d.restart(ctx, node)
			}
		})
	}
	all.Wait()
}

// restart waits for the end of a node and restarts it once its replica has taken over. Restarted earlier, it would
// still be the primary, and empty. Without a running replica, it is.
func (d *deployment) restart(ctx context.Context, node *rediscluster.Node) {
	select {
	case <-node.Exited():
	case <-ctx.Done():
		return
	}
	fmt.Fprintf(d.out, "node %s has ended\n", node.Addr())
	recovered := d.settle(ctx)
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
	d.settle(ctx)
}

// settle waits until the cluster has settled, prints its shards, and reports whether it has.
func (d *deployment) settle(ctx context.Context) bool {
	bounded, cancel := context.WithTimeout(ctx, takeOverPatience)
	defer cancel()
	if d.nodes.Settled(bounded) != nil {
		return false
	}
	d.printShards(ctx)
	return true
}

// printShards prints which node is whose replica.
func (d *deployment) printShards(ctx context.Context) {
	shards, err := d.nodes.Shards(ctx)
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
