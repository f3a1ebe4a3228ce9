package rediscluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// oldest is the first major version with the commands that this package and the Redis engine use.
const oldest = 7

// startPatience is how long a test waits for nodes, which normally start within seconds.
const startPatience = time.Minute

const install = "install it with apt-get install redis-server (Debian, Ubuntu) or brew install redis (macOS); " +
	"version 7 or later, or any version of Valkey"

// Installed returns nil if a server is installed. The error says how to install one.
func Installed() error {
	_, err := server(context.Background())
	return err
}

// server returns the path of the server that KV_REDIS_SERVER names, or else of redis-server, or else of valkey-server.
func server(ctx context.Context) (string, error) {
	names, none := []string{"redis-server", "valkey-server"}, "neither redis-server nor valkey-server is installed: "+install
	if name := os.Getenv("KV_REDIS_SERVER"); name != "" {
		names, none = []string{name}, "KV_REDIS_SERVER="+name+" is not installed"
	}
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, path, "--version").Output()
		if err != nil {
			return "", fmt.Errorf("%s --version: %w", path, err)
		}
		version := regexp.MustCompile(`v=(\d+)`).FindSubmatch(out)
		if version == nil {
			return "", fmt.Errorf("%s --version: no version in %q", path, out)
		}
		if major, _ := strconv.Atoi(string(version[1])); major >= oldest {
			return path, nil
		}
		return "", fmt.Errorf("%s is too old: %s", path, install)
	}
	return "", errors.New(none)
}

// Need skips the test if no server is installed, and says how to install one. With KV_REQUIRE_REDIS=1, as in CI, the
// test fails instead.
func Need(t testing.TB) {
	t.Helper()
	switch err := Installed(); {
	case err != nil && os.Getenv("KV_REQUIRE_REDIS") == "1":
		t.Fatal(err)
	case err != nil:
		t.Skip(err)
	}
}

// StartTest starts the nodes for a test, and closes them when the test ends. Without a server it skips the test, as
// Need does.
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
