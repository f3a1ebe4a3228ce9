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
	for i := range c.config.Members {
		m, err := newMember(program, filepath.Join(c.dir, fmt.Sprint(i)), fmt.Sprint("m", i), c.config)
		if err != nil {
			return err
		}
		c.members = append(c.members, m)
	}
	for _, m := range c.members {
		if err := m.launch(c.initial()); err != nil {
			return err
		}
	}
	errs := make([]error, len(c.members))
	var all sync.WaitGroup
	for i, m := range c.members {
		all.Go(func() { errs[i] = m.ready(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
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
