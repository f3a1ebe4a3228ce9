package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
	"key-value/test/record"
)

// restPeer is a server with an HTTP API.
type restPeer struct {
	name    string
	server  string // the server to start
	dialect dialect
}

func (b *bench) restPeers() []restPeer {
	if b.before != "" {
		return []restPeer{
			{oneProcess, oneProcess, ours},
			{before(oneProcess), before(oneProcess), ours},
			{twoProcesses, twoProcesses, ours},
			{before(twoProcesses), before(twoProcesses), ours},
		}
	}
	return []restPeer{
		{oneProcess, oneProcess, ours},
		{twoProcesses, twoProcesses, ours},
		{unbatched, unbatched, ours},
		{asBuilt, asBuilt, ours},
		{webdis, webdis, webdisDialect},
		{etcdJSON, etcd, etcdDialect},
	}
}

// restTest is what wrk asks of each server in a setting.
type restTest struct {
	setting     string
	set         bool // whether entries are written rather than read
	connections int
	pipeline    int // requests sent at once on each connection
	entries     int
	valueBytes  int // length of values that each server gets for the test; 0: those that it was filled with
}

// allEntries reads or writes n entries that servers are filled with.
func allEntries(set bool, connections, n int) restTest {
	return restTest{setting: count(connections, "connection"), set: set, connections: connections, pipeline: 1, entries: n}
}

// fewEntries reads entries of its own.
func fewEntries(setting string, pipeline, valueBytes int) restTest {
	const entries = 1 << 10
	return restTest{setting: setting, connections: 64, pipeline: pipeline, entries: entries, valueBytes: valueBytes}
}

func (t restTest) key(i int) string {
	if t.valueBytes == 0 {
		return dataset.Key(i)
	}
	return fmt.Sprintf("%s:%d", dataset.Key(i), t.valueBytes)
}

func (t restTest) value(i int) string {
	if t.valueBytes == 0 {
		return dataset.Value(i)
	}
	return fmt.Sprintf("%0*d", t.valueBytes, i)
}

// rest measures gets and sets over HTTP/1.1, of all entries in random order.
func (b *bench) rest(ctx context.Context) ([]outcome, error) {
	var comparisons []comparison
	for _, connections := range b.connections {
		peers := b.restPeers()
		if b.before == "" {
			peers = append(peers, restPeer{nginx, nginx, nginxDialect})
		}
		comparisons = append(comparisons, b.restComparison(restGet, allEntries(false, connections, dataset.Entries), peers...))
	}
	for _, connections := range b.connections {
		comparisons = append(comparisons,
			b.restComparison(restSet, allEntries(true, connections, dataset.Entries), b.restPeers()...))
	}
	return b.compare(ctx, comparisons)
}

// connect measures gets over Connect with JSON, and besides the gets of webdis.
func (b *bench) connect(ctx context.Context) ([]outcome, error) {
	peers := []restPeer{{oneProcess, oneProcess, connectDialect}, {twoProcesses, twoProcesses, connectDialect}}
	for i := range peers {
		if b.before != "" {
			peers = append(peers, restPeer{before(peers[i].name), before(peers[i].server), connectDialect})
		}
	}
	if b.before == "" {
		peers = append(peers, restPeer{webdis, webdis, webdisDialect})
	}
	return b.compare(ctx, []comparison{b.restComparison(connectGet, allEntries(false, 64, dataset.Entries), peers...)})
}

// variants measures gets over REST that differ from the others in one respect. It comes last of the requests, because
// servers hold more after it.
func (b *bench) variants(ctx context.Context) ([]outcome, error) {
	if b.before != "" {
		return nil, nil
	}
	one, two := restPeer{oneProcess, oneProcess, ours}, restPeer{twoProcesses, twoProcesses, ours}
	cached, static := restPeer{webdis, webdis, webdisDialect}, restPeer{nginx, nginx, nginxDialect}
	tls := []restPeer{{oneProcess, oneProcess + overTLS, ours}, {nginx, nginx + overTLS, nginxDialect}}
	return b.compare(ctx, []comparison{
		b.restComparison(restVariants, fewEntries("16 requests at once", 16, dataset.ValueBytes), one, two, cached, static),
		b.restComparison(restVariants, fewEntries("values of 1 KiB", 1, 1<<10), one, two, cached),
		b.restComparison(restVariants, fewEntries("values of 64 KiB", 1, 64<<10), one, two, cached),
		b.restComparison(restVariants, fewEntries("TLS", 1, dataset.ValueBytes), tls...),
	})
}

func (b *bench) restComparison(scenario string, t restTest, peers ...restPeer) comparison {
	c := comparison{scenario: scenario, setting: t.setting, unit: "requests/s"}
	for _, peer := range peers {
		c.contenders = append(c.contenders, b.restContender(peer, t))
	}
	return c
}

func (b *bench) restContender(peer restPeer, t restTest) contender {
	return contender{
		name: peer.name,
		prepare: func(ctx context.Context) error {
			if err := load.Installed("wrk"); err != nil {
				return err
			}
			url, err := b.servers.url(ctx, peer.server)
			if err != nil {
				return err
			}
			return peer.dialect.prepare(ctx, url, t)
		},
		measure: func(ctx context.Context, round int, d time.Duration) (sample, error) {
			url, err := b.servers.url(ctx, peer.server)
			if err != nil {
				return sample{}, err
			}
			requests, err := b.servers.requests(peer.dialect, t)
			if err != nil {
				return sample{}, err
			}
			first := round * t.entries / t.pipeline / (b.rounds + 1)
			return b.servers.metered(peer.server, func() (load.Result, error) {
				return load.Wrk(ctx, url, requests, first, t.connections, d)
			})
		},
	}
}

// requests returns a file of a test's requests, for a sample of its entries in random order.
func (s *servers) requests(d dialect, t restTest) (load.Requests, error) {
	name := fmt.Sprintf("%s %t %d %s %d", d.name, t.set, t.pipeline, record.Thousands(t.entries), t.valueBytes)
	file := load.NewRequests(s.dir, name)
	_, err := s.do("requests "+name, func() (string, error) {
		var all []string
		for some := range slices.Chunk(dataset.Sample(dataset.Entries, t.entries), t.pipeline) {
			var sent strings.Builder
			for _, i := range some {
				if t.set {
					sent.WriteString(d.set(t.key(i), t.value(i)))
				} else {
					sent.WriteString(d.get(t.key(i)))
				}
			}
			all = append(all, sent.String())
		}
		return "", file.Write(all)
	})
	return file, err
}
