package main

import (
	"context"
	"time"

	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
)

// restPeers are those who answer REST, and how.
var restPeers = []struct {
	name    string
	server  string // what to start for it
	dialect dialect
}{
	{oneProcess, oneProcess, ours},
	{twoProcesses, twoProcesses, ours},
	{unbatched, unbatched, ours},
	{asBuilt, asBuilt, ours},
	{webdis, webdis, webdisDialect},
	{etcdJSON, etcd, etcdDialect},
}

// rest measures gets and sets over HTTP/1.1, of all entries in random order.
func (b *bench) rest(ctx context.Context) ([]outcome, error) {
	var cells []cell
	for _, scenario := range []string{restGet, restSet} {
		for _, connections := range b.connections {
			c := cell{scenario: scenario, setting: count(connections, "connection"), unit: "requests/s"}
			for _, peer := range restPeers {
				c.contenders = append(c.contenders, b.restContender(peer.name, peer.server, peer.dialect, scenario, connections))
			}
			cells = append(cells, c)
		}
	}
	return b.play(ctx, cells)
}

func (b *bench) restContender(name, server string, d dialect, scenario string, connections int) contender {
	return contender{
		name: name,
		prepare: func(ctx context.Context) error {
			if err := load.Installed("wrk"); err != nil {
				return err
			}
			addr, err := b.stage.server(ctx, server)
			if err != nil {
				return err
			}
			return d.check(ctx, addr)
		},
		measure: func(ctx context.Context, round int, duration time.Duration) (float64, error) {
			addr, err := b.stage.server(ctx, server)
			if err != nil {
				return 0, err
			}
			requests, err := b.stage.requests(d, scenario, dataset.Entries)
			if err != nil {
				return 0, err
			}
			first := round * dataset.Entries / (b.rounds + 1)
			return load.Wrk(ctx, addr, requests, first, connections, duration)
		},
	}
}

// requests returns a file of requests that read, or write, a sample of n entries in random order.
func (s *stage) requests(d dialect, scenario string, n int) (load.Requests, error) {
	name := d.name + " " + scenario + " " + thousands(n)
	file := load.NewRequests(s.dir, name)
	_, err := s.do("requests "+name, func() (string, error) {
		one := d.get
		if scenario == restSet {
			one = d.set
		}
		var all []string
		for _, i := range dataset.Sample(dataset.Entries, n) {
			all = append(all, one(i))
		}
		return "", file.Write(all)
	})
	return file, err
}
