package batching_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectinprocess"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/hop/batching"
	"key-value/kvservice"
	"key-value/kvservice/store/memory"
)

type client = keyvaluev1connect.KeyValueServiceClient

// service is a kvservice whose requests a test can observe and hold.
type service struct {
	mu       sync.Mutex
	requests []string      // requests that arrived, as "Get" or "Batch of 3"; guarded by mu
	canceled int           // requests whose context ended before they did; guarded by mu
	hold     chan struct{} // requests wait until it is closed; nil: requests are not held; guarded by mu
}

func (s *service) server(t *testing.T, interceptors ...connect.ServerInterceptor) *connect.Server {
	engine := memory.New(memory.Options{})
	t.Cleanup(func() { _ = engine.Close() })
	server := connect.NewServer(append(interceptors, s.observe)...)
	keyvaluev1connect.RegisterKeyValueServiceHandler(server, kvservice.New(engine, kvservice.Config{}))
	return server
}

func (s *service) observe(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		name := spec.Procedure[strings.LastIndexByte(spec.Procedure, '/')+1:]
		return next(ctx, spec, observed{stream, func(message any) error {
			if batch, ok := message.(*keyvaluev1.BatchRequest); ok {
				name = fmt.Sprint("Batch of ", len(batch.GetOperations()))
			}
			s.mu.Lock()
			s.requests = append(s.requests, name)
			hold := s.hold
			s.mu.Unlock()
			if hold == nil {
				return nil
			}
			select {
			case <-hold:
				return nil
			case <-ctx.Done():
				s.mu.Lock()
				s.canceled++
				s.mu.Unlock()
				return ctx.Err()
			}
		}})
	}
}

type observed struct {
	connect.ServerStream
	received func(any) error
}

func (o observed) Receive(message any) error {
	if err := o.ServerStream.Receive(message); err != nil {
		return err
	}
	return o.received(message)
}

// stop holds requests that arrive until release is called.
func (s *service) stop() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hold := make(chan struct{})
	s.hold = hold
	return func() {
		s.mu.Lock()
		if s.hold == hold {
			s.hold = nil
		}
		s.mu.Unlock()
		close(hold)
	}
}

func (s *service) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.requests, ", ")
}

// inBubble runs test in a synctest bubble, where synctest.Wait returns when every call is blocked.
func inBubble(t *testing.T, test func(t *testing.T, s *service, kv client)) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{}
		transport := batching.New(connectinprocess.New(s.server(t)), nil)
		test(t, s, keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(transport)))
	})
}

func text(key, value string) *keyvaluev1.SetRequest {
	return &keyvaluev1.SetRequest{Key: key, Content: &keyvaluev1.SetRequest_Value{Value: value}}
}

// behind makes two calls that occupy the transport, then the waiting ones, and returns when all are blocked.
func behind(t *testing.T, s *service, kv client, waiting ...func()) (release func(), done *sync.WaitGroup) {
	release, done = s.stop(), &sync.WaitGroup{}
	for i := range 2 {
		done.Go(func() { _, _ = kv.Set(t.Context(), text(fmt.Sprint("busy-", i), "x")) })
		synctest.Wait()
	}
	for _, call := range waiting {
		done.Go(call)
	}
	synctest.Wait()
	return release, done
}
