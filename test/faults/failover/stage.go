package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"key-value/client"
	"key-value/internal/testkit/proc"
	"key-value/internal/testkit/rediscluster"
	"key-value/test/record"
)

const (
	primaries = 3
	// nodeTimeout is how long a node may be silent before the cluster considers it failed.
	nodeTimeout = time.Second
	// stopPatience is how long a kvservice may take to stop.
	stopPatience = 30 * time.Second
)

// stage is the processes under test: two kvservices for a cluster of primaries with a replica each.
type stage struct {
	dir       string
	kv        string // the binary
	commit    string // the commit that it was built from
	cluster   *rediscluster.Cluster
	processes proc.Group
	services  [2]*proc.Process
	clients   [2]*client.Client // of the services, without retries
}

func newStage(ctx context.Context) (s *stage, err error) {
	s = &stage{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "kv-failover-"); err != nil {
		return nil, err
	}
	s.commit = record.Commit(ctx)
	if s.kv, err = proc.BuildKV(ctx, s.dir); err != nil {
		return nil, err
	}
	s.cluster, err = rediscluster.Start(ctx, rediscluster.Config{
		Primaries: primaries, Replicas: 1, NodeTimeout: nodeTimeout,
		// The others continue while one slot has no primary.
		Lines: []string{"cluster-require-full-coverage no"},
	})
	if err != nil {
		return nil, err
	}
	for i := range s.services {
		if err := s.startService(ctx, i, "127.0.0.1:0"); err != nil {
			return nil, err
		}
		if s.clients[i], err = client.New("http://"+s.services[i].Addr, client.WithoutRetries()); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *stage) startService(ctx context.Context, i int, listen string) error {
	p, err := s.processes.Serve(ctx, proc.KV(s.kv, nil, "kvservice", "--listen", listen, "--store", s.cluster.URL()))
	if err == nil {
		s.services[i] = p
	}
	return err
}

// shard returns shard i of the cluster, in its present state.
func (s *stage) shard(ctx context.Context, i int) (rediscluster.Shard, error) {
	shards, err := s.cluster.Shards(ctx)
	if err != nil {
		return rediscluster.Shard{}, err
	}
	return shards[i%len(shards)], nil
}

// elections returns the number of elections that the cluster has had, or a lower bound of it.
func (s *stage) elections(ctx context.Context) (int, error) {
	var errs []error
	for _, node := range s.cluster.Nodes() {
		answer, err := node.Do(ctx, "CLUSTER", "INFO")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		text, _ := answer.ToString()
		_, rest, _ := strings.Cut(text, "cluster_current_epoch:")
		number, _, _ := strings.Cut(rest, "\r\n")
		return strconv.Atoi(number)
	}
	return 0, errors.Join(errs...)
}

// describe returns how the nodes see each other, for when they disagree.
func (s *stage) describe(ctx context.Context) string {
	var all strings.Builder
	for _, node := range s.cluster.Nodes() {
		if !node.Running() {
			fmt.Fprintf(&all, "%s is not running\n", node.Addr())
			continue
		}
		answer, err := node.Do(ctx, "CLUSTER", "NODES")
		text, _ := answer.ToString()
		fmt.Fprintf(&all, "%s says: %v\n%s", node.Addr(), err, text)
	}
	return all.String()
}

// stop stops the services.
func (s *stage) stop() error {
	return errors.Join(s.services[0].Stop(stopPatience), s.services[1].Stop(stopPatience))
}

// close ends everything that was started.
func (s *stage) close() {
	for _, c := range s.clients {
		if c != nil {
			c.Close()
		}
	}
	s.processes.Kill()
	if s.cluster != nil {
		_ = s.cluster.Close() // its nodes hold nothing
	}
	_ = os.RemoveAll(s.dir)
}
