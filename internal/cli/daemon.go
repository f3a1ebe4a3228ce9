package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect/v2"
	"github.com/spf13/cobra"

	"key-value/internal/contract"
	"key-value/internal/follow"
	"key-value/internal/observe"
	"key-value/internal/observe/admin"
	"key-value/internal/observe/requestid"
	"key-value/internal/server"
	"key-value/internal/server/gctune"
	"key-value/internal/server/lane"
)

// maxValueBytes is the most that --max-value-bytes may be: values are held in memory several times while they
// are on their way.
const maxValueBytes = 64 << 20

// daemon is what the three serving commands have in common.
type daemon struct {
	listen    string        // host:port to listen on
	admin     string        // host:port for operators; empty: none
	valueSize int           // the longest value, in bytes
	calls     int           // how many calls may be under way
	conns     int           // how many connections may be open
	delay     time.Duration // how long the server says that it is not ready before it stops
	drain     time.Duration // how long calls may take to finish when the server stops
	fastGRPC  bool          // whether grpc-go serves the connections of gRPC clients
	pair      pairFlags     // what is shown by TLS, which is not spoken without it
	clientCA  string        // file with the authorities of the only clients that are let in; empty: all are
	logLevel  string        // debug, info, warn or error
	logFormat string        // text or json

	state    *server.State
	log      *slog.Logger
	tls      *tls.Config       // nil: none
	followed []follow.Reloader // files to look after
	metrics  *observe.Metrics  // nil without an admin address
	tracing  *observe.Tracing  // nil if nobody asks for traces
	getenv   func(string) string
}

func newDaemon(getenv func(string) string) *daemon {
	return &daemon{state: server.NewState(), getenv: getenv}
}

func (s *daemon) flags(cmd *cobra.Command, listen string) {
	f := cmd.Flags()
	f.StringVar(&s.listen, "listen", listen, "address to listen on, as host:port; port 0 takes a free one")
	f.StringVar(&s.admin, "admin-listen", "", "address for operators alone, as host:port, with /metrics, /debug/pprof and no key; empty: none")
	f.IntVar(&s.valueSize, "max-value-bytes", contract.DefaultValueBytes, "longest value, in bytes; the same on gateway and kvservice")
	f.IntVar(&s.calls, "max-concurrent", 2048, "calls that may be under way; further ones are refused as OVERLOADED; 0: no limit")
	f.DurationVar(&s.delay, "drain-delay", 0, "how long to say on /readyz that the server is not ready before it stops: until load balancers have noticed")
	f.IntVar(&s.conns, "max-connections", 16_384, "connections that may be open; further ones wait to be accepted; 0: no limit")
	f.DurationVar(&s.drain, "drain", 25*time.Second, "how long calls may take to finish when the server stops")
	f.BoolVar(&s.fastGRPC, "fast-grpc", true, "serve connections that begin with gRPC by grpc-go; false: what a proxy mixes on one is never refused")
	s.pair.flags(cmd, "tls-cert", "file with the certificate to show, in PEM, and those between it and its authority; with it, only TLS is spoken",
		"tls-key", "file with that certificate's key, in PEM; both files are read anew when they change")
	f.StringVar(&s.logLevel, "log-level", "info", "least important messages to log: debug (every call), info, warn, error")
	f.StringVar(&s.logFormat, "log-format", "text", "how to write log lines: text or json")
}

// check reads the flags that have rules of their own, and opens what it is watched by.
func (s *daemon) check(cmd *cobra.Command) error {
	stderr := cmd.ErrOrStderr()
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return usageError{fmt.Errorf("--log-level %q: use debug, info, warn or error", s.logLevel)}
	}
	options := &slog.HandlerOptions{Level: level}
	switch s.logFormat {
	case "text":
		s.log = slog.New(requestid.LogHandler(slog.NewTextHandler(stderr, options)))
	case "json":
		s.log = slog.New(requestid.LogHandler(slog.NewJSONHandler(stderr, options)))
	default:
		return usageError{fmt.Errorf("--log-format %q: use text or json", s.logFormat)}
	}
	if s.valueSize < 1 || s.valueSize > maxValueBytes {
		return usageError{fmt.Errorf("--max-value-bytes %d: use 1 to %d", s.valueSize, maxValueBytes)}
	}
	if s.conns < 0 {
		return usageError{fmt.Errorf("--max-connections %d: use 0 for no limit, or more", s.conns)}
	}
	if s.calls < 0 {
		return usageError{fmt.Errorf("--max-concurrent %d: use 0 for no limit, or more", s.calls)}
	}
	if _, _, err := net.SplitHostPort(s.listen); err != nil {
		return usageError{fmt.Errorf("--listen %q: use host:port", s.listen)}
	}
	if _, _, err := net.SplitHostPort(s.admin); err != nil && s.admin != "" {
		return usageError{fmt.Errorf("--admin-listen %q: use host:port", s.admin)}
	}
	if err := s.openTLS(); err != nil {
		return err
	}
	return s.observe(cmd)
}

// run serves handler, and procedures where that is faster, until ctx is done. Started, if not nil, is told the address.
func (s *daemon) run(ctx context.Context, handler http.Handler, procedures *connect.Server, started func(addr string)) error {
	if s.admin != "" {
		operators, err := admin.Listen(ctx, s.admin, s.metrics.Handler(), s.log)
		if err != nil {
			return err
		}
		defer operators.Close()
	}
	if !s.fastGRPC {
		procedures = nil
	}
	defer follow.Start(s.log, s.followed...)()
	gctune.Default.Follow()
	return s.flush(server.Run(ctx, server.Config{
		Listen: s.listen, Handler: handler, RPC: procedures, Bounds: lane.Bounds{MessageBytes: contract.MaxRequestBytes(s.valueSize)}, TLS: s.tls, State: s.state,
		DrainDelay: s.delay, Drain: s.drain, MaxConnections: s.conns, Log: s.log, Started: started,
	}))
}

// beyondLoopback reports whether others than this machine can reach the address.
func (s *daemon) beyondLoopback() bool {
	host, _, _ := net.SplitHostPort(s.listen)
	ip := net.ParseIP(host)
	return host != "localhost" && (ip == nil || !ip.IsLoopback())
}
