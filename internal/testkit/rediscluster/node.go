package rediscluster

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"key-value/internal/testkit/proc"
)

// startTries is how many ports are tried in case another program takes one that was free.
const startTries = 5

// Node is a server process. It keeps its address and its configuration while it is restarted.
type Node struct {
	proc.Restartable
	server    string // the path of the server
	dir       string // for its files
	config    Config
	client    client
	port, bus int
	id        string // the node's name in the cluster; empty for a standalone node
}

// Addr returns the address that the node serves. It does not change when the node restarts.
func (n *Node) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.port)) }

// ID returns the node's name in the cluster. It does not change when the node restarts, and is empty for a standalone
// node.
func (n *Node) ID() string { return n.id }

// Restart starts a node that has ended, with the same address and id and without data, and waits until it answers. If a
// primary is restarted before the others have noticed its failure, its data is lost: its replicas copy an empty
// primary.
func (n *Node) Restart(ctx context.Context) error {
	if err := n.launch(); err != nil {
		return err
	}
	return n.ready(ctx)
}

// Do sends the node a command on a connection of its own, and returns the answer.
func (n *Node) Do(ctx context.Context, args ...string) (rueidis.RedisMessage, error) {
	answer, err := n.client.do(ctx, n.Addr(), args...)
	if err != nil {
		return answer, fmt.Errorf("node %s: %s: %w", n.Addr(), args[0], err)
	}
	return answer, nil
}

// start starts the node for the first time, on free ports.
func (n *Node) start(ctx context.Context) error {
	if err := os.Mkdir(n.dir, 0o700); err != nil {
		return err
	}
	for tries := 1; ; tries++ {
		n.port, n.bus = proc.FreePort(), proc.FreePort()
		if err := n.configure(); err != nil {
			return err
		}
		if err := n.launch(); err != nil {
			return err
		}
		err := n.ready(ctx)
		if err == nil || tries == startTries || !strings.Contains(err.Error(), "Address already in use") {
			return err
		}
	}
}

// configure writes the node's configuration file. Later lines win, so Config.Lines come last.
func (n *Node) configure() error {
	lines := []string{
		"bind 127.0.0.1", "dir " + strconv.Quote(n.dir), "daemonize no",
		`save ""`, "appendonly no", "repl-diskless-sync yes", "repl-diskless-sync-delay 0", "enable-debug-command yes",
	}
	ms := n.config.NodeTimeout.Milliseconds()
	if n.config.Primaries > 0 {
		lines = append(lines,
			"cluster-enabled yes", fmt.Sprint("cluster-port ", n.bus), fmt.Sprint("cluster-node-timeout ", ms),
			// A replica stays with its primary.
			"cluster-allow-replica-migration no")
	}
	if n.config.Password != "" {
		quoted := strconv.Quote(n.config.Password)
		lines = append(lines, "requirepass "+quoted, "masterauth "+quoted)
	}
	if tls := n.config.TLS; tls != nil {
		lines = append(lines, "port 0", fmt.Sprint("tls-port ", n.port), "tls-auth-clients no",
			"tls-replication yes", "tls-cluster yes", "tls-cert-file "+strconv.Quote(tls.Cert),
			"tls-key-file "+strconv.Quote(tls.Key), "tls-ca-cert-file "+strconv.Quote(tls.CA))
	} else {
		lines = append(lines, fmt.Sprint("port ", n.port))
	}
	lines = append(lines, n.config.Lines...)
	return os.WriteFile(n.file("redis.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// launch starts the process.
func (n *Node) launch() error {
	if err := n.Launch(proc.Command{Path: n.server, Args: []string{n.file("redis.conf")}}); err != nil {
		return fmt.Errorf("node %s: %w", n.Addr(), err)
	}
	return nil
}

// ready waits until the node answers.
func (n *Node) ready(ctx context.Context) error {
	return n.WaitReady(ctx, func(ctx context.Context) error {
		_, err := n.Do(ctx, "PING")
		return err
	})
}

func (n *Node) file(name string) string { return filepath.Join(n.dir, name) }
