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

// ParseURL reads where the data is: redis://host:port,host:port… or rediss:// for TLS, with some nodes of a cluster or
// the only node there is. A single node may have a database, as in redis://host:port/1. New data is put in as many
// shards as ?shards=16 says. Username and password are not part of it, so that it can be shown.
func ParseURL(s string) (Options, error) {
	scheme, rest, _ := strings.Cut(s, "://")
	if scheme != "redis" && scheme != "rediss" {
		return Options{}, errors.New("use redis://host:port,host:port… or rediss://")
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, database, _ := strings.Cut(rest, "/")
	o := Options{}
	if scheme == "rediss" {
		o.TLS = true
	}
	if strings.Contains(hosts, "@") {
		return Options{}, errors.New("leave user and password out: they are taken from the environment")
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if name, port, err := net.SplitHostPort(host); err != nil || name == "" || port == "" {
			return Options{}, fmt.Errorf("%q is not host:port", host)
		}
		o.Addresses = append(o.Addresses, host)
	}
	if database != "" {
		var err error
		if o.Database, err = strconv.Atoi(database); err != nil || o.Database < 0 {
			return Options{}, fmt.Errorf("%q is not the number of a database", database)
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
			return fmt.Errorf("%q is unknown; shards is what can be set", name)
		}
		if o.Shards, err = strconv.Atoi(all[0]); err != nil || o.Shards < 1 || o.Shards > maxShards {
			return fmt.Errorf("%q is not a number of shards from 1 to %d", all[0], maxShards)
		}
	}
	return nil
}

// nodeInfo is what a node says of itself: name → value.
type nodeInfo map[string]string

func (i nodeInfo) number(name string) int64 {
	n, _ := strconv.ParseInt(i[name], 10, 64)
	return n
}

// eachPrimary asks every primary for sections of what it says of itself.
func (e *Engine) eachPrimary(ctx context.Context, section string, look func(address string, info nodeInfo) error) error {
	for address, node := range e.client.Nodes() {
		text, err := node.Do(ctx, node.B().Info().Section("replication", section).Build()).ToString()
		if err != nil {
			return fmt.Errorf("ask %s: %w", address, readError(err))
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
