package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"connectrpc.com/connect/v2"
	"github.com/spf13/cobra"

	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/follow"
	"key-value/internal/observe"
	"key-value/internal/observe/requestid"
	"key-value/internal/server"
	"key-value/internal/server/forwarded"
	"key-value/internal/server/gctune"
)

// maxValueBytes is the upper limit of --max-value-bytes: a call may hold several copies of a value in memory.
const maxValueBytes = 64 << 20

// daemon holds the flags and the state that the three server commands share.
type daemon struct {
	listen    string        // host:port
	admin     string        // host:port of the admin address; "" for none
	valueSize int           // maximum size of a value, in bytes
	calls     int           // maximum concurrent calls; 0 for no limit
	watches   int           // maximum open watches; 0 for no limit
	conns     int           // maximum open connections; 0 for no limit
	rate      int           // minimum rate of bodies and readers, in bytes per second; 0 for any progress
	window    time.Duration // over which rate is averaged, and for which a peer may stall
	idle      time.Duration // how long a connection may be open without a request
	delay     time.Duration // how long to report not ready before stopping
	drain     time.Duration // how long calls may take to finish when stopping
	fastGRPC  bool          // grpc-go serves the connections of gRPC clients
	plainHTTP bool          // a lane of our own serves plain HTTP/1.1 requests
	memory    memoryFlags
	pair      pairFlags // certificate to present; without one, TLS is off
	clientCA  string    // file with the authorities of accepted clients; "" to accept all clients
	logLevel  string    // debug, info, warn or error
	logFormat string    // text or json

	state     *server.State
	traffic   server.Traffic
	log       *slog.Logger
	stderr    io.Writer
	failed    <-chan struct{}   // closed if the engine can do nothing more; nil: that does not happen
	tls       *tls.Config       // nil without TLS
	followed  []follow.Reloader // files to reload when they change
	metrics   *observe.Metrics  // nil if there is no admin address and no export
	export    *observe.Export   // of metrics; nil if it is off
	debugKeys http.Handler      // serves key statistics on the admin address; nil for a gateway
	tracing   *observe.Tracing  // nil if tracing is off
	getenv    func(string) string
}

// settings are what the flags of a server command set. What the command does not have is nil.
type settings struct {
	*daemon
	gateway *gatewayFlags
	engine  *engineFlags
	hop     *hopFlags
}

func newDaemon(getenv func(string) string) *daemon {
	return &daemon{state: server.NewState(), getenv: getenv}
}

func (s *daemon) flags(cmd *cobra.Command, listen string) {
	f := cmd.Flags()
	f.StringVar(&s.listen, "listen", listen, "address to listen on, as host:port; port 0 picks a free one")
	f.StringVar(&s.admin, "admin-listen", "", "host:port for /metrics, /debug/keys, pprof and probes, without authentication; empty: none")
	f.IntVar(&s.valueSize, "max-value-bytes", contract.DefaultValueBytes, "maximum value size, in bytes; must be the same on gateway and kvservice")
	f.IntVar(&s.calls, "max-concurrent", 2048, "maximum concurrent calls, less by default with little memory; 0: no limit")
	f.IntVar(&s.watches, "max-watches", 20_000, "maximum open watches, less by default with little memory; 0: no limit")
	durationVar(f, &s.delay, "drain-delay", 0, "how long /readyz fails before the server stops, so that load balancers notice")
	f.IntVar(&s.conns, "max-connections", 16_384, "maximum open connections, less by default with little memory; 0: no limit")
	f.IntVar(&s.rate, "min-transfer-rate", server.DefaultTransferRate, "minimum `bytes` per second of a slow body or reader, over --transfer-window; 0: any")
	durationVar(f, &s.window, "transfer-window", 30*time.Second, "how long a body or reader may stall, or be slower than --min-transfer-rate")
	durationVar(f, &s.idle, "idle-timeout", server.DefaultIdleTimeout, "how long to keep a connection without requests; longer than load balancers do")
	durationVar(f, &s.drain, "drain", 25*time.Second, "how long calls may take to finish when the server stops")
	f.BoolVar(&s.fastGRPC, "fast-grpc", true, "use grpc-go; disable for proxies that send gRPC and HTTP on one backend connection")
	f.BoolVar(&s.plainHTTP, "plain-http", true, "serve small HTTP/1.1 requests faster than net/http; disable to rule that out as a cause")
	s.memory.flags(cmd)
	s.pair.flags(cmd, "tls-cert", "PEM `file` with the certificate chain to present; requires clients to use TLS",
		"tls-key", "PEM `file` with the key for --tls-cert; both files are reloaded when they change")
	f.StringVar(&s.logLevel, "log-level", "info", "minimum level of log messages: debug (includes every call), info, warn or error")
	f.StringVar(&s.logFormat, "log-format", "text", "log format: text or json")
}

// check validates the flags, sets those that follow from the memory of the process, and opens the log, the certificates and
// the observers that they configure. E is nil for a gateway, which has no engine.
func (s *daemon) check(cmd *cobra.Command, e *engineFlags) error {
	if err := s.openLog(cmd.ErrOrStderr()); err != nil {
		return err
	}
	if err := s.checkValues(); err != nil {
		return usageError{err}
	}
	s.divide(cmd, e)
	if err := s.openTLS(); err != nil {
		return err
	}
	return s.observe(cmd)
}

func (s *daemon) openLog(stderr io.Writer) error {
	s.stderr = stderr
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return usageError{fmt.Errorf("invalid --log-level %q: want debug, info, warn or error", s.logLevel)}
	}
	options := &slog.HandlerOptions{Level: level}
	switch s.logFormat {
	case "text":
		s.log = slog.New(requestid.LogHandler(slog.NewTextHandler(stderr, options)))
	case "json":
		s.log = slog.New(requestid.LogHandler(slog.NewJSONHandler(stderr, options)))
	default:
		return usageError{fmt.Errorf("invalid --log-format %q: want text or json", s.logFormat)}
	}
	return nil
}

func (s *daemon) checkValues() error {
	_, _, listenErr := net.SplitHostPort(s.listen)
	_, _, adminErr := net.SplitHostPort(s.admin)
	switch {
	case s.valueSize < 1 || s.valueSize > maxValueBytes:
		return fmt.Errorf("invalid --max-value-bytes %d: want 1 to %d", s.valueSize, maxValueBytes)
	case s.conns < 0:
		return fmt.Errorf("invalid --max-connections %d: want 0 (no limit) or more", s.conns)
	case s.calls < 0:
		return fmt.Errorf("invalid --max-concurrent %d: want 0 (no limit) or more", s.calls)
	case s.watches < 0:
		return fmt.Errorf("invalid --max-watches %d: want 0 (no limit) or more", s.watches)
	case s.rate < 0:
		return fmt.Errorf("invalid --min-transfer-rate %d: want 0 (any progress) or more", s.rate)
	case s.window < time.Second:
		return fmt.Errorf("invalid --transfer-window %v: want at least 1s", s.window)
	case s.idle < time.Second:
		return fmt.Errorf("invalid --idle-timeout %v: want at least 1s", s.idle)
	case listenErr != nil:
		return fmt.Errorf("invalid --listen %q: want host:port", s.listen)
	case adminErr != nil && s.admin != "":
		return fmt.Errorf("invalid --admin-listen %q: want host:port", s.admin)
	}
	return nil
}

// endpoint is what a server command serves on its port.
type endpoint struct {
	handler    http.Handler
	procedures *connect.Server            // those that handler serves too
	ready      func(context.Context) bool // whether it can do its work
	started    func(addr string)          // called once the server listens; may be nil
	proxies    forwarded.Proxies          // trusted ones
}

// run serves e until ctx is done or the engine has failed, with gRPC calls served directly unless --fast-grpc is off.
func (s *daemon) run(ctx context.Context, e endpoint) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.failed:
			s.log.Error("the store has failed; stopping")
			cancel()
		case <-ctx.Done():
		}
	}()
	var listening atomic.Bool
	if s.admin != "" {
		probes := server.Probes(s.state, func(ctx context.Context) bool { return listening.Load() && e.ready(ctx) }, http.NotFoundHandler())
		operators, err := observe.ListenAdmin(ctx, s.admin, observe.AdminHandlers{Metrics: s.metrics.Handler(), Keys: s.debugKeys, Rest: probes}, s.log)
		if err != nil {
			return err
		}
		defer operators.Close()
	}
	if !s.fastGRPC {
		e.procedures = nil
	}
	defer follow.Start(s.log, s.followed...)()
	url := make(chan string, 1)
	told := s.supervise(ctx, url, e.ready)
	s.log.Info("memory", s.memory.divided...)
	gctune.Default.Follow()
	gctune.Limit(int64(s.memory.limit))
	defer gctune.ReturnSpare(s.memory.held)()
	err := server.Run(ctx, server.Config{
		Listen: s.listen, Handler: e.handler, RPC: e.procedures, Plain: s.plainHTTP, Bounds: s.bounds(), TLS: s.tls, State: s.state, Traffic: &s.traffic,
		DrainDelay: s.delay, Drain: s.drain, MaxConnections: s.conns, Proxies: e.proxies, Log: s.log,
		Started: func(addr string) {
			listening.Store(true)
			url <- s.url(addr)
			if e.started != nil {
				e.started(addr)
			}
		},
	})
	cancel()
	<-told
	return s.flush(err)
}

// limiter returns the limiter for calls by callers with keys, of which large ones run at a time. Keys are nil if callers
// need none.
func (s *daemon) limiter(keys *auth.Keys, large int) *admission.Limiter {
	cfg := admission.Config{Calls: s.calls, Watches: s.watches, Large: large, Bytes: int64(s.memory.inFlight)}
	if keys != nil {
		cfg.Sole = keys.Sole
	}
	limiter := admission.New(cfg)
	s.observeLimits(limiter)
	return limiter
}

// bounds returns the bounds that flags set.
func (s *daemon) bounds() server.Bounds {
	rate := s.rate
	if rate == 0 {
		rate = -1
	}
	return server.Bounds{
		MessageBytes: contract.MaxRequestBytes(s.valueSize), BodyTimeout: s.window, WriteTimeout: s.window, TransferRate: rate,
		IdleTimeout: s.idle,
	}
}

// beyondLoopback reports whether other machines may reach the listen address.
func (s *daemon) beyondLoopback() bool {
	host, _, _ := net.SplitHostPort(s.listen)
	ip := net.ParseIP(host)
	return host != "localhost" && (ip == nil || !ip.IsLoopback())
}
