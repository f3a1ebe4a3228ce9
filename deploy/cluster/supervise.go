package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

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
	d.nodes.print(d)
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
	all.Go(func() { d.nodes.supervise(ctx, d) })
	all.Wait()
}
