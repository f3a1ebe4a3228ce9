// Command asbuilt is the same service built in the usual way, as a peer: net/http in front, grpc-go with generated
// stubs behind it, and a map with a mutex. It does no more than necessary.
//
//	asbuilt service                    the service, over gRPC
//	KV_API_KEY=… asbuilt gateway ADDR  REST in front of the service at ADDR
//
// Both listen on a free port of the loopback interface, and log the address.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/test/bench/dataset"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "asbuilt:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	slog.New(slog.NewTextHandler(os.Stderr, nil)).Info("listening", "addr", listener.Addr().String())
	switch {
	case len(args) == 1 && args[0] == "service":
		return serveService(listener)
	case len(args) == 2 && args[0] == "gateway":
		return serveGateway(listener, args[1])
	}
	return errors.New("usage: asbuilt service | asbuilt gateway ADDR")
}

func serveService(listener net.Listener) error {
	server := grpc.NewServer()
	server.RegisterService(&keyValueService, newService())
	return server.Serve(listener)
}

func serveGateway(listener net.Listener, service string) error {
	conn, err := grpc.NewClient(service, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	return http.Serve(listener, newGateway(client{conn}, os.Getenv("KV_API_KEY")))
}

// service holds the data. It has no versions, TTLs, order or watches.
type service struct {
	mu     sync.RWMutex
	values map[string]string // :: key → value; guarded by mu
}

func newService() *service {
	s := &service{values: map[string]string{}}
	for i := range dataset.Entries {
		s.values[dataset.Key(i)] = dataset.Value(i)
	}
	return s
}

func (s *service) Get(_ context.Context, req *keyvaluev1.GetRequest) (*keyvaluev1.GetResponse, error) {
	s.mu.RLock()
	value, ok := s.values[req.GetKey()]
	s.mu.RUnlock()
	if !ok {
		return nil, status.Error(codes.NotFound, "no such key")
	}
	return &keyvaluev1.GetResponse{Entry: &keyvaluev1.Entry{
		Key: req.GetKey(), Content: &keyvaluev1.Entry_Value{Value: value},
	}}, nil
}

func (s *service) Set(_ context.Context, req *keyvaluev1.SetRequest) (*keyvaluev1.SetResponse, error) {
	s.mu.Lock()
	_, ok := s.values[req.GetKey()]
	s.values[req.GetKey()] = req.GetValue()
	s.mu.Unlock()
	return &keyvaluev1.SetResponse{Entry: &keyvaluev1.Entry{Key: req.GetKey()}, Created: !ok}, nil
}

func (s *service) Delete(_ context.Context, req *keyvaluev1.DeleteRequest) (*keyvaluev1.DeleteResponse, error) {
	s.mu.Lock()
	_, ok := s.values[req.GetKey()]
	delete(s.values, req.GetKey())
	s.mu.Unlock()
	return &keyvaluev1.DeleteResponse{Deleted: ok}, nil
}
