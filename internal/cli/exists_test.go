package cli

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// keyLister is a store of one key that lists keys, and gets none.
type keyLister struct {
	lister

	t   *testing.T
	key string
}

func (k keyLister) List(_ context.Context, req *keyvaluev1.ListRequest) (*keyvaluev1.ListResponse, error) {
	if !req.GetKeysOnly() || req.GetStart() != k.key || req.GetEnd() != k.key+" " {
		k.t.Errorf("the store is asked for %v, want the key %s alone, without its value", req, k.key)
	}
	return &keyvaluev1.ListResponse{Entries: []*keyvaluev1.Entry{{Key: k.key, Etag: "1", Ttl: durationpb.New(5e9)}}, NextPageToken: "more"}, nil
}

func (k keyLister) Get(context.Context, *keyvaluev1.GetRequest) (*keyvaluev1.GetResponse, error) {
	k.t.Error("the value is fetched")
	return nil, errors.New("unexpected")
}

func TestExistsAndTTLFetchNoValue(t *testing.T) {
	t.Parallel()
	env := startHandler(t, keyLister{t: t, key: "a/b"})
	check(t, env, "", "exists a/b", wants{})
	check(t, env, "", "ttl a/b", wants{out: "5s\n"})
	check(t, env, "", "ttl a/b -o json", wants{out: `\{"key":"a/b","etag":"1","ttl":"5s"\}\n`})
}

// Keys that begin with the key, and keys at the limits of the contract, are not taken for one another.
func TestExistsFindsTheKeyItself(t *testing.T) {
	t.Parallel()
	env := serving(t)
	longest := strings.Repeat("k", 1024)
	for _, key := range []string{"b c", "b!", "a b", "a", "ä", longest, " "} {
		if got := kv(t, env, "", "exists", key); got.code != 3 || !strings.Contains(got.err, "there is no key ") {
			t.Errorf("kv exists of the missing %q = %+v, want code 3", key, got)
		}
		if got := kv(t, env, "", "set", key, "x", "--ttl", "1h"); got != (result{}) {
			t.Fatalf("kv set %q = %+v", key, got)
		}
		if got := kv(t, env, "", "exists", key); got != (result{}) {
			t.Errorf("kv exists %q = %+v", key, got)
		}
		if got := kv(t, env, "", "ttl", key); got.code != 0 || !matches(`1h0m0s\n|59m\d+s\n`, got.out) {
			t.Errorf("kv ttl %q = %+v", key, got)
		}
	}
	for _, key := range []string{"b", "", "a/..", "a\n", longest + "k"} {
		got := kv(t, env, "", "exists", key)
		if want := kv(t, env, "", "get", key); got != want {
			t.Errorf("kv exists %q = %+v, want as kv get: %+v", key, got, want)
		}
	}
}
