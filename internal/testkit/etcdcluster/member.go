package etcdcluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"key-value/internal/testkit/proc"
)

// answerPatience is how long a member may take to answer.
const answerPatience = 2 * time.Second

// Member is a server process. It keeps its address and its data while it is restarted.
type Member struct {
	proc.Restartable
	program, dir, name string
	config             Config
	addr, peer         string
	fabric             *fabric // between the members, if they can be cut off
	front              string  // where others reach the member then; otherwise peer
	initial            string  // the members of the cluster
	client             *clientv3.Client
}

func newMember(program, dir, name string, config Config) (*Member, error) {
	m := &Member{program: program, dir: dir, name: name, config: config, addr: proc.FreeAddr(), peer: proc.FreeAddr()}
	m.front = m.peer
	options := clientv3.Config{Endpoints: []string{m.addr}, DialTimeout: answerPatience, Logger: zap.NewNop()}
	if config.TLS != nil {
		authority, err := os.ReadFile(config.TLS.CA)
		if err != nil {
			return nil, err
		}
		options.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
		if !options.TLS.RootCAs.AppendCertsFromPEM(authority) {
			return nil, fmt.Errorf("no certificate in %s", config.TLS.CA)
		}
	}
	var err error
	m.client, err = clientv3.New(options)
	return m, err
}

// Addr returns the address that the member serves. It does not change when the member restarts.
func (m *Member) Addr() string { return m.addr }

// Dir returns the member's data directory.
func (m *Member) Dir() string { return m.dir }

// Client returns a client of this member alone. The cluster closes it.
func (m *Member) Client() *clientv3.Client { return m.client }

// peerURL returns the URL at which the other members reach m.
func (m *Member) peerURL() string { return "http://" + m.front }

// Restart starts a member that has ended, with the same address and data, and waits until it serves. More arguments follow
// those of the configuration.
func (m *Member) Restart(ctx context.Context, args ...string) error {
	if err := m.Relaunch(args...); err != nil {
		return err
	}
	return m.ready(ctx)
}

// Relaunch is Restart without waiting.
func (m *Member) Relaunch(args ...string) error { return m.launch(m.initial, args...) }

func (m *Member) launch(initial string, more ...string) error {
	m.initial = initial
	scheme := "http://"
	if m.config.TLS != nil {
		scheme = "https://"
	}
	args := []string{
		"--name", m.name, "--data-dir", m.dir, "--log-level", "error",
		"--listen-client-urls", scheme + m.addr, "--advertise-client-urls", scheme + m.addr,
		"--listen-peer-urls", "http://" + m.peer, "--initial-advertise-peer-urls", m.peerURL(), "--initial-cluster", initial,
	}
	if m.config.TLS != nil {
		args = append(args, "--cert-file", m.config.TLS.Cert, "--key-file", m.config.TLS.Key)
	}
	if !m.config.Fsync {
		args = append(args, "--unsafe-no-fsync")
	}
	args = append(append(args, m.config.Args...), more...)
	if err := m.Launch(proc.Command{Path: m.program, Args: args}); err != nil {
		return fmt.Errorf("member %s: %w", m.addr, err)
	}
	return nil
}

// ready waits until the member serves and knows a leader.
func (m *Member) ready(ctx context.Context) error {
	return m.WaitReady(ctx, func(ctx context.Context) error {
		status, err := m.status(ctx)
		if err == nil && status.Leader == 0 {
			err = errors.New("there is no leader")
		}
		return err
	})
}

func (m *Member) status(ctx context.Context) (*clientv3.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	status, err := m.client.Status(ctx, m.addr)
	if err != nil {
		return nil, fmt.Errorf("member %s: %w", m.addr, err)
	}
	return status, nil
}
