package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"key-value/internal/testkit/balancer"
	"key-value/internal/testkit/proc"
	"key-value/test/record"
)

const (
	apiKey       = "a-key-for-the-fault-suite"
	serviceToken = "a-token-for-the-fault-suite"
	// stopPatience is how long a process may take to stop.
	stopPatience = 30 * time.Second
	// maxMemory is the memory limit: enough for the workloads, and little enough to be reached quickly.
	maxMemory = "48MiB"
	// drainDelay is how long a stopping gateway still accepts connections: meanwhile the balancer must notice.
	drainDelay = "1s"
)

// stage is the processes under test and the connections between them:
//
//	clients → balancer → fronts → gateways → hops → service
type stage struct {
	kv        string // the binary
	commit    string // the commit that it was built from
	dir       string // contains kv
	processes proc.Group
	service   *proc.Process
	gateways  [2]*proc.Process
	fronts    [2]*proxy
	hops      [2]*proxy
	balancer  *balancer.Balancer
	backends  []*balancer.Backend

	mu     sync.Mutex
	deaths []span             // when the service died; guarded by mu
	life   context.Context    // ends when the service dies; guarded by mu
	die    context.CancelFunc // ends life; guarded by mu
}

// span is the time within which the service died.
type span struct{ from, to time.Time }

// newStage builds the store and starts everything.
func newStage(ctx context.Context) (*stage, error) {
	dir, err := os.MkdirTemp("", "kv-faults-")
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir}
	s.life, s.die = context.WithCancel(context.Background())
	s.commit = record.Commit(ctx)
	if s.kv, err = proc.BuildKV(ctx, dir); err != nil {
		s.close()
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) open(ctx context.Context) error {
	var err error
	if s.service, err = s.startService(ctx, "127.0.0.2:0"); err != nil {
		return err
	}
	for i := range s.gateways {
		if s.hops[i], err = newProxy(fmt.Sprint("hop ", i), fmt.Sprint("127.0.0.", 3+i), s.service.Addr); err != nil {
			return err
		}
		if s.gateways[i], err = s.startGateway(ctx, i, fmt.Sprintf("127.0.0.%d:0", 5+i)); err != nil {
			return err
		}
		if s.fronts[i], err = newProxy(fmt.Sprint("front ", i), fmt.Sprint("127.0.0.", 7+i), s.gateways[i].Addr); err != nil {
			return err
		}
		s.backends = append(s.backends, &balancer.Backend{
			Addr: s.fronts[i].Listen, Probe: "http://" + s.gateways[i].Addr + "/readyz",
		})
	}
	s.balancer, err = balancer.New("127.0.0.1:0", s.backends...)
	return err
}

// url is the balancer's URL.
func (s *stage) url() string { return "http://" + s.balancer.Addr() }

func (s *stage) startService(ctx context.Context, listen string) (*proc.Process, error) {
	return s.processes.Serve(ctx, proc.KV(s.kv, []string{"KV_SERVICE_TOKEN=" + serviceToken}, "kvservice",
		"--listen", listen, "--max-memory", maxMemory,
		"--watch-history", "128MiB")) // so that large values of others do not end a watch
}

func (s *stage) startGateway(ctx context.Context, i int, listen string) (*proc.Process, error) {
	return s.processes.Serve(ctx, proc.KV(s.kv, []string{"KV_SERVICE_TOKEN=" + serviceToken, "KV_API_KEY=" + apiKey},
		"gateway", "--listen", listen, "--service", "http://"+s.hops[i].Listen, "--drain-delay", drainDelay))
}

// restartGateway starts gateway i at its old address.
func (s *stage) restartGateway(ctx context.Context, i int) error {
	p, err := s.startGateway(ctx, i, s.gateways[i].Addr)
	if err == nil {
		s.gateways[i] = p
	}
	return err
}

// killService kills the service and restarts it empty.
func (s *stage) killService(ctx context.Context) error {
	died := span{from: time.Now()}
	if err := s.service.Kill(); err != nil {
		return err
	}
	died.to = time.Now()
	s.mu.Lock()
	s.die()
	s.deaths = append(s.deaths, died)
	s.life, s.die = context.WithCancel(context.Background())
	s.mu.Unlock()
	if pause(ctx, 300*time.Millisecond); ctx.Err() != nil {
		return ctx.Err()
	}
	p, err := s.startService(ctx, s.service.Addr)
	if err == nil {
		s.service = p
	}
	return err
}

// lifetime returns a context that ends when the service that runs now dies.
func (s *stage) lifetime() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life
}

// deathsSince returns the deaths of the service after t.
func (s *stage) deathsSince(t time.Time) []span {
	s.mu.Lock()
	defer s.mu.Unlock()
	var since []span
	for _, d := range s.deaths {
		if d.to.After(t) {
			since = append(since, d)
		}
	}
	return since
}

// stop stops all processes, gateways first.
func (s *stage) stop() error {
	var errs []error
	for _, p := range []*proc.Process{s.gateways[0], s.gateways[1], s.service} {
		errs = append(errs, p.Stop(stopPatience))
	}
	return errors.Join(errs...)
}

// close ends everything that was started.
func (s *stage) close() {
	if s.balancer != nil {
		s.balancer.Close()
	}
	s.processes.Kill()
	for _, p := range []*proxy{s.fronts[0], s.fronts[1], s.hops[0], s.hops[1]} {
		if p != nil {
			p.removeToxics()
			p.Stop()
		}
	}
	_ = os.RemoveAll(s.dir)
}

// freeze stops p with SIGSTOP for d.
func freeze(ctx context.Context, p *proc.Process, d time.Duration) error {
	if err := p.Pause(); err != nil {
		return err
	}
	pause(ctx, d)
	return p.Continue()
}

// dial opens a connection, which the caller must close.
func dial(addr string) (net.Conn, error) { return net.DialTimeout("tcp", addr, time.Second) }

// proxy is a proxy between two processes, to which faults are added.
type proxy struct {
	*toxiproxy.Proxy
}

// newProxy forwards connections from a free port of listen, an IP address, to upstream.
func newProxy(name, listen, upstream string) (*proxy, error) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics have a logger of their own
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &proxy{toxiproxy.NewProxy(server, name, net.JoinHostPort(listen, "0"), upstream)}
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("proxy %s: %w", name, err)
	}
	return p, nil
}

// addToxic adds a toxic in both directions. Attributes are toxiproxy's, in JSON.
func (p *proxy) addToxic(kind, attributes string) error {
	for _, stream := range []string{"upstream", "downstream"} {
		toxic := fmt.Sprintf(`{"type":%q,"stream":%q,"attributes":%s}`, kind, stream, attributes)
		if _, err := p.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			return fmt.Errorf("proxy %s: %s: %w", p.Name, kind, err)
		}
	}
	return nil
}

// removeToxics removes all toxics.
func (p *proxy) removeToxics() { p.Toxics.ResetToxics(context.Background()) }
