package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"key-value/internal/testkit/proc"
)

const (
	// opening is how many connections are being opened at a time.
	opening = 32
	// putsWhileStopped are values of putBytes that are put while the readers of watches have stopped.
	putsWhileStopped, putBytes = 2000, 1000
	// collectorPercent is that of the server, as package gctune sets it for a large heap.
	collectorPercent = "15"
)

// stage starts servers and measures them.
type stage struct {
	kv, cert, key string // files
	profiles      string // directory; empty: none
}

// measure returns what each connection, watch or call of a kind takes, in bytes.
func (s stage) measure(ctx context.Context, k kind) (float64, error) {
	var servers proc.Group
	defer servers.Kill()
	admin := proc.FreeAddr()
	args := []string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", admin,
		"--max-connections", "20000", "--max-watches", "20000", "--max-concurrent", "10000", "--max-in-flight", "0"}
	if k.secure {
		args = append(args, "--tls-cert", s.cert, "--tls-key", s.key)
	}
	server, err := servers.Serve(ctx, proc.KV(s.kv, []string{"KV_API_KEY=" + apiKey, "GOGC=" + collectorPercent}, args...))
	if err != nil {
		return 0, err
	}
	var all peers
	defer all.close()
	if err := all.open(server.Addr, kind{column: overPlain, request: put, secure: k.secure, peers: 1, streams: 1}); err != nil {
		return 0, err
	}
	before, err := resident(admin, server.Pid())
	if err != nil {
		return 0, err
	}
	if err := all.open(server.Addr, k); err != nil {
		return 0, err
	}
	if k.stops {
		if err := putMany(server.Addr); err != nil {
			return 0, err
		}
	}
	after, err := resident(admin, server.Pid())
	if err != nil {
		return 0, err
	}
	return float64(after-before) / float64(k.peers*k.streams), s.profile(admin, k)
}

// resident returns the resident memory of a server after a collection, in bytes.
func resident(admin string, pid int) (int64, error) {
	for range 2 { // a pool keeps what is in it for two collections
		if err := fetch(admin, "heap?gc=1", io.Discard); err != nil {
			return 0, err
		}
	}
	return proc.Memory(pid, "VmRSS")
}

// profile writes the profiles of a server.
func (s stage) profile(admin string, k kind) error {
	if s.profiles == "" {
		return nil
	}
	for _, name := range []string{"heap", "goroutine"} {
		f, err := os.Create(filepath.Join(s.profiles, strings.ReplaceAll(k.name(), "/", "-")+"."+name))
		if err != nil {
			return err
		}
		defer f.Close()
		if err := fetch(admin, name, f); err != nil {
			return err
		}
	}
	return nil
}

func fetch(admin, profile string, to io.Writer) error {
	res, err := http.Get("http://" + admin + "/debug/pprof/" + profile)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(to, res.Body)
	return err
}

// peers are open connections.
type peers struct {
	mu    sync.Mutex
	conns []net.Conn // guarded by mu
}

// open opens the connections of a kind.
func (p *peers) open(addr string, k kind) error {
	var working sync.WaitGroup
	work, failed := make(chan struct{}, k.peers), make(chan error, k.peers)
	for range k.peers {
		work <- struct{}{}
	}
	close(work)
	for range opening {
		working.Go(func() {
			for range work {
				if err := p.openOne(addr, k); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	working.Wait()
	close(failed)
	return <-failed // nil: none has
}

func (p *peers) openOne(addr string, k kind) error {
	protocol := "h2"
	if k.column == overPlain {
		protocol = "http/1.1"
	}
	conn, err := dial(addr, k.secure, protocol)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.conns = append(p.conns, conn)
	p.mu.Unlock()
	if k.column == overPlain {
		return overHTTP1(conn, k.request)
	}
	return overHTTP2(conn, k.request, k.streams, k.stops)
}

func (p *peers) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		_ = conn.Close()
	}
}

// putMany puts values that are watched.
func putMany(addr string) error {
	value := `{"value":"` + strings.Repeat("x", putBytes) + `"}`
	for i := range putsWhileStopped {
		r, err := http.NewRequest(http.MethodPut, fmt.Sprintf("http://%s/v1/values/w/%d", addr, i%100), strings.NewReader(value))
		if err != nil {
			return err
		}
		r.Header.Set("X-Api-Key", apiKey)
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, res.Body)
		if _ = res.Body.Close(); res.StatusCode >= http.StatusBadRequest {
			return fmt.Errorf("put a value: status %d", res.StatusCode)
		}
	}
	return nil
}
