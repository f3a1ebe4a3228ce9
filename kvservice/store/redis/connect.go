package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"key-value/internal/follow/tlsfiles"
)

const (
	dialTimeout = 2 * time.Second
	// answerTimeout is how long to wait for any answer from a node before closing its connection.
	answerTimeout = 5 * time.Second
	// topologyInterval is how often to refresh the assignment of slots, in addition to redirections by nodes.
	topologyInterval = 2 * time.Second
	// redirections is enough for a slot that moves twice during a command.
	redirections = 5
)

// connect returns a client. The client never retries: only the caller knows whether that is safe.
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
		opt.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12} // makes the client use the nodes' TLS ports
		opt.DialCtxFn = o.dialTLS
	}
	client, err := rueidis.NewClient(opt)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", strings.Join(o.Addresses, ", "), err)
	}
	return client, nil
}

// dialTLS connects to a node. The node's certificate must be valid for its address.
func (o Options) dialTLS(ctx context.Context, address string, dialer *net.Dialer, _ *tls.Config) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d := tls.Dialer{NetDialer: dialer, Config: tlsfiles.Client(host, o.Authorities, nil)}
	return d.DialContext(ctx, "tcp", address)
}

// checkNodes rejects nodes that would evict entries themselves: watches would miss it, and the index would keep the
// keys.
func (e *Engine) checkNodes(ctx context.Context) error {
	return e.eachPrimary(ctx, "memory", func(address string, info nodeInfo) error {
		if policy := info["maxmemory_policy"]; policy != "noeviction" {
			return fmt.Errorf("%s has maxmemory-policy %s, which evicts entries without a change event: set it to noeviction",
				address, policy)
		}
		return nil
	})
}

// ParseURL parses the address of a store: redis://host:port,host:port,… or rediss://… for TLS, with a single node or
// some nodes of a cluster. A single node may have a database, as in redis://host:port/1. The query ?shards=16 sets
// the number of shards for new data. User name and password are not part of the URL, so that it can be shown.
func ParseURL(s string) (Options, error) {
	scheme, rest, _ := strings.Cut(s, "://")
	if scheme != "redis" && scheme != "rediss" {
		return Options{}, errors.New("want redis://host:port,host:port,… or rediss:// for TLS")
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, database, _ := strings.Cut(rest, "/")
	o := Options{}
	if scheme == "rediss" {
		o.TLS = true
	}
	if strings.Contains(hosts, "@") {
		return Options{}, errors.New("remove the user name and password: set KV_REDIS_USERNAME and KV_REDIS_PASSWORD in the environment")
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if name, port, err := net.SplitHostPort(host); err != nil || name == "" || port == "" {
			return Options{}, fmt.Errorf("invalid address %q: want host:port", host)
		}
		o.Addresses = append(o.Addresses, host)
	}
	if database != "" {
		var err error
		if o.Database, err = strconv.Atoi(database); err != nil || o.Database < 0 {
			return Options{}, fmt.Errorf("invalid database %q: want a number from 0", database)
		}
	}
	return o, o.parseQuery(query)
}

func (o *Options) parseQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return err
	}
	for name, all := range values {
		if name != "shards" {
			return fmt.Errorf("unknown parameter %q: want shards", name)
		}
		if o.Shards, err = strconv.Atoi(all[0]); err != nil || o.Shards < 1 || o.Shards > maxShards {
			return fmt.Errorf("invalid number of shards %q: want 1 to %d", all[0], maxShards)
		}
	}
	return nil
}

// nodeInfo is the result of INFO: name → value.
type nodeInfo map[string]string

func (i nodeInfo) number(name string) int64 {
	n, _ := strconv.ParseInt(i[name], 10, 64)
	return n
}

// eachPrimary calls look with sections of each primary's INFO.
func (e *Engine) eachPrimary(ctx context.Context, section string, look func(address string, info nodeInfo) error) error {
	for address, node := range e.client.Nodes() {
		text, err := node.Do(ctx, node.B().Info().Section("replication", section).Build()).ToString()
		if err != nil {
			return fmt.Errorf("read INFO of %s: %w", address, readError(err))
		}
		info := parseInfo(text)
		if info["role"] != "master" {
			continue
		}
		if err := look(address, info); err != nil {
			return err
		}
	}
	return nil
}

func parseInfo(text string) nodeInfo {
	info := nodeInfo{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}
