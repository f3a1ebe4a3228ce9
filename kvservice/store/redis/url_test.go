package redis_test

import (
	"slices"
	"strings"
	"testing"

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
