package main

import (
	"context"
	"fmt"
	"sync"

	"key-value/internal/testkit/etcdcluster"
)

// etcdNodes are members of etcd.
type etcdNodes struct{ *etcdcluster.Cluster }

func startEtcd(ctx context.Context, d *deployment) (nodes, error) {
	fmt.Fprintln(d.out, "Starting etcd. The first time, it is built, which takes a minute.")
	cluster, err := etcdcluster.Start(ctx, etcdcluster.Config{Members: 3, Fsync: true})
	return etcdNodes{cluster}, err
}

func (n etcdNodes) print(d *deployment) {
	for i, member := range n.Members() {
		d.list(fmt.Sprint("member ", i+1), member.Addr(), member.Pid(), "")
	}
	fmt.Fprintf(d.out, `
Kill any of them. After kill -9 %d, which is a member of etcd, the others have all that was written. Ctrl-C ends everything.

`, n.Members()[0].Pid())
}

func (n etcdNodes) supervise(ctx context.Context, d *deployment) {
	var all sync.WaitGroup
	for _, member := range n.Members() {
		all.Go(func() {
			for ctx.Err() == nil {
				n.restart(ctx, d, member)
			}
		})
	}
	all.Wait()
}

// restart waits for the end of a member and restarts it, with its data.
func (n etcdNodes) restart(ctx context.Context, d *deployment, member *etcdcluster.Member) {
	select {
	case <-member.Exited():
	case <-ctx.Done():
		return
	}
	fmt.Fprintf(d.out, "member %s has ended\n", member.Addr())
	if err := member.Restart(ctx); err != nil {
		fmt.Fprintf(d.out, "restart member %s: %v\n", member.Addr(), err)
		<-ctx.Done()
		return
	}
	fmt.Fprintf(d.out, "member %s is back: pid %d\n", member.Addr(), member.Pid())
}
