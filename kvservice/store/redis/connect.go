package redis

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"key-value/internal/follow/tlsfiles"
)

const (
	dialTimeout = 2 * time.Second
	// answerTimeout is how long a node may take for any answer before its connection is given up.
	answerTimeout = 5 * time.Second
	// topologyInterval is how often to ask who owns which slots, beside when a node says that it has changed.
	topologyInterval = 2 * time.Second
	// redirections are enough for a slot that moves twice while it is asked for.
	redirections = 5
)

// connect makes the client. It does nothing twice by itself: whether that is safe is known where the call came from.
func connect(o Options) (rueidis.Client, error) {
	opt := rueidis.ClientOption{
		InitAddress:      o.Addresses,
		Username:         o.Username,
		Password:         o.Password,
		SelectDB:         o.Database,
		ClientName:       "key-value",
		Dialer:           net.Dialer{Timeout: dialTimeout, KeepAlive: time.Second},
		ConnWriteTimeout: answerTimeout,
		DisableRetry:     true,
		DisableCache:     true,
		AlwaysPipelining: true,
		ClusterOption: rueidis.ClusterOption{
			ShardsRefreshInterval: topologyInterval,
			MaxMovedRedirections:  redirections,
		},
	}
	if o.TLS {
		opt.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12} // has it use the ports for TLS
		opt.DialCtxFn = o.dialTLS
	}
	client, err := rueidis.NewClient(opt)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", strings.Join(o.Addresses, ", "), err)
	}
	return client, nil
}

// dialTLS connects to a node, whose certificate must be for its address.
func (o Options) dialTLS(ctx context.Context, address string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d := tls.Dialer{NetDialer: dialer, Config: tlsfiles.Client(host, o.Authorities, nil)}
	return d.DialContext(ctx, "tcp", address)
}

// checkNodes refuses nodes that would remove entries by themselves: no watch would hear of it, and the index would
// still have them.
func (e *Engine) checkNodes(ctx context.Context) error {
	return e.eachPrimary(ctx, "memory", func(address string, info nodeInfo) error {
		if policy := info["maxmemory_policy"]; policy != "noeviction" {
			return fmt.Errorf("%s has maxmemory-policy %s, which would remove entries behind our back: set it to noeviction",
				address, policy)
		}
		return nil
	})
}
