package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
	"key-value/test/bench/process"
)

// apiKey is what callers show to those who ask for a key.
const apiKey = "a-key-to-measure-with"

// stage is where the servers run. Each is built and started when it is needed first.
type stage struct {
	dir      string // temporary
	progress io.Writer
	servers  process.Group
	roots    func() (roots, error)

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
	s.servers.Stop()
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

func (s *stage) start(ctx context.Context, name string) (*process.Server, error) {
	switch name {
	case oneProcess:
		return s.startStore(ctx, dataset.Entries, "serve")
	case kvservice:
		return s.startStore(ctx, dataset.Entries, "kvservice")
	case twoProcesses:
		return s.startGateway(ctx, store)
	case unbatched:
		return s.startGateway(ctx, storeUnbatched)
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
func (s *stage) startProgram(ctx context.Context, program string, args ...string) (*process.Server, error) {
	binary, err := s.binary(ctx, program)
	if err != nil {
		return nil, err
	}
	return s.servers.Start(ctx, []string{"KV_API_KEY=" + apiKey}, binary, args...)
}

// startGateway starts a gateway of ours before the kvservice.
func (s *stage) startGateway(ctx context.Context, program string) (*process.Server, error) {
	service, err := s.server(ctx, kvservice)
	if err != nil {
		return nil, err
	}
	return s.startProgram(ctx, program, "gateway", "--listen", "127.0.0.1:0", "--service", "http://"+service)
}

// startStore starts a server of ours and fills it.
func (s *stage) startStore(ctx context.Context, entries int, command string) (*process.Server, error) {
	server, err := s.startProgram(ctx, store, command, "--listen", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return server, fillStore(ctx, server.Addr, entries)
}

func (s *stage) startEtcd(ctx context.Context) (*process.Server, error) {
	binary, err := s.binary(ctx, "etcd")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(s.dir, "etcd")
	if err != nil {
		return nil, err
	}
	addr, err := process.FreeAddr()
	if err != nil {
		return nil, err
	}
	return s.servers.Start(ctx, nil, binary, addr, dir)
}

func (s *stage) startRedis(ctx context.Context, entries int) (*process.Server, error) {
	if err := load.Installed("redis-server"); err != nil {
		return nil, err
	}
	server, err := s.servers.StartAt(ctx, "redis-server", func(port string) ([]string, error) {
		return []string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.dir}, nil
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

func (s *stage) startWebdis(ctx context.Context) (*process.Server, error) {
	if err := load.Installed("webdis"); err != nil {
		return nil, err
	}
	addr, err := s.server(ctx, redis)
	if err != nil {
		return nil, err
	}
	_, redisPort, _ := strings.Cut(addr, ":")
	return s.servers.StartAt(ctx, "webdis", func(port string) ([]string, error) {
		file := filepath.Join(s.dir, "webdis.json")
		config := strings.NewReplacer("REDIS", redisPort, "HTTP", port).Replace(webdisConfig)
		return []string{file}, os.WriteFile(file, []byte(config), 0o600)
	})
}
