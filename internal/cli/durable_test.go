package cli

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"key-value/internal/testkit/proc"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory"
	"key-value/kvservice/store/memory/wal"
)

// durably starts kv serve on dir, and returns the environment of its clients and how to stop it.
func durably(t *testing.T, dir string, args ...string) (map[string]string, func()) {
	t.Helper()
	p := startKV(t, key, append([]string{"serve", "--data-dir", dir}, args...)...)
	return map[string]string{"KV_URL": p.url, "KV_API_KEY": "secret"}, func() {
		t.Helper()
		p.stop()
		if code := <-p.code; code != 0 {
			t.Errorf("exit code %d, want 0: %s", code, p.log.String())
		}
	}
}

func TestEntriesSurviveARestartOnADataDir(t *testing.T) {
	t.Parallel()
	etag := regexp.MustCompile(`"etag":"[^"]+"`)
	for _, fsync := range []string{"always", "1s", "never"} {
		t.Run(fsync, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "new", "data")
			env, stop := durably(t, dir, "--fsync", fsync)
			check(t, env, "", "set k v --ttl 1h", wants{})
			check(t, env, "", "set gone v", wants{})
			check(t, env, "", "del gone", wants{})
			before := etag.FindString(kv(t, env, "", "get", "k", "-o", "json").out)
			check(t, env, "", "stats", wants{out: `.*survives a restart +yes\nafter a crash +no acknowledged write is lost.*`})
			stop()
			env, stop = durably(t, dir)
			defer stop()
			if got := kv(t, env, "", "get", "k", "-o", "json").out; etag.FindString(got) != before {
				t.Errorf("after a restart the entry is %s, want %s", got, before)
			}
			check(t, env, "", "ttl k", wants{out: `59m.*\n|1h0m0s\n`})
			check(t, env, "", "get gone", wants{3, "", `.*\n`})
		})
	}
}

func TestADataDirThatCannotBeUsedIsRefused(t *testing.T) {
	t.Parallel()
	used, broken := t.TempDir(), t.TempDir()
	durably(t, used)
	if err := os.WriteFile(filepath.Join(broken, "log-0000000001"), []byte("not a log"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]wants{
		"serve --fsync 1s":                     {2, "", `kv: --fsync requires --data-dir\n`},
		"serve --data-dir d --fsync sometimes": {2, "", `kv: .*want always, never, or a duration of at least 1ms, such as 1s.*\n`},
		"serve --data-dir d --fsync 0s":        {2, "", `kv: .*want always, never, or a duration of at least 1ms, such as 1s.*\n`},
		"kvservice --data-dir d --store redis://127.0.0.1:1": {2, "",
			`kv: --data-dir and --fsync require --store memory; Redis has appendonly and appendfsync instead, and etcd always writes to disk\n`},
		"kvservice --data-dir d --store etcd://127.0.0.1:1": {2, "", `kv: --data-dir and --fsync require --store memory; .*\n`},
		"serve --data-dir " + used:                          {1, "", `.*kv: --data-dir ` + used + `: directory is in use by another process\n`},
		"serve --data-dir " + broken:                        {1, "", `.*kv: --data-dir ` + broken + `: log-0000000001 is damaged at byte 0: .*run kv check.*\n`},
	} {
		check(t, key, "", line+" --listen 127.0.0.1:0", want)
	}
}

func TestTheLogOnDiskIsMeasured(t *testing.T) {
	t.Parallel()
	server := startObserved(t, key, "serve", "--data-dir", t.TempDir())
	check(t, map[string]string{"KV_URL": server.url, "KV_API_KEY": "secret"}, "", "set k v", wants{})
	_, scraped := fetch(t, server.admin+"/metrics")
	has(t, scraped, `kv_log_unsynced_seconds 0`, `kv_log_pending_bytes 0`, `kv_log_full 0`, `kv_log_failed 0`,
		`kv_log_snapshots_total 0`, `kv_log_snapshot_failures_total 0`, `kv_log_snapshot_seconds 0`)
	for _, positive := range []string{"kv_log_bytes", "kv_log_disk_bytes", "kv_log_syncs_total", "kv_log_sync_seconds_total"} {
		if !regexp.MustCompile(`(?m)^` + positive + ` [^0]|^` + positive + ` 0\.`).MatchString(scraped) {
			t.Errorf("%s is not above zero", positive)
		}
	}
}

// slowly is an engine that is loaded when it is told to.
func slowly(s *daemon) (l *loading, finish func(*memory.Engine, error)) {
	type result struct {
		engine *memory.Engine
		err    error
	}
	loaded := make(chan result)
	ctx, cancel := context.WithCancel(context.Background())
	l = &loading{cancel: cancel, done: make(chan struct{}), failed: make(chan struct{})}
	s.state.Load(0)
	go l.run(ctx, s, func() (*memory.Engine, error) {
		r := <-loaded
		return r.engine, r.err
	})
	return l, func(e *memory.Engine, err error) { loaded <- result{e, err} }
}

func TestAnEngineThatLoadsRefusesCalls(t *testing.T) {
	t.Parallel()
	s := newDaemon(func(string) string { return "" })
	l, finish := slowly(s)
	ctx := t.Context()
	calls := map[string]func() error{
		"Do": func() error {
			_, err := l.Do(ctx, store.Operation{Kind: store.Get, Key: "k", AllowMissing: true})
			return err
		},
		"Batch":       func() error { _, err := l.Batch(ctx, nil, false); return err },
		"List":        func() error { _, err := l.List(ctx, store.ListRequest{Limit: 1}); return err },
		"DeleteRange": func() error { _, err := l.DeleteRange(ctx, store.RangeRequest{Limit: 1}); return err },
		"Stats":       func() error { _, err := l.Stats(ctx); return err },
		"Watch": func() error {
			w, err := l.Watch(ctx, store.WatchRequest{})
			if err == nil {
				w.Close()
			}
			return err
		},
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, store.ErrLoading) {
			t.Errorf("%s while the engine loads: %v, want ErrLoading", name, err)
		}
	}
	if _, loading := s.state.Loading(); !loading || s.ready(ctx) {
		t.Error("the server is ready while the engine loads")
	}
	e := &engineFlags{dataDir: t.TempDir()}
	s.logLevel, s.logFormat = "info", "text"
	if err := s.openLog(&lines{}); err != nil {
		t.Fatal(err)
	}
	dir, err := openDataDir(e.dataDir)
	if err != nil {
		t.Fatal(err)
	}
	finish(e.loadFrom(ctx, s, dir, memory.Options{}))
	<-l.done
	for name, call := range calls {
		if err := call(); err != nil {
			t.Errorf("%s once the engine is loaded: %v", name, err)
		}
	}
	if _, loading := s.state.Loading(); loading || !s.ready(ctx) {
		t.Error("the server is not ready once the engine is loaded")
	}
	if err := l.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestAServerEndsIfItsDataCannotBeLoaded(t *testing.T) {
	t.Parallel()
	s := newDaemon(func(string) string { return "" })
	var log lines
	s.logLevel, s.logFormat = "info", "text"
	if err := s.openLog(&log); err != nil {
		t.Fatal(err)
	}
	s.listen, s.window, s.idle = "127.0.0.1:0", time.Second, time.Second
	l, finish := slowly(s)
	s.failed = l.failed
	ended := make(chan error, 1)
	go func() {
		ended <- closing(s.newService(&engineFlags{}, l, nil), l, s.run(t.Context(), endpoint{handler: http.NotFoundHandler(), ready: s.ready}))
	}()
	if _, ok := log.Find(t.Context(), proc.Listening); !ok {
		t.Fatal("the server does not listen while it loads")
	}
	finish(nil, &wal.DamageError{File: "log-0000000001", Reason: "a test"})
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "log-0000000001 is damaged") {
		t.Errorf("the server ended with %v, want why its data was not loaded", err)
	}
}
