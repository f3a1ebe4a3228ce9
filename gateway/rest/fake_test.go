package rest_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
)

// epoch is the time of every write to a fake.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 500_000_000, time.UTC)

// fake is a service that implements the RPCs for single keys. Its etags are e1, e2 and so on.
type fake struct {
	keyvaluev1connect.KeyValueServiceClient // nil: no other RPC is called

	fail        error  // if set, the error of every call
	beforeWrite func() // if set, called before every write, without the lock

	mu      sync.Mutex
	entries map[string]*keyvaluev1.Entry // :: key → entry; guarded by mu
	writes  int                          // guarded by mu
}

// newFake returns a fake that holds text in "hello" (e1), bytes in "bin" (e2), text with a TTL in "soon"
// (e3), and HTML in "page" (e4).
func newFake() *fake {
	f := &fake{entries: map[string]*keyvaluev1.Entry{}}
	f.put(&keyvaluev1.SetRequest{Key: "hello", Content: &keyvaluev1.SetRequest_Value{Value: "world"}})
	f.put(&keyvaluev1.SetRequest{Key: "bin", Content: &keyvaluev1.SetRequest_Data{Data: []byte("\xff\x00")}})
	f.put(&keyvaluev1.SetRequest{
		Key: "soon", Content: &keyvaluev1.SetRequest_Value{Value: "gone"}, Ttl: durationpb.New(time.Minute),
	})
	f.put(&keyvaluev1.SetRequest{Key: "page", Content: &keyvaluev1.SetRequest_Value{Value: "<script>"}})
	return f
}

func (f *fake) Get(_ context.Context, req *keyvaluev1.GetRequest) (*keyvaluev1.GetResponse, error) {
	if err := f.check(req.GetKey()); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	entry, ok := f.entries[req.GetKey()]
	if !ok {
		return nil, contract.KeyNotFound.Errorf("no such key")
	}
	return &keyvaluev1.GetResponse{Entry: proto.CloneOf(entry)}, nil
}

func (f *fake) Set(_ context.Context, req *keyvaluev1.SetRequest) (*keyvaluev1.SetResponse, error) {
	if err := f.checkSet(req); err != nil {
		return nil, err
	}
	if f.beforeWrite != nil {
		f.beforeWrite()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.entries[req.GetKey()]
	if err := holds(req.GetPrecondition(), old); err != nil {
		return nil, err
	}
	entry := proto.CloneOf(f.putLocked(req))
	entry.Content = nil
	return &keyvaluev1.SetResponse{Entry: entry, Created: old == nil}, nil
}

func (f *fake) Delete(_ context.Context, req *keyvaluev1.DeleteRequest) (*keyvaluev1.DeleteResponse, error) {
	if err := f.check(req.GetKey()); err != nil {
		return nil, err
	}
	if f.beforeWrite != nil {
		f.beforeWrite()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	old, ok := f.entries[req.GetKey()]
	if err := holds(req.GetPrecondition(), old); err != nil {
		return nil, err
	}
	if !ok {
		return &keyvaluev1.DeleteResponse{}, nil
	}
	f.writes++
	delete(f.entries, req.GetKey())
	return &keyvaluev1.DeleteResponse{Deleted: true, Revision: uint64(f.writes)}, nil
}

func (f *fake) Touch(_ context.Context, req *keyvaluev1.TouchRequest) (*keyvaluev1.TouchResponse, error) {
	if err := f.check(req.GetKey()); err != nil {
		return nil, err
	}
	if f.beforeWrite != nil {
		f.beforeWrite()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.entries[req.GetKey()]
	if err := holds(req.GetPrecondition(), old); err != nil {
		return nil, err
	}
	if old == nil {
		return nil, contract.KeyNotFound.Errorf("no such key")
	}
	entry := f.putLocked(&keyvaluev1.SetRequest{Key: req.GetKey(), Ttl: req.GetTtl()})
	entry.Content, entry = old.GetContent(), proto.CloneOf(entry)
	return &keyvaluev1.TouchResponse{Entry: entry}, nil
}

// contents returns the stored content, :: key → text or bytes.
func (f *fake) contents() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string]string{}
	for key, entry := range f.entries {
		all[key] = entry.GetValue() + string(entry.GetData())
	}
	return all
}

func (f *fake) put(req *keyvaluev1.SetRequest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.putLocked(req)
}

func (f *fake) putLocked(req *keyvaluev1.SetRequest) *keyvaluev1.Entry {
	f.writes++
	entry := &keyvaluev1.Entry{Key: req.GetKey(), Etag: "e" + strconv.Itoa(f.writes), UpdateTime: timestamppb.New(epoch), Revision: uint64(f.writes)}
	if req.GetTtl() != nil {
		entry.ExpireTime = timestamppb.New(epoch.Add(req.GetTtl().AsDuration()))
	}
	switch content := req.GetContent().(type) {
	case *keyvaluev1.SetRequest_Value:
		entry.Content = &keyvaluev1.Entry_Value{Value: content.Value}
	case *keyvaluev1.SetRequest_Data:
		entry.Content = &keyvaluev1.Entry_Data{Data: content.Data}
	}
	f.entries[req.GetKey()] = entry
	return entry
}

func (f *fake) check(key string) error {
	switch {
	case f.fail != nil:
		return f.fail
	case key == "" || len(key) > contract.MaxKeyBytes || strings.ContainsAny(key, "\x00\n"):
		return contract.KeyInvalid.Errorf("the key is empty, too long or has a control character")
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "." || segment == ".." {
			return contract.KeyInvalid.Errorf("the key has a dot segment")
		}
	}
	return nil
}

func (f *fake) checkSet(req *keyvaluev1.SetRequest) error {
	ttl := req.GetTtl()
	switch {
	case len(req.GetValue()) > contract.DefaultValueBytes:
		return contract.ValueTooLarge.Errorf("the value is too long")
	case ttl != nil && (!ttl.IsValid() || ttl.AsDuration() <= 0 || ttl.AsDuration() > contract.MaxTTL):
		return contract.TTLInvalid.Errorf("the TTL is not between 0 and 10 years")
	}
	return f.check(req.GetKey())
}

func holds(p *keyvaluev1.Precondition, old *keyvaluev1.Entry) error {
	switch kind := p.GetKind().(type) {
	case *keyvaluev1.Precondition_Etag:
		if old == nil || old.GetEtag() != kind.Etag {
			return contract.ETagMismatch.Errorf("another version")
		}
	case *keyvaluev1.Precondition_Exists:
		if kind.Exists && old == nil {
			return contract.KeyAbsent.Errorf("no such key")
		}
		if !kind.Exists && old != nil {
			return contract.KeyExists.Errorf("the key exists")
		}
	}
	return nil
}
