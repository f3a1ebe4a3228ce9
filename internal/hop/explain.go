package hop

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/internal/follow/tlsfiles"
)

// explainInterval is the shortest time between two diagnoses.
const explainInterval = 10 * time.Second

// Explainer logs why a service cannot be reached. A request that fails may not know: its connection is closed while the
// reason is still on its way. So the explainer opens a connection of its own when requests fail. Make it with
// [NewExplainer].
type Explainer struct {
	addr       string      // of the service, as host:port
	config     *tls.Config // nil: without TLS
	log        *slog.Logger
	background sync.WaitGroup // diagnoses under way

	mu   sync.Mutex
	next time.Time // when the next diagnosis may start; guarded by mu
}

// NewExplainer returns an explainer of connections to target, whose TLS is configured by config.
func NewExplainer(target *url.URL, config *tls.Config, log *slog.Logger) *Explainer {
	port := "80"
	if target.Scheme == "https" {
		port = "443"
	} else {
		config = nil
	}
	return &Explainer{addr: net.JoinHostPort(target.Hostname(), cmp.Or(target.Port(), port)), config: config, log: log}
}

// Wait waits for diagnoses under way, which take a few seconds at most.
func (e *Explainer) Wait() { e.background.Wait() }

// Layer reports failed requests of next to e.
func (e *Explainer) Layer(next connect.Transport) connect.Transport {
	return clientFunc(func(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
		stream, err := next.NewClientStream(ctx, spec)
		if err != nil {
			e.failed(err)
			return nil, err
		}
		return explained{stream, e}, nil
	})
}

type explained struct {
	connect.ClientStream
	explainer *Explainer
}

func (s explained) Receive(message any) error {
	err := s.ClientStream.Receive(message)
	if err != nil {
		s.explainer.failed(err)
	}
	return err
}

// failed starts a diagnosis if err was not sent by the service and none was started lately.
func (e *Explainer) failed(err error) {
	if errors.Is(err, io.EOF) || isRemote(err) || !e.due() {
		return
	}
	e.background.Go(func() {
		if err := tlsfiles.Explain(context.Background(), e.addr, e.config); err != nil {
			e.log.Warn("the service is unreachable", "addr", e.addr, "error", err)
		}
	})
}

func (e *Explainer) due() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if now.Before(e.next) {
		return false
	}
	e.next = now.Add(explainInterval)
	return true
}
