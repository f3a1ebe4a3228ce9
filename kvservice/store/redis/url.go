package redis

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

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
