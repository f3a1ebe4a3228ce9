package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"key-value/client"
	"key-value/internal/testkit/proc"
	"key-value/internal/testkit/rediscluster"
	"key-value/test/bench/dataset"
)

// site is a kvservice and the nodes that store its entries.
type site struct {
	name    string
	config  rediscluster.Config
	memory  bool                  // the kvservice stores them itself
	nodes   *rediscluster.Cluster // nil: entries are in memory
	service *proc.Process
	client  *client.Client
	library string // the name under which the nodes have the functions
	memoryFigures
	figures []*figure // one for each scenario
}

// nodeTimeout is Redis's default: on a busy machine, nodes that are slow for a while must not count as failed.
const nodeTimeout = 15 * time.Second

func allSites() []*site {
	cluster := func(primaries, replicas int) rediscluster.Config {
		return rediscluster.Config{Primaries: primaries, Replicas: replicas, NodeTimeout: nodeTimeout}
	}
	return []*site{
		{name: "memory", memory: true},
		{name: "1 primary"},
		{name: "3 primaries", config: cluster(3, 0)},
		{name: "6 primaries", config: cluster(6, 0)},
		{name: "3 with a replica each", config: cluster(3, 1)},
	}
}

// bench is one run.
type bench struct {
	settings
	progress io.Writer
	dir      string // temporary
	servers  proc.Group
	sites    []*site
	requests map[string]requests // :: scenario → what wrk sends
}

// stopGrace is how long a kvservice may take to stop before it is killed.
const stopGrace = 3 * time.Second

func (b *bench) close() {
	b.servers.Stop(stopGrace)
	for _, s := range b.sites {
		if s.client != nil {
			s.client.Close()
		}
		if s.nodes != nil {
			_ = s.nodes.Close() // they hold nothing else
		}
	}
	_ = os.RemoveAll(b.dir) // it is a temporary directory
}

// start builds the store, starts the sites and fills them.
func (b *bench) start(ctx context.Context) error {
	var err error
	if b.dir, err = os.MkdirTemp("", "key-value-scaling"); err != nil {
		return err
	}
	binary, err := proc.BuildKV(ctx, b.dir, "-trimpath")
	if err != nil {
		return err
	}
	if err := b.prepareRequests(); err != nil {
		return err
	}
	for _, s := range allSites() {
		if !b.only.MatchString(s.name) {
			continue
		}
		fmt.Fprintln(b.progress, "starting", s.name)
		b.sites = append(b.sites, s)
		if err := b.startSite(ctx, s, binary); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if len(b.sites) == 0 {
		return errors.New("--only matches no site")
	}
	return nil
}

func (b *bench) startSite(ctx context.Context, s *site, binary string) error {
	url := "memory"
	if !s.memory {
		nodes, err := rediscluster.Start(ctx, s.config)
		if err != nil {
			return err
		}
		s.nodes, url = nodes, nodes.URL()
	}
	var err error
	if s.service, err = b.servers.Serve(ctx, proc.KV(binary, nil, "kvservice", "--listen", "127.0.0.1:0", "--store", url)); err != nil {
		return err
	}
	if s.client, err = client.New("http://" + s.service.Addr); err != nil {
		return err
	}
	empty, err := s.taken(ctx)
	if err != nil {
		return err
	}
	if err := s.fill(ctx, b.entries); err != nil {
		return err
	}
	if err := s.measureMemory(ctx, empty, b.entries); err != nil {
		return err
	}
	if s.memory {
		return nil
	}
	if s.library, err = s.findLibrary(ctx); err != nil {
		return err
	}
	return s.fillNodes(ctx, b.entries)
}

// fillBatch is how many entries are written in one batch.
const fillBatch = 500

func (s *site) fill(ctx context.Context, n int) error {
	for first := 0; first < n; first += fillBatch {
		var operations []client.Operation
		for i := first; i < min(first+fillBatch, n); i++ {
			operations = append(operations, client.OpSet(dataset.Key(i), []byte(dataset.Value(i))))
		}
		results, err := s.client.Batch(ctx, operations...)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Err != nil {
				return r.Err
			}
		}
	}
	return nil
}
