// Package rediscluster starts Redis or Valkey from real server processes on free ports of 127.0.0.1: one plain node, or a
// cluster whose primaries have replicas. It is for tests, and for trying out what a cluster does when parts of it die.
//
// Nodes keep everything in memory and write nothing to disk but what the cluster is. A node that restarts is as empty
// as a new one until it has copied its primary.
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

// slots is how many there are in a cluster, shared out evenly among its primaries.
const slots = 16384

// Config says what to start. Its zero value is one plain node.
type Config struct {
	// Primaries is how many there are in a cluster; one makes a cluster of one. 0: a plain node, which is no cluster.
	Primaries int
	// Replicas is how many each primary has.
	Replicas int
	// NodeTimeout is after how long a silent node counts as failed. A failover takes about two seconds more. 0: a second.
	NodeTimeout time.Duration
	// Password is asked of clients, and used between the nodes. Empty: none.
	Password string
	// TLS has the nodes take nothing but TLS, from clients and from each other. Nil: plain connections.
	TLS *TLS
	// Lines are further lines of each node's configuration file, such as "maxmemory 20mb".
	Lines []string
}

// TLS names the files of a certificate for 127.0.0.1, all in PEM.
type TLS struct {
	Cert, Key string
	// CA is the certificate of the authority that signed Cert.
	CA string
}

// Cluster is what runs: the nodes of a cluster, or a plain node.
type Cluster struct {
	config Config
	dir    string
	nodes  []*Node
}

// Start starts nodes and makes a cluster of them. It returns when everything is settled.
func Start(ctx context.Context, config Config) (*Cluster, error) {
	server, err := server(ctx)
	if err != nil {
		return nil, err
	}
	if config.Primaries == 0 && config.Replicas > 0 {
		return nil, errors.New("a plain node has no replicas")
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

// Nodes returns all nodes, in the order in which they were started: first those that began as primaries.
func (c *Cluster) Nodes() []*Node { return c.nodes }

// URL names all nodes, as --store does: redis://127.0.0.1:20001,127.0.0.1:20002, or rediss:// for TLS. It has no password.
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
