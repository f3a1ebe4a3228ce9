// Package rediscluster starts Redis or Valkey servers as processes on free ports of 127.0.0.1: one standalone node, or
// a cluster whose primaries have replicas. It is for tests, and for seeing what a cluster does when parts of it fail.
//
// Nodes keep everything in memory; only the cluster's configuration is written to disk. A restarted node is empty until
// it has copied its primary.
//
// No node outlives its cluster, nor, on Linux, the program that started it.
package rediscluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// slots is the number of hash slots, which are divided evenly among the primaries.
const slots = 16384

// Config says what to start. The zero value is one standalone node.
type Config struct {
	// Primaries is the number of primaries. 0: a standalone node. 1: a cluster of one.
	Primaries int
	// Replicas is the number of replicas of each primary.
	Replicas int
	// NodeTimeout is how long a node may be silent before the others consider it failed. A failover takes about two
	// seconds more. 0: one second.
	NodeTimeout time.Duration
	// Password is required of clients, and used between the nodes. Empty: none.
	Password string
	// TLS makes the nodes accept only TLS, from clients and from each other. Nil: plain connections.
	TLS *TLS
	// Lines are appended to each node's configuration file, such as "maxmemory 20mb".
	Lines []string
}

// TLS names the PEM files of a certificate for 127.0.0.1.
type TLS struct {
	Cert, Key string
	// CA is the certificate of the authority that signed Cert.
	CA string
}

// Cluster is the nodes of a cluster, or one standalone node.
type Cluster struct {
	config Config
	dir    string
	nodes  []*Node
}

// Start starts the nodes and joins them into a cluster. It returns when the cluster has settled.
func Start(ctx context.Context, config Config) (*Cluster, error) {
	server, err := server(ctx)
	if err != nil {
		return nil, err
	}
	if config.Primaries == 0 && config.Replicas > 0 {
		return nil, errors.New("a standalone node cannot have replicas")
	}
	if config.NodeTimeout == 0 {
		config.NodeTimeout = time.Second
	}
	dir, err := os.MkdirTemp("", "rediscluster-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{config: config, dir: dir}
	if err := c.start(ctx, server); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, server string) error {
	client, err := newClient(c.config)
	if err != nil {
		return err
	}
	for i := range max(1, c.config.Primaries*(1+c.config.Replicas)) {
		node := &Node{server: server, dir: filepath.Join(c.dir, fmt.Sprint(i)), config: c.config, client: client}
		c.nodes = append(c.nodes, node)
		if err := node.start(ctx); err != nil {
			return err
		}
	}
	if c.config.Primaries == 0 {
		return nil
	}
	return c.form(ctx)
}

// Close kills all nodes, waits for their ends and removes their files.
func (c *Cluster) Close() error {
	var errs []error
	for _, node := range c.nodes {
		errs = append(errs, node.Kill())
	}
	return errors.Join(append(errs, os.RemoveAll(c.dir))...)
}

// Nodes returns all nodes in the order in which they were started, those that began as primaries first.
func (c *Cluster) Nodes() []*Node { return c.nodes }

// URL names all nodes in the form that --store takes: redis://127.0.0.1:20001,127.0.0.1:20002, or rediss:// for TLS. It
// does not contain the password.
func (c *Cluster) URL() string {
	addrs := make([]string, len(c.nodes))
	for i, node := range c.nodes {
		addrs[i] = node.Addr()
	}
	scheme := "redis"
	if c.config.TLS != nil {
		scheme = "rediss"
	}
	return scheme + "://" + strings.Join(addrs, ",")
}
