package redis_test

import (
	"strings"
	"testing"

	"key-value/internal/follow/tlsfiles"
	"key-value/internal/testkit/rediscluster"
	"key-value/internal/testkit/tlstest"
	"key-value/kvservice/store/redis"
)

func TestNodesAreReachedOverTLSIfTheyAreWhoTheyShouldBe(t *testing.T) {
	authority := tlstest.NewAuthority(t)
	cert, key := authority.Files(t, tlstest.Leaf{})
	nodes := rediscluster.StartTest(t, rediscluster.Config{
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
