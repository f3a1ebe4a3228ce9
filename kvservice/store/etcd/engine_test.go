package etcd_test

import (
	"flag"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"key-value/internal/testkit/etcdcluster"
	"key-value/kvservice/store"
	"key-value/kvservice/store/etcd"
	"key-value/kvservice/store/storetest"
)

func TestMain(m *testing.M) {
	// Most tests wait for members rather than for a processor.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	code := m.Run()
	if code == 0 {
		if err := leaks(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// leaks reports goroutines that never end. Some of grpc-go's end a little after their connection is closed.
func leaks() error {
	deadline := time.Now().Add(patience)
	for {
		err := goleak.Find()
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// busy are arguments of members that keep their leader even on a busy machine.
var busy = []string{"--election-timeout=10000"}

func TestContract(t *testing.T) {
	for name, test := range map[string]struct {
		config etcdcluster.Config
		checks []storetest.Check
	}{
		"one member":         {etcdcluster.Config{}, storetest.FixedChecks()},
		"a cluster of three": {etcdcluster.Config{Members: 3, Args: busy}, storetest.Checks()},
	} {
		t.Run(name, func(t *testing.T) {
			members := etcdcluster.StartTest(t, test.config)
			for _, check := range test.checks {
				t.Run(check.Name, func(t *testing.T) {
					t.Parallel()
					check.Run(t, open(t, members, etcd.Options{}))
				})
			}
		})
	}
}

func TestSoak(t *testing.T) {
	storetest.Soak(t, func(t *testing.T) store.Engine {
		return open(t, etcdcluster.StartTest(t, etcdcluster.Config{Members: 3}), etcd.Options{})
	})
}

// prefixes numbers the prefixes of stores.
var prefixes atomic.Int64

// open opens an engine that is closed at the end of the test. Without a prefix, the store is a new one.
func open(t testing.TB, members *etcdcluster.Cluster, options etcd.Options) *etcd.Engine {
	t.Helper()
	e, err := etcd.Open(t.Context(), at(t, members, options))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

// at returns options with the addresses of members.
func at(t testing.TB, members *etcdcluster.Cluster, options etcd.Options) etcd.Options {
	t.Helper()
	where, err := etcd.ParseURL(members.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.Addresses, options.TLS = where.Addresses, where.TLS
	if options.Prefix == "" {
		options.Prefix = fmt.Sprint("test", prefixes.Add(1))
	}
	return options
}
