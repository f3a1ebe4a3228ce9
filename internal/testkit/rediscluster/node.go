package rediscluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"key-value/internal/testkit/child"
)

// startTries is how often other ports are tried when somebody else was quicker to take those that were free.
const startTries = 5

// Node is one server process, or what is left of it until it is restarted.
type Node struct {
	server    string // the path of the program
	dir       string // for its files
	config    Config
	client    client
	port, bus int
	id        string // what the cluster calls it; empty on a plain node

	mu     sync.Mutex
	cmd    *exec.Cmd     // guarded by mu
	exited chan struct{} // closed when cmd has ended; guarded by mu
	paused bool          // guarded by mu
}

// Addr returns where clients reach the node. It stays the same when the node restarts.
func (n *Node) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.port)) }

// ID returns what the cluster calls the node. It stays the same when the node restarts, and is empty on a plain node.
func (n *Node) ID() string { return n.id }

// Pid returns the node's process id, or that of its last process.
func (n *Node) Pid() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cmd.Process.Pid
}

// Exited is closed when the node's process has ended.
func (n *Node) Exited() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.exited
}

// Running reports whether the node has a process that is not paused.
func (n *Node) Running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.aliveLocked() && !n.paused
}

func (n *Node) aliveLocked() bool {
	if n.cmd == nil {
		return false
	}
	select {
	case <-n.exited:
		return false
	default:
		return true
	}
}

// Kill ends the node at once, as a crash would, and waits for its end. It does nothing if it does not run.
func (n *Node) Kill() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.aliveLocked() {
		return nil
	}
	if err := n.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-n.exited
	return nil
}

// Pause stops the node where it is: its connections stay open, and nothing is answered.
func (n *Node) Pause() error { return n.pause(true, child.Pause) }

// Continue has a paused node go on.
func (n *Node) Continue() error { return n.pause(false, child.Continue) }

func (n *Node) pause(paused bool, act func(*os.Process) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.aliveLocked() {
		return fmt.Errorf("node %s does not run", n.Addr())
	}
	n.paused = paused
	return act(n.cmd.Process)
}

// Restart starts a killed node again, with the same address and id and no data, and waits until it answers. A primary that
// is restarted before the others have missed it has lost its data for good: its replicas copy that it is empty.
func (n *Node) Restart(ctx context.Context) error {
	if err := n.launch(); err != nil {
		return err
	}
	return n.answers(ctx)
}

// Do sends the node one command, and returns its answer. It is for looking into a node, on a connection of its own each time.
func (n *Node) Do(ctx context.Context, args ...string) (rueidis.RedisMessage, error) {
	answer, err := n.client.do(ctx, n.Addr(), args...)
	if err != nil {
		return answer, fmt.Errorf("node %s: %s: %w", n.Addr(), args[0], err)
	}
	return answer, nil
}

// start starts the node for the first time, on ports that are free.
func (n *Node) start(ctx context.Context) error {
	if err := os.Mkdir(n.dir, 0o700); err != nil {
		return err
	}
	for tries := 1; ; tries++ {
		n.port, n.bus = freePort(), freePort()
		if err := n.configure(); err != nil {
			return err
		}
		if err := n.launch(); err != nil {
			return err
		}
		err := n.answers(ctx)
		if err == nil || tries == startTries || !strings.Contains(n.log(), "Address already in use") {
			return err
		}
	}
}

// configure writes the node's configuration file. What comes later in it wins, so Config.Lines are last.
func (n *Node) configure() error {
	lines := []string{
		"bind 127.0.0.1", "dir " + strconv.Quote(n.dir), "daemonize no",
		`save ""`, "appendonly no", "repl-diskless-sync yes", "repl-diskless-sync-delay 0", "enable-debug-command yes",
	}
	ms := n.config.NodeTimeout.Milliseconds()
	if n.config.Primaries > 0 {
		lines = append(lines,
			"cluster-enabled yes", fmt.Sprint("cluster-port ", n.bus), fmt.Sprint("cluster-node-timeout ", ms),
			// A replica stays with the primary that it was given.
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
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.aliveLocked() {
		return fmt.Errorf("node %s runs", n.Addr())
	}
	log, err := os.Create(n.file("log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd, exited := exec.Command(n.server, n.file("redis.conf")), make(chan struct{})
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, child.Attributes()
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = cmd.Wait() // nodes end by being killed
		close(exited)
	}()
	n.cmd, n.exited, n.paused = cmd, exited, false
	return nil
}

// answers waits until the node answers.
func (n *Node) answers(ctx context.Context) error {
	err := until(ctx, 5*time.Millisecond, func(ctx context.Context) error {
		if !n.Running() {
			return errEnded
		}
		_, err := n.Do(ctx, "PING")
		return err
	})
	if errors.Is(err, errEnded) {
		return fmt.Errorf("node %s: %w:\n%s", n.Addr(), err, n.log())
	}
	return err
}

func (n *Node) file(name string) string { return filepath.Join(n.dir, name) }

// log returns what the node's last process wrote.
func (n *Node) log() string {
	text, err := os.ReadFile(n.file("log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// freePort returns a port that nobody listens on. It is none of those from which systems give connections theirs, because
// one of them could be gone when a node that was killed is to have it again.
func freePort() int {
	for {
		port := 20000 + rand.IntN(12000)
		if listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			listener.Close()
			return port
		}
	}
}
