package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"key-value/internal/follow/tlsfiles"
	"key-value/kvservice/store"
)

const (
	dialTimeout = 2 * time.Second
	// probeEvery is how often the member in use is asked how it is.
	probeEvery = 500 * time.Millisecond
	// probeHurry is how often that is done, and other members are asked, while it does not serve.
	probeHurry = 100 * time.Millisecond
	// probeTimeout is how long a member may take to answer that.
	probeTimeout = 2 * time.Second
	// openTimeout is how long it may take when the engine is opened.
	openTimeout = 10 * time.Second
	// maxMessage is the longest message to or from a member, in bytes. etcd has a lower limit for requests of its own.
	maxMessage = 256 << 20
)

// reconnect makes a member usable again soon after it is back.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
	MinConnectTimeout: dialTimeout,
}

// member is a member of etcd's cluster.
type member struct {
	addr    string
	options clientv3.Config

	mu     sync.Mutex
	client *clientv3.Client // nil: it could not log in yet; guarded by mu
}

// open returns the client of m. It fails if the member requires a login and does not answer.
func (m *member) open() (*clientv3.Client, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.client != nil {
		return m.client, nil
	}
	var err error
	m.client, err = clientv3.New(m.options)
	return m.client, err
}

func (m *member) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.client != nil {
		_ = m.client.Close() // there is nothing to lose
	}
}

// probe asks m how it is. It fails if m does not answer or knows no leader.
func (m *member) probe(ctx context.Context, limit time.Duration) (*session, error) {
	client, err := m.open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.addr, err)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s := &session{member: m, kv: pb.NewKVClient(client.ActiveConnection()), watch: pb.NewWatchClient(client.ActiveConnection())}
	s.status, err = pb.NewMaintenanceClient(client.ActiveConnection()).Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return nil, fmt.Errorf("%s: %s", m.addr, cause(err))
	}
	if s.status.Leader == 0 {
		return nil, fmt.Errorf("%s: the member knows no leader", m.addr)
	}
	return s, nil
}

// session is the use of one member while one member leads. Its context is done when it is not to be used any more.
type session struct {
	member *member
	kv     pb.KVClient
	watch  pb.WatchClient
	status *pb.StatusResponse
	ctx    context.Context
	end    context.CancelFunc
}

func (s *session) leads() bool { return s.status.Leader == s.status.Header.MemberId }

// sameAs reports whether what is asked of s need not be asked again of o.
func (s *session) sameAs(o *session) bool {
	return s.member == o.member && s.status.Leader == o.status.Leader && s.status.RaftTerm == o.status.RaftTerm
}

// within returns a context that is done with ctx, after a time, or when the session ends.
func (s *session) within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	stop := context.AfterFunc(s.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// cluster chooses the member that is used: the leader if it can, and otherwise one that knows a leader.
type cluster struct {
	members []*member
	hurry   chan struct{} // has an element when a call has failed

	mu      sync.Mutex
	current *session      // guarded by mu
	changed chan struct{} // closed at the next change of current; guarded by mu
}

func newCluster(o Options) *cluster {
	c := &cluster{hurry: make(chan struct{}, 1), changed: make(chan struct{})}
	for _, addr := range o.Addresses {
		options := clientv3.Config{
			Endpoints: []string{addr}, Username: o.Username, Password: o.Password, DialTimeout: dialTimeout, Logger: zap.NewNop(),
			DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 5 * time.Second, MaxUnaryRetries: 2,
			MaxCallSendMsgSize: maxMessage, MaxCallRecvMsgSize: maxMessage,
			DialOptions: []grpc.DialOption{grpc.WithConnectParams(reconnect)},
		}
		if o.TLS {
			host := addr[:strings.LastIndexByte(addr, ':')]
			options.TLS = tlsfiles.Client(strings.Trim(host, "[]"), o.Authorities, nil)
		}
		c.members = append(c.members, &member{addr: addr, options: options})
	}
	return c
}

// use returns the session to use, and a channel that is closed when there is another.
func (c *cluster) use() (*session, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current, c.changed
}

// failed says that a call has failed, so that the member in use is looked at immediately.
func (c *cluster) failed() {
	select {
	case c.hurry <- struct{}{}:
	default:
	}
}

// choose makes s the session to use. It ends the earlier one, unless its member still serves.
func (c *cluster) choose(s *session, serves bool) {
	s.ctx, s.end = context.WithCancel(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil && !serves {
		c.current.end()
	}
	c.current = s
	close(c.changed)
	c.changed = make(chan struct{})
}

// find asks all members and uses the best. It fails if none serves.
func (c *cluster) find(ctx context.Context, limit time.Duration) error {
	sessions, errs := make([]*session, len(c.members)), make([]error, len(c.members))
	var asked sync.WaitGroup
	for i, m := range c.members {
		asked.Go(func() { sessions[i], errs[i] = m.probe(ctx, limit) })
	}
	asked.Wait()
	var best *session
	for _, s := range sessions {
		if s != nil && (best == nil || s.leads()) {
			best = s
		}
	}
	if best == nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, errors.Join(errs...))
	}
	if now, _ := c.use(); now == nil || !now.sameAs(best) {
		c.choose(best, false)
	}
	return nil
}

// explain returns why TLS fails at a member. A login that fails does not say so.
func (c *cluster) explain(ctx context.Context) error {
	for _, m := range c.members {
		if m.options.TLS == nil {
			continue
		}
		if err := tlsfiles.Explain(ctx, m.addr, m.options.TLS); err != nil {
			return fmt.Errorf("%s: %w", m.addr, err)
		}
	}
	return nil
}

// look checks the session in use, and reports whether its member serves.
func (c *cluster) look(ctx context.Context) bool {
	now, _ := c.use()
	s, err := now.member.probe(ctx, probeTimeout)
	switch {
	case err != nil:
		return c.find(ctx, probeTimeout) == nil
	case !s.sameAs(now):
		c.choose(s, false) // what was sent to the earlier leader may never be answered
	}
	if !s.leads() {
		c.prefer(ctx, s.status.Leader)
	}
	return true
}

// prefer uses the member that leads, if it is one of those known here.
func (c *cluster) prefer(ctx context.Context, leader uint64) {
	now, _ := c.use()
	for _, m := range c.members {
		if m == now.member {
			continue
		}
		if s, err := m.probe(ctx, probeTimeout); err == nil && s.leads() && s.status.Leader == leader {
			c.choose(s, true)
			return
		}
	}
}

// keep looks after the session in use until ctx is done.
func (c *cluster) keep(ctx context.Context) {
	for pause := probeEvery; ; {
		select {
		case <-ctx.Done():
			return
		case <-c.hurry:
		case <-time.After(pause):
		}
		begin := time.Now()
		if pause = probeEvery; !c.look(ctx) {
			pause = probeHurry
		}
		select { // a flood of failures must not become a flood of probes
		case <-ctx.Done():
			return
		case <-time.After(probeHurry - time.Since(begin)):
		}
	}
}

func (c *cluster) close() {
	if now, _ := c.use(); now != nil {
		now.end()
	}
	for _, m := range c.members {
		m.close()
	}
}
