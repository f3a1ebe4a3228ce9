// Package etcdcluster starts etcd servers as processes on free ports of 127.0.0.1: one member, or a cluster of several. It
// is for tests, and for seeing what a cluster does when parts of it fail.
//
// Members keep their data in a directory, and have it again when they are restarted. No member outlives its cluster, nor,
// on Linux, the program that started it.
package etcdcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"key-value/internal/testkit/proc"
)

// Config says what to start. The zero value is one member.
type Config struct {
	// Members is the number of members. 0: one.
	Members int
	// Fsync makes members wait for the disk, as etcd does by default. Otherwise they wait for the kernel, which loses
	// nothing when a process is killed.
	Fsync bool
	// TLS makes the members accept only TLS from clients. Nil: plain connections.
	TLS *TLS
	// Cuttable lets members be cut off from each other. It needs Linux.
	Cuttable bool
	// Args are appended to each member's command line, such as "--quota-backend-bytes=16777216".
	Args []string
}

// TLS names the PEM files of a certificate for 127.0.0.1.
type TLS struct {
	Cert, Key string
	// CA is the certificate of the authority that signed Cert.
	CA string
}

// Cluster is the members of a cluster.
type Cluster struct {
	config  Config
	dir     string
	members []*Member
	fabric  *fabric // between the members; nil unless they can be cut off
}

// startTries is how many times new ports are tried in case another program takes one that was free.
const startTries = 3

// Start starts the members. It returns when all of them serve linearizable reads.
func Start(ctx context.Context, config Config) (*Cluster, error) {
	program, err := server()
	if err != nil {
		return nil, err
	}
	config.Members = max(1, config.Members)
	var errs []error
	for range startTries {
		dir, err := os.MkdirTemp("", "etcdcluster-")
		if err != nil {
			return nil, err
		}
		c := &Cluster{config: config, dir: dir}
		if err = c.start(ctx, program); err == nil {
			return c, nil
		}
		errs = append(errs, err, c.Close())
		if !strings.Contains(err.Error(), "address already in use") {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func (c *Cluster) start(ctx context.Context, program string) error {
	var err error
	for i := range c.config.Members {
		m, err := newMember(program, filepath.Join(c.dir, fmt.Sprint(i)), fmt.Sprint("m", i), c.config)
		if err != nil {
			return err
		}
		c.members = append(c.members, m)
	}
	if c.config.Cuttable {
		c.fabric = newFabric(c.Members)
		for _, m := range c.members {
			m.fabric = c.fabric
			if m.front, err = c.fabric.front(m); err != nil {
				return err
			}
		}
	}
	for _, m := range c.members {
		if err := m.launch(c.initial()); err != nil {
			return err
		}
	}
	return c.ready(ctx)
}

// ready waits until all members serve.
func (c *Cluster) ready(ctx context.Context) error {
	errs := make([]error, len(c.members))
	var all sync.WaitGroup
	for i, m := range c.members {
		all.Go(func() { errs[i] = m.ready(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Restore ends all members and starts them again with the data of a snapshot, as after a disaster. Flags are those of
// etcdutl; without any, revisions go on far above those of the snapshot, as etcd's documentation advises.
func (c *Cluster) Restore(ctx context.Context, snapshot string, flags ...string) error {
	if len(flags) == 0 {
		flags = []string{"--bump-revision", "1000000000", "--mark-compacted"}
	}
	etcdutl, err := Program(ctx, "etcdutl")
	if err != nil {
		return err
	}
	for _, m := range c.members {
		if err := m.Kill(); err != nil {
			return err
		}
	}
	for _, m := range c.members {
		if err := os.RemoveAll(m.dir); err != nil {
			return err
		}
		if _, err := (proc.Command{Path: etcdutl, Args: append([]string{
			"snapshot", "restore", snapshot, "--name", m.name, "--data-dir", m.dir, "--initial-cluster", m.initial,
			"--initial-advertise-peer-urls", m.peerURL(),
		}, flags...)}).Output(ctx); err != nil {
			return fmt.Errorf("restore member %s: %w", m.addr, err)
		}
	}
	for _, m := range c.members {
		if err := m.launch(m.initial); err != nil {
			return err
		}
	}
	return c.ready(ctx)
}

// Settled waits until the members that run and are not cut off agree on one of them as the leader, and returns it.
func (c *Cluster) Settled(ctx context.Context) (*Member, error) {
	for {
		leader, err := c.agreed(ctx)
		if err == nil {
			return leader, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(settlePoll):
		}
	}
}

// settlePoll is the interval at which members are asked who leads.
const settlePoll = 20 * time.Millisecond

func (c *Cluster) agreed(ctx context.Context) (leader *Member, err error) {
	ids := map[uint64]*Member{}
	leaders := map[uint64]bool{}
	for _, m := range c.members {
		if !m.Running() || c.fabric != nil && c.fabric.isCut(m) {
			continue
		}
		status, err := m.status(ctx)
		if err != nil {
			return nil, err
		}
		ids[status.Header.MemberId], leaders[status.Leader] = m, true
	}
	for id := range leaders {
		if leader = ids[id]; leader != nil && len(leaders) == 1 {
			return leader, nil
		}
	}
	return nil, errors.New("the members do not agree on a leader that runs")
}

// initial returns the names and peer addresses of all members, as --initial-cluster takes them.
func (c *Cluster) initial() string {
	pairs := make([]string, len(c.members))
	for i, m := range c.members {
		pairs[i] = m.name + "=" + m.peerURL()
	}
	return strings.Join(pairs, ",")
}

// Close kills all members, waits for their ends and removes their files.
func (c *Cluster) Close() error {
	var errs []error
	for _, m := range c.members {
		errs = append(errs, m.Kill(), m.client.Close())
	}
	if c.fabric != nil {
		c.fabric.close()
	}
	return errors.Join(append(errs, os.RemoveAll(c.dir))...)
}

// Members returns all members.
func (c *Cluster) Members() []*Member { return c.members }

// Leader returns the member that leads, as seen by those that answer. It fails if there is none.
func (c *Cluster) Leader(ctx context.Context) (*Member, error) {
	var errs []error
	for _, m := range c.members {
		status, err := m.status(ctx)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if status.Leader == status.Header.MemberId && status.Leader != 0 {
			return m, nil
		}
	}
	return nil, errors.Join(append(errs, errors.New("no member leads"))...)
}

// URL names all members in the form that --store takes: etcd://127.0.0.1:20001,127.0.0.1:20002, or etcds:// for TLS.
func (c *Cluster) URL() string {
	addrs := make([]string, len(c.members))
	for i, m := range c.members {
		addrs[i] = m.Addr()
	}
	scheme := "etcd"
	if c.config.TLS != nil {
		scheme = "etcds"
	}
	return scheme + "://" + strings.Join(addrs, ",")
}
