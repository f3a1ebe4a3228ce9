package redis_test

import (
	"slices"
	"strings"
	"testing"

	"key-value/internal/follow/tlsfiles"
	"key-value/internal/testkit/rediscluster"
	"key-value/internal/testkit/tlstest"
	"key-value/kvservice/store/redis"
)

func TestParseURL(t *testing.T) {
	for _, c := range []struct {
		url       string
		addresses []string
		tls       bool
		database  int
		shards    int
	}{
		{url: "redis://127.0.0.1:6379", addresses: []string{"127.0.0.1:6379"}},
		{url: "redis://a:1,b:2,[::1]:3", addresses: []string{"a:1", "b:2", "[::1]:3"}},
		{url: "rediss://a:1", addresses: []string{"a:1"}, tls: true},
		{url: "redis://a:1/7", addresses: []string{"a:1"}, database: 7},
		{url: "redis://a:1,b:2?shards=256", addresses: []string{"a:1", "b:2"}, shards: 256},
	} {
		o, err := redis.ParseURL(c.url)
		if err != nil || !slices.Equal(o.Addresses, c.addresses) || o.TLS != c.tls ||
			o.Database != c.database || o.Shards != c.shards {
			t.Errorf("ParseURL(%s) = %+v, %v; want %+v", c.url, o, err, c)
		}
	}
}

func TestAURLThatIsWrongSaysWhatIsRight(t *testing.T) {
	for url, want := range map[string]string{
		"memory":                     "redis://host:port",
		"http://a:1":                 "redis://host:port",
		"redis://":                   "not host:port",
		"redis://a":                  "not host:port",
		"redis://a:1,":               "not host:port",
		"redis://:1":                 "not host:port",
		"redis://user:secret@a:1":    "environment",
		"redis://a:1/x":              "number of a database",
		"redis://a:1/-1":             "number of a database",
		"redis://a:1?shards=0":       "1 to 4096",
		"redis://a:1?shards=9999999": "1 to 4096",
		"redis://a:1?shard=3":        "shards is what can be set",
	} {
		if _, err := redis.ParseURL(url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseURL(%s) = %v, want an error with %q", url, err, want)
		}
	}
}

func TestNodesAreReachedOverTLSIfTheyAreWhoTheyShouldBe(t *testing.T) {
	authority := tlstest.NewAuthority(t)
	cert, key := authority.Files(t, tlstest.Leaf{})
	nodes := start(t, rediscluster.Config{
		Primaries: 3, TLS: &rediscluster.TLS{Cert: cert, Key: key, CA: authority.File(t)},
	})
	trusted, err := tlsfiles.OpenAuthorities(authority.File(t))
	if err != nil {
		t.Fatal(err)
	}
	e := open(t, nodes, redis.Options{Shards: 8, Authorities: &trusted})
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		do(t, e, set(key, "v"))
	}

	others, err := tlsfiles.OpenAuthorities(tlstest.NewAuthority(t).File(t))
	if err != nil {
		t.Fatal(err)
	}
	where, _ := redis.ParseURL(nodes.URL())
	where.Authorities = &others
	if _, err := redis.Open(t.Context(), where); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("nodes of an authority that is not trusted = %v", err)
	}
	where.TLS = false
	if _, err := redis.Open(t.Context(), where); err == nil {
		t.Error("nodes that speak TLS were reached without")
	}
}

func TestOpeningWhatIsNotThereSaysSo(t *testing.T) {
	nodes := start(t, rediscluster.Config{Password: "secret"})
	where, _ := redis.ParseURL(nodes.URL())
	if _, err := redis.Open(t.Context(), where); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("without the password = %v", err)
	}
	where.Password = "wrong"
	if _, err := redis.Open(t.Context(), where); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("with a wrong password = %v", err)
	}
	where.Password = "secret"
	e, err := redis.Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	where.Addresses = []string{"127.0.0.1:1"}
	if _, err := redis.Open(t.Context(), where); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("where nothing listens = %v", err)
	}
}

func TestTheNumberOfShardsIsFixedWithTheData(t *testing.T) {
	nodes := start(t, rediscluster.Config{})
	open(t, nodes, redis.Options{Shards: 4})
	where, _ := redis.ParseURL(nodes.URL())
	where.Shards = 8
	if e, err := redis.Open(t.Context(), where); err == nil || !strings.Contains(err.Error(), "in 4 shards") {
		_ = e.Close()
		t.Errorf("opening it with 8 shards = %v", err)
	}
}

func TestNodesThatEvictAreRefused(t *testing.T) {
	nodes := start(t, rediscluster.Config{Lines: []string{"maxmemory 100mb", "maxmemory-policy allkeys-lru"}})
	where, _ := redis.ParseURL(nodes.URL())
	if e, err := redis.Open(t.Context(), where); err == nil || !strings.Contains(err.Error(), "noeviction") {
		_ = e.Close()
		t.Errorf("opening a node that evicts = %v", err)
	}
}
