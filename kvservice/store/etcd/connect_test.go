package etcd_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"key-value/internal/follow/tlsfiles"
	"key-value/internal/testkit/etcdcluster"
	"key-value/internal/testkit/tlstest"
	"key-value/kvservice/store"
	"key-value/kvservice/store/etcd"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]etcd.Options{
		"etcd://127.0.0.1:2379":            {Addresses: []string{"127.0.0.1:2379"}},
		"etcd://a:1,b:2,[::1]:3":           {Addresses: []string{"a:1", "b:2", "[::1]:3"}},
		"etcds://a:1":                      {Addresses: []string{"a:1"}, TLS: true},
		"etcd://a:1/shop":                  {Addresses: []string{"a:1"}, Prefix: "shop"},
		"etcd://a:1/a/b/":                  {Addresses: []string{"a:1"}, Prefix: "a/b"},
		"etcd://a:1/shop?any-version=true": {Addresses: []string{"a:1"}, Prefix: "shop", AnyVersion: true},
	} {
		got, err := etcd.ParseURL(url)
		if err != nil || !slices.Equal(got.Addresses, want.Addresses) || got.TLS != want.TLS || got.Prefix != want.Prefix ||
			got.AnyVersion != want.AnyVersion {
			t.Errorf("ParseURL(%s) = %+v, %v; want %+v", url, got, err, want)
		}
	}
}

func TestParseURLErrorsSayWhatIsValid(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"redis://a:1":                "etcd://host:port",
		"etcd://":                    "want host:port",
		"etcd://a":                   "want host:port",
		"etcd://a:1,":                "want host:port",
		"etcd://user:secret@a:1":     "KV_ETCD_USERNAME",
		"etcd://a:1/a\x01":           "control characters",
		"etcd://a:1?any-version=yes": "any-version=true",
		"etcd://a:1?shards=4":        "any-version=true",
	} {
		if _, err := etcd.ParseURL(url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseURL(%s) = %v, want an error with %q", url, err, want)
		}
	}
}

// wantOpenError checks that Open fails with an error that contains want.
func wantOpenError(t *testing.T, what string, where etcd.Options, want string) {
	t.Helper()
	e, err := etcd.Open(t.Context(), where)
	if err == nil {
		_ = e.Close()
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s = %v, want an error with %q", what, err, want)
	}
}

func TestOpenSaysWhatEtcdMustAllow(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string]string{
		"--max-txn-ops=64":            "--max-txn-ops=128",
		"--max-request-bytes=1000000": "--max-request-bytes=1064960",
	} {
		t.Run(flag, func(t *testing.T) {
			t.Parallel()
			members := etcdcluster.StartTest(t, etcdcluster.Config{Args: []string{flag}})
			wantOpenError(t, "Open of an etcd with "+flag, at(t, members, etcd.Options{}), want)
		})
	}
}

func TestOpenRefusesTheDataOfAnotherProgram(t *testing.T) {
	t.Parallel()
	members := etcdcluster.StartTest(t, etcdcluster.Config{})
	if _, err := members.Members()[0].Client().Put(t.Context(), "mine/format", "2"); err != nil {
		t.Fatal(err)
	}
	wantOpenError(t, "Open of other data", at(t, members, etcd.Options{Prefix: "mine"}), "another version")
	wantOpenError(t, "Open of an unused address", etcd.Options{Addresses: []string{"127.0.0.1:1"}}, "store does not answer: 127.0.0.1:1: Error while dialing: dial tcp")
}

// A role that may touch the prefix alone is enough.
func TestTLSAndALoginThatMayTouchThePrefixAlone(t *testing.T) {
	t.Parallel()
	authority := tlstest.NewAuthority(t)
	cert, key := authority.Files(t, tlstest.Leaf{})
	members := etcdcluster.StartTest(t, etcdcluster.Config{
		TLS: &etcdcluster.TLS{Cert: cert, Key: key, CA: authority.File(t)},
	})
	permit(t, members.Members()[0].Client(), "mine/")
	trusted, err := tlsfiles.OpenAuthorities(authority.File(t))
	if err != nil {
		t.Fatal(err)
	}
	where := at(t, members, etcd.Options{Prefix: "mine", Authorities: &trusted, Username: "kv", Password: "secret"})
	e := open(t, members, where)
	w := watch(t, e, store.WatchRequest{})
	long := strings.Repeat("v", 10_000)
	do(t, e, set("k", long))
	if event := next(t, w); string(event.Entry.Value) != long || string(do(t, e, get("k")).Entry.Value) != long {
		t.Errorf("the event is %+v", event)
	}
	if _, err := e.Stats(t.Context()); err != nil {
		t.Error(err)
	}

	where.Prefix = "other"
	wantOpenError(t, "Open of another prefix", where, "permission denied")
	where.Password = "wrong"
	wantOpenError(t, "Open with a wrong password", where, "invalid user ID or password")
	where.Authorities = nil
	wantOpenError(t, "Open with an untrusted authority", where, "unknown authority")
}

// permit creates a user who may touch a prefix alone, and requires a login.
func permit(t *testing.T, client *clientv3.Client, prefix string) {
	t.Helper()
	for _, step := range []func(ctx context.Context) error{
		func(ctx context.Context) error { _, err := client.UserAdd(ctx, "root", "top"); return err },
		func(ctx context.Context) error { _, err := client.UserGrantRole(ctx, "root", "root"); return err },
		func(ctx context.Context) error { _, err := client.UserAdd(ctx, "kv", "secret"); return err },
		func(ctx context.Context) error { _, err := client.RoleAdd(ctx, "kv"); return err },
		func(ctx context.Context) error {
			_, err := client.RoleGrantPermission(ctx, "kv", prefix, clientv3.GetPrefixRangeEnd(prefix), clientv3.PermissionType(clientv3.PermReadWrite))
			return err
		},
		func(ctx context.Context) error { _, err := client.UserGrantRole(ctx, "kv", "kv"); return err },
		func(ctx context.Context) error { _, err := client.AuthEnable(ctx); return err },
	} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
