package main

import (
	"context"
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
	"key-value/test/selfsigned"
)

// apiKey is the API key of all servers that require one.
const apiKey = "a-key-to-measure-with"

// stopGrace is how long a server may take to stop before it is killed.
const stopGrace = 3 * time.Second

// stop ends one server before the others.
func stop(server *proc.Process) { _ = server.Stop(stopGrace) } // how it ends does not matter

// servers builds and starts each server when it is first needed.
type servers struct {
	dir      string // temporary
	progress io.Writer
	group    proc.Group
	roots    func() (roots, error)

	before string // file of another build of kv; empty: none

	once      map[string]func() (string, error) // :: what is made once → how to make it
	processes map[string]*proc.Process          // :: server → its process, which may have started others
}

// roots are the root directories of the two modules.
type roots struct{ store, bench string }

func newServers(progress io.Writer) (*servers, error) {
	dir, err := os.MkdirTemp("", "key-value-bench")
	if err != nil {
		return nil, err
	}
	return &servers{
		dir: dir, progress: progress, roots: sync.OnceValues(findRoots), once: map[string]func() (string, error){},
		processes: map[string]*proc.Process{},
	}, nil
}

func (s *servers) close() {
	s.group.Stop(stopGrace)
	_ = os.RemoveAll(s.dir) // it is a temporary directory
}

// do calls makes once for each name.
func (s *servers) do(name string, makes func() (string, error)) (string, error) {
	if s.once[name] == nil {
		s.once[name] = sync.OnceValues(makes)
	}
	return s.once[name]()
}

// addr returns the address of a server, which it starts if necessary.
func (s *servers) addr(ctx context.Context, name string) (string, error) {
	return s.do("server "+name, func() (string, error) {
		fmt.Fprintln(s.progress, "starting", name)
		server, err := s.start(ctx, name)
		if err != nil {
			return "", err
		}
		s.processes[name] = server
		return server.Addr, nil
	})
}

// url returns the URL of a server, which it starts if necessary.
func (s *servers) url(ctx context.Context, name string) (string, error) {
	addr, err := s.addr(ctx, name)
	if strings.HasSuffix(name, overTLS) {
		return "https://" + addr, err
	}
	return "http://" + addr, err
}

func (s *servers) start(ctx context.Context, name string) (*proc.Process, error) {
	switch name {
	case oneProcess:
		return s.startStore(ctx, store, dataset.Entries, "serve")
	case kvservice:
		return s.startStore(ctx, store, dataset.Entries, "kvservice")
	case twoProcesses:
		return s.startGateway(ctx, store, name)
	case unbatched:
		return s.startGateway(ctx, storeUnbatched, name)
	case oneProcess + overTLS:
		return s.startSecure(ctx)
	case before(oneProcess), before(twoProcesses), before(kvservice):
		return s.startBefore(ctx, name)
	case grpcGo:
		return s.startProgram(ctx, "asbuilt", "service")
	case asBuilt:
		service, err := s.addr(ctx, backends[name])
		if err != nil {
			return nil, err
		}
		return s.startProgram(ctx, "asbuilt", "gateway", service)
	case etcd:
		return s.startEtcd(ctx)
	case redis:
		return s.startRedis(ctx, dataset.Entries, "--appendonly", "no", "--dir", s.dir)
	case webdis, logged(webdis, everySecond), logged(webdis, always):
		return s.startWebdis(ctx, name)
	case nginx, nginx + overTLS:
		return s.startNginx(ctx, name != nginx)
	}
	if without, mode, ok := strings.Cut(name, logged("", "")); ok {
		return s.startLogged(ctx, without, mode)
	}
	return nil, fmt.Errorf("unknown server %q", name)
}

// startProgram starts a program that chooses its own port.
func (s *servers) startProgram(ctx context.Context, program string, args ...string) (*proc.Process, error) {
	binary, err := s.binary(ctx, program)
	if err != nil {
		return nil, err
	}
	return s.group.Serve(ctx, proc.KV(binary, []string{"KV_API_KEY=" + apiKey}, args...))
}

// startSecure starts a server of ours that speaks TLS. It is empty.
func (s *servers) startSecure(ctx context.Context) (*proc.Process, error) {
	dir, err := os.MkdirTemp(s.dir, "tls")
	if err != nil {
		return nil, err
	}
	cert, key, err := selfsigned.Write(dir)
	if err != nil {
		return nil, err
	}
	return s.startProgram(ctx, store, "serve", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
}

// startGateway starts a gateway of ours for the service behind it.
func (s *servers) startGateway(ctx context.Context, program, name string) (*proc.Process, error) {
	service, err := s.addr(ctx, backends[name])
	if err != nil {
		return nil, err
	}
	return s.startProgram(ctx, program, "gateway", "--listen", "127.0.0.1:0", "--service", "http://"+service)
}

// startStore starts a server of ours and fills it.
func (s *servers) startStore(ctx context.Context, program string, entries int, args ...string) (*proc.Process, error) {
	server, err := s.startProgram(ctx, program, append(args, "--listen", "127.0.0.1:0")...)
	if err != nil {
		return nil, err
	}
	return server, fillStore(ctx, server.Addr, entries)
}

func (s *servers) startEtcd(ctx context.Context) (*proc.Process, error) {
	binary, err := s.binary(ctx, "etcd")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(s.dir, "etcd")
	if err != nil {
		return nil, err
	}
	return s.group.Serve(ctx, proc.Command{Path: binary, Args: []string{proc.FreeAddr(), dir}})
}

// startRedis starts redis-server without snapshots and fills it.
func (s *servers) startRedis(ctx context.Context, entries int, args ...string) (*proc.Process, error) {
	if err := load.Installed("redis-server"); err != nil {
		return nil, err
	}
	server, err := s.group.ServeAt(ctx, func(addr string) (proc.Command, error) {
		_, port, _ := strings.Cut(addr, ":")
		all := append([]string{"--port", port, "--bind", "127.0.0.1", "--save", ""}, args...)
		return proc.Command{Path: "redis-server", Args: all}, nil
	})
	if err != nil {
		return nil, err
	}
	return server, fillRedis(ctx, server.Addr, entries)
}

// webdisConfig is Debian's configuration except for the addresses and the log.
const webdisConfig = `{"redis_host": "127.0.0.1", "redis_port": REDIS, "http_host": "127.0.0.1", "http_port": HTTP,
"threads": 2, "daemonize": false, "database": 0, "acl": [{"disabled": ["DEBUG"]}], "verbosity": 0,
"logfile": "/dev/null"}`

func (s *servers) startWebdis(ctx context.Context, name string) (*proc.Process, error) {
	if err := load.Installed("webdis"); err != nil {
		return nil, err
	}
	addr, err := s.addr(ctx, backends[name])
	if err != nil {
		return nil, err
	}
	_, redisPort, _ := strings.Cut(addr, ":")
	return s.group.ServeAt(ctx, func(addr string) (proc.Command, error) {
		_, port, _ := strings.Cut(addr, ":")
		file := filepath.Join(s.dir, "webdis-"+port+".json")
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

// Programs of the main module. All others are packages of this module.
const (
	store = "store" // cmd/kv
	// storeUnbatched is cmd/kv without batching: its gateway sends each call to the service as a request of its own.
	storeUnbatched = "store-unbatched"
)

// binary returns the file of a program, which it builds if necessary, as `task build` does.
func (s *servers) binary(ctx context.Context, name string) (string, error) {
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
			overlay, err := proc.Overlay(s.dir, filepath.Join(r.store, "internal", "cli", "hop.go"), withoutBatching)
			if err != nil {
				return "", err
			}
			return proc.Build(ctx, r.store, file, "./cmd/kv", "-trimpath", overlay)
		}
		return proc.Build(ctx, r.bench, file, "./bench/"+name, "-trimpath")
	})
}

// withoutBatching is the text of internal/cli/hop.go that selects batching, and its replacement.
var withoutBatching = map[string]string{"Batch:      true,": "Batch:      false,"}
