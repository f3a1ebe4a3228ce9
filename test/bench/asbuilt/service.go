package main

import (
	"context"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/test/bench/dataset"
)

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
		return nil, status.Error(codes.NotFound, "there is no such key")
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
