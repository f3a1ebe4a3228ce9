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
	"key-value/internal/testkit/etcdcluster"
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

// stage is the processes under test: two services, and the nodes that have their data.
type stage struct {
	suite     suite
	dir       string
	kv        string                // the binary
	commit    string                // the commit that it was built from
	cluster   *rediscluster.Cluster // of primaries with a replica each; nil with etcd
	etcd      *etcdcluster.Cluster  // nil with Redis
	processes proc.Group
	services  [2]*proc.Process
	clients   [2]*client.Client // of the services, without retries
}

func newStage(ctx context.Context, suite suite) (s *stage, err error) {
	s = &stage{suite: suite}
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
	if err := suite.start(ctx, s); err != nil {
		return nil, err
	}
	for i := range s.services {
		if err := s.startService(ctx, i, "127.0.0.1:0"); err != nil {
			return nil, err
		}
		if s.clients[i], err = client.New(s.url(i), client.WithAPIKey(apiKey), client.WithoutRetries()); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// apiKey is the key of the clients.
const apiKey = "secret"

func (s *stage) startService(ctx context.Context, i int, listen string) error {
	env := []string{"KV_API_KEY=" + apiKey}
	p, err := s.processes.Serve(ctx, proc.KV(s.kv, env, s.suite.command, "--listen", listen, "--store", s.nodesURL()))
	if err == nil {
		s.services[i] = p
	}
	return err
}

// url returns the URL of a service.
func (s *stage) url(i int) string { return "http://" + s.services[i].Addr }

// nodesURL returns the URL of the nodes.
func (s *stage) nodesURL() string {
	if s.etcd != nil {
		return s.etcd.URL()
	}
	return s.cluster.URL()
}

// startRedis starts primaries with a replica each.
func startRedis(ctx context.Context, s *stage) (err error) {
	s.cluster, err = rediscluster.Start(ctx, rediscluster.Config{
		Primaries: primaries, Replicas: 1, NodeTimeout: nodeTimeout,
		// The others continue while one slot has no primary.
		Lines: []string{"cluster-require-full-coverage no"},
	})
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

// elections returns the number of elections that a cluster of Redis has had, or a lower bound of it.
func (s *stage) elections(ctx context.Context) (int, error) {
	if s.cluster == nil {
		return 0, nil
	}
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
	if s.cluster == nil {
		leader, err := s.etcd.Leader(ctx)
		if err != nil {
			return fmt.Sprintf("no leader: %v", err)
		}
		return leader.Addr() + " leads"
	}
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
	if s.etcd != nil {
		_ = s.etcd.Close()
	}
	_ = os.RemoveAll(s.dir)
}
