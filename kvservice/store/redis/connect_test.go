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

func TestParseURLErrorsSayWhatIsValid(t *testing.T) {
	for url, want := range map[string]string{
		"memory":                     "redis://host:port",
		"http://a:1":                 "redis://host:port",
		"redis://":                   "want host:port",
		"redis://a":                  "want host:port",
		"redis://a:1,":               "want host:port",
		"redis://:1":                 "want host:port",
		"redis://user:secret@a:1":    "environment",
		"redis://a:1/x":              "want a number from 0",
		"redis://a:1/-1":             "want a number from 0",
		"redis://a:1?shards=0":       "1 to 4096",
		"redis://a:1?shards=9999999": "1 to 4096",
		"redis://a:1?shard=3":        "want shards",
	} {
		if _, err := redis.ParseURL(url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseURL(%s) = %v, want an error with %q", url, err, want)
		}
	}
}

func TestTLSVerifiesTheNodes(t *testing.T) {
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
	wantOpenError(t, "Open with an untrusted authority", where, "unknown authority")
	where.TLS = false
	if _, err := redis.Open(t.Context(), where); err == nil {
		t.Error("Open without TLS succeeded")
	}
}

func TestOpenReportsWhyItFailed(t *testing.T) {
	nodes := start(t, rediscluster.Config{Password: "secret"})
	where, _ := redis.ParseURL(nodes.URL())
	wantOpenError(t, "Open without the password", where, "NOAUTH")
	where.Password = "wrong"
	wantOpenError(t, "Open with a wrong password", where, "WRONGPASS")
	where.Password = "secret"
	e, err := redis.Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	where.Addresses = []string{"127.0.0.1:1"}
	wantOpenError(t, "Open of an unused address", where, "127.0.0.1:1")
}

func TestNumberOfShardsIsFixed(t *testing.T) {
	nodes := start(t, rediscluster.Config{})
	open(t, nodes, redis.Options{Shards: 4})
	where, _ := redis.ParseURL(nodes.URL())
	where.Shards = 8
	wantOpenError(t, "Open with 8 shards", where, "has 4 shards")
}

func TestOpenRejectsNodesThatEvict(t *testing.T) {
	nodes := start(t, rediscluster.Config{Lines: []string{"maxmemory 100mb", "maxmemory-policy allkeys-lru"}})
	where, _ := redis.ParseURL(nodes.URL())
	wantOpenError(t, "Open of a node that evicts", where, "noeviction")
}

// wantOpenError checks that Open fails with an error that contains want.
func wantOpenError(t *testing.T, what string, where redis.Options, want string) {
	t.Helper()
	e, err := redis.Open(t.Context(), where)
	if err == nil {
		_ = e.Close()
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s = %v, want an error with %q", what, err, want)
	}
}
