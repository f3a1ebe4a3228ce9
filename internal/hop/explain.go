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

// explainEvery is how often it is looked into why the service does not answer.
const explainEvery = 10 * time.Second

// Explainer logs what is wrong on the way to the service when calls fail, which may not know it themselves.
type Explainer struct {
	log        *slog.Logger
	background *sync.WaitGroup // what may outlast the call that it is for
	addr       string          // of the service, as host:port
	config     *tls.Config     // nil: without TLS

	mu   sync.Mutex
	next time.Time // when to look again at the earliest; guarded by mu
}

// NewExplainer returns an explainer of the way to u.
func NewExplainer(log *slog.Logger, background *sync.WaitGroup, u *url.URL, config *tls.Config) *Explainer {
	port := "80"
	if u.Scheme == "https" {
		port = "443"
	} else {
		config = nil
	}
	return &Explainer{log: log, background: background, addr: net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port)), config: config}
}

// look finds out, beside the call that failed, why.
func (e *Explainer) look(err error) {
	failed, ok := errors.AsType[*connect.Error](err)
	if err == nil || errors.Is(err, io.EOF) || ok && failed.IsRemote() || !e.due() {
		return
	}
	e.background.Go(func() {
		if err := tlsfiles.Explain(context.Background(), e.addr, e.config); err != nil {
			e.log.Warn("the service is out of reach", "addr", e.addr, "error", err)
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
	e.next = now.Add(explainEvery)
	return true
}

// Over returns a transport that tells e of failures.
func (e *Explainer) Over(next connect.Transport) connect.Transport { return explained{next, e} }

type explained struct {
	connect.Transport
	explainer *Explainer
}

func (t explained) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	stream, err := t.Transport.NewClientStream(ctx, spec)
	if err != nil {
		t.explainer.look(err)
		return nil, err
	}
	return explainedStream{stream, t.explainer}, nil
}

type explainedStream struct {
	connect.ClientStream
	explainer *Explainer
}

func (s explainedStream) Receive(message any) error {
	err := s.ClientStream.Receive(message)
	if err != nil {
		s.explainer.look(err)
	}
	return err
}
