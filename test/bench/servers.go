package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"key-value/internal/testkit/proc"
	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
)

// apiKey is what callers show to those who ask for a key.
const apiKey = "a-key-to-measure-with"

// stopGrace is how long a server may take to stop before it is killed.
const stopGrace = 3 * time.Second

// stop ends a server before all others.
func stop(server *proc.Process) { _ = server.Stop(stopGrace) } // how it ends does not matter

// stage is where the servers run. Each is built and started when it is needed first.
type stage struct {
	dir      string // temporary
	progress io.Writer
	servers  proc.Group
	roots    func() (roots, error)

	before string // the file of another build of kv; empty: none

	once map[string]func() (string, error) // :: what is made once → how
}

// roots are the directories of the two modules.
type roots struct{ store, bench string }

func newStage(progress io.Writer) (*stage, error) {
	dir, err := os.MkdirTemp("", "key-value-bench")
	if err != nil {
		return nil, err
	}
	return &stage{
		dir: dir, progress: progress, roots: sync.OnceValues(findRoots), once: map[string]func() (string, error){},
	}, nil
}

func (s *stage) close() {
	s.servers.Stop(stopGrace)
	_ = os.RemoveAll(s.dir) // it is a temporary directory
}

// do makes what name stands for, once.
func (s *stage) do(name string, makes func() (string, error)) (string, error) {
	if s.once[name] == nil {
		s.once[name] = sync.OnceValues(makes)
	}
	return s.once[name]()
}

// server returns where a server listens, and starts it if it does not run yet.
func (s *stage) server(ctx context.Context, name string) (string, error) {
	return s.do("server "+name, func() (string, error) {
		fmt.Fprintln(s.progress, "starting", name)
		server, err := s.start(ctx, name)
		if err != nil {
			return "", err
		}
		return server.Addr, nil
	})
}

func (s *stage) start(ctx context.Context, name string) (*proc.Process, error) {
	switch name {
	case oneProcess:
		return s.startStore(ctx, store, dataset.Entries, "serve")
	case kvservice:
		return s.startStore(ctx, store, dataset.Entries, "kvservice")
	case twoProcesses:
		return s.startGateway(ctx, store, kvservice)
	case unbatched:
		return s.startGateway(ctx, storeUnbatched, kvservice)
	case before(oneProcess), before(twoProcesses), before(kvservice):
		return s.startBefore(ctx, name)
	case grpcGo:
		return s.startProgram(ctx, "asbuilt", "service")
	case asBuilt:
		service, err := s.server(ctx, grpcGo)
		if err != nil {
			return nil, err
		}
		return s.startProgram(ctx, "asbuilt", "gateway", service)
	case etcd:
		return s.startEtcd(ctx)
	case redis:
		return s.startRedis(ctx, dataset.Entries)
	case webdis:
		return s.startWebdis(ctx)
	}
	return nil, fmt.Errorf("there is no server %q", name)
}

// startProgram starts a program that finds a port by itself.
func (s *stage) startProgram(ctx context.Context, program string, args ...string) (*proc.Process, error) {
	binary, err := s.binary(ctx, program)
	if err != nil {
		return nil, err
	}
	return s.servers.Serve(ctx, proc.KV(binary, []string{"KV_API_KEY=" + apiKey}, args...))
}

// startGateway starts a gateway of ours in front of a kvservice.
func (s *stage) startGateway(ctx context.Context, program, kvservice string) (*proc.Process, error) {
	service, err := s.server(ctx, kvservice)
	if err != nil {
		return nil, err
	}
	return s.startProgram(ctx, program, "gateway", "--listen", "127.0.0.1:0", "--service", "http://"+service)
}

// startStore starts a server of ours and fills it.
func (s *stage) startStore(ctx context.Context, program string, entries int, command string) (*proc.Process, error) {
	server, err := s.startProgram(ctx, program, command, "--listen", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return server, fillStore(ctx, server.Addr, entries)
}

func (s *stage) startEtcd(ctx context.Context) (*proc.Process, error) {
	binary, err := s.binary(ctx, "etcd")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(s.dir, "etcd")
	if err != nil {
		return nil, err
	}
	return s.servers.Serve(ctx, proc.Command{Path: binary, Args: []string{proc.FreeAddr(), dir}})
}

func (s *stage) startRedis(ctx context.Context, entries int) (*proc.Process, error) {
	if err := load.Installed("redis-server"); err != nil {
		return nil, err
	}
	server, err := s.servers.ServeAt(ctx, func(addr string) (proc.Command, error) {
		_, port, _ := strings.Cut(addr, ":")
		return proc.Command{Path: "redis-server", Args: []string{
			"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.dir,
		}}, nil
	})
	if err != nil {
		return nil, err
	}
	return server, fillRedis(ctx, server.Addr, entries)
}

// webdisConfig is Debian's, but for the addresses and the log.
const webdisConfig = `{"redis_host": "127.0.0.1", "redis_port": REDIS, "http_host": "127.0.0.1", "http_port": HTTP,
"threads": 2, "daemonize": false, "database": 0, "acl": [{"disabled": ["DEBUG"]}], "verbosity": 0,
"logfile": "/dev/null"}`

func (s *stage) startWebdis(ctx context.Context) (*proc.Process, error) {
	if err := load.Installed("webdis"); err != nil {
		return nil, err
	}
	addr, err := s.server(ctx, redis)
	if err != nil {
		return nil, err
	}
	_, redisPort, _ := strings.Cut(addr, ":")
	return s.servers.ServeAt(ctx, func(addr string) (proc.Command, error) {
		_, port, _ := strings.Cut(addr, ":")
		file := filepath.Join(s.dir, "webdis.json")
		config := strings.NewReplacer("REDIS", redisPort, "HTTP", port).Replace(webdisConfig)
		return proc.Command{Path: "webdis", Args: []string{file}}, os.WriteFile(file, []byte(config), 0o600)
	})
}

// findRoots returns where the modules are.
func findRoots() (roots, error) {
	store, err := proc.Root(context.Background(), proc.Module)
	if err != nil {
		return roots{}, err
	}
	bench, err := proc.Root(context.Background(), proc.Module+"/test")
	return roots{store, bench}, err
}

// The programs that are of the project itself. All others are packages of this module.
const (
	store = "store" // cmd/kv
	// storeUnbatched is cmd/kv with one difference: each call of its gateway to the service is a request of its own,
	// as it would be without package internal/hop/batching.
	storeUnbatched = "store-unbatched"
)

// binary returns the file of a program, built when it is needed first. The project's own is built from the working
// tree as `task build` does.
func (s *stage) binary(ctx context.Context, name string) (string, error) {
	if name == storeBefore {
		return s.before, nil
	}
	return s.do("binary "+name, func() (string, error) {
		r, err := s.roots()
		if err != nil {
			return "", err
		}
		fmt.Fprintln(s.progress, "building", name)
		file := filepath.Join(s.dir, name+".binary")
		switch name {
		case store:
			return proc.Build(ctx, r.store, file, "./cmd/kv", "-trimpath")
		case storeUnbatched:
			overlay, err := s.overlay(r.store)
			if err != nil {
				return "", err
			}
			return proc.Build(ctx, r.store, file, "./cmd/kv", "-trimpath", "-overlay", overlay)
		}
		return proc.Build(ctx, r.bench, file, "./bench/"+name, "-trimpath")
	})
}

// overlay writes what has Go build the store unbatched, and returns its file. Nothing in the working tree is changed.
func (s *stage) overlay(root string) (string, error) {
	original := filepath.Join(root, "internal", "cli", "hop.go")
	source, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	changed, err := withoutBatching(string(source))
	if err != nil {
		return "", fmt.Errorf("%s: %w", original, err)
	}
	replacement, file := filepath.Join(s.dir, "hop.go"), filepath.Join(s.dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{original: replacement}})
	return file, errors.Join(err, os.WriteFile(replacement, []byte(changed), 0o600), os.WriteFile(file, text, 0o600))
}

// withoutBatching changes the one line of internal/cli/hop.go that selects batching.
func withoutBatching(source string) (string, error) {
	const batched, unbatched = "Batch:      true,", "Batch:      false,"
	if strings.Count(source, batched) != 1 {
		return "", fmt.Errorf("want %q in it exactly once, to build it without batching", batched)
	}
	return strings.Replace(source, batched, unbatched, 1), nil
}
