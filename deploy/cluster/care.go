package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"key-value/internal/testkit/rediscluster"
)

// takeOverPatience is how long a replica may take to stand in for its primary.
const takeOverPatience = 20 * time.Second

// introduce says what runs, and what to try.
func (d *deployment) introduce() {
	url := "http://" + d.balancer.Addr()
	fmt.Fprintf(d.out, `
The store is at %[1]s; its API key is %[2]s

Try it:

    curl -X PUT %[1]s/v1/values -H "Content-Type: application/json" -H "x-api-key: %[2]s" -d '{"key": "hello", "value": "world"}'
    curl %[1]s/v1/values/hello -H "x-api-key: %[2]s"

Or open %[1]s in a browser. These are its processes:

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
Kill what you like: with kill -9 %d a primary dies, and within seconds its replica stands in for it. Ctrl-C ends everything.

`, nodes[0].Pid())
}

func (d *deployment) list(name, addr string, pid int, more string) {
	fmt.Fprintf(d.out, "    %-11s  %s  pid %d%s\n", name, addr, pid, more)
}

// care says what dies and starts nodes again, until ctx is done.
func (d *deployment) care(ctx context.Context) {
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
				d.careFor(ctx, node)
			}
		})
	}
	all.Wait()
}

// careFor waits for the end of a node, and starts it again. It must not come back before its replica has taken over: it would
// still be the primary then, and empty. Without a replica it is.
func (d *deployment) careFor(ctx context.Context, node *rediscluster.Node) {
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
		fmt.Fprintf(d.out, "the cluster does not recover without node %s: it starts again, empty\n", node.Addr())
	}
	if err := node.Restart(ctx); err != nil {
		fmt.Fprintf(d.out, "node %s does not start again: %v\n", node.Addr(), err)
		<-ctx.Done()
		return
	}
	fmt.Fprintf(d.out, "node %s is back: pid %d\n", node.Addr(), node.Pid())
	d.settle(ctx)
}

// settle gives the cluster time to find a new order, says which, and reports whether there is one.
func (d *deployment) settle(ctx context.Context) bool {
	bounded, cancel := context.WithTimeout(ctx, takeOverPatience)
	defer cancel()
	if d.nodes.Settled(bounded) != nil {
		return false
	}
	d.tell(ctx)
	return true
}

// tell says who is whose replica now.
func (d *deployment) tell(ctx context.Context) {
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
