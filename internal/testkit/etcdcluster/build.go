package etcdcluster

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"key-value/internal/testkit/proc"
)

// packages are what [Program] builds, by the names of the programs. Their versions are pinned in test/go.mod.
var packages = map[string]string{
	"etcd": "go.etcd.io/etcd/server/v3", "etcdctl": "go.etcd.io/etcd/etcdctl/v3", "etcdutl": "go.etcd.io/etcd/etcdutl/v3",
}

// Program returns the path of etcd, etcdctl or etcdutl. It builds the program unless the user's cache has it, which takes
// half a minute, and a download the first time.
func Program(ctx context.Context, name string) (string, error) {
	root, err := proc.Root(ctx, proc.Module)
	if err != nil {
		return "", err
	}
	return proc.Tool(ctx, filepath.Join(root, "test"), name, packages[name])
}

// server returns the path of etcd.
var server = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildPatience)
	defer cancel()
	return Program(ctx, "etcd")
})

const (
	// buildPatience is how long building etcd may take.
	buildPatience = 10 * time.Minute
	// startPatience is how long a test waits for members, which normally start within seconds.
	startPatience = time.Minute
)

// Need skips a test where etcd cannot be built, or fails it if KV_REQUIRE_ETCD is 1.
func Need(t testing.TB) {
	t.Helper()
	_, err := server()
	need(t, err)
}

func need(t testing.TB, err error) {
	t.Helper()
	switch {
	case err != nil && os.Getenv("KV_REQUIRE_ETCD") == "1":
		t.Fatal(err)
	case err != nil:
		t.Skip(err)
	}
}

// StartTest starts the members for a test, and closes them when the test ends. Where etcd cannot be built it skips the test,
// as Need does.
func StartTest(t testing.TB, config Config) *Cluster {
	t.Helper()
	Need(t)
	ctx, cancel := context.WithTimeout(t.Context(), startPatience)
	defer cancel()
	c, err := Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
