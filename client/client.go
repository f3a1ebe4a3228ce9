// Package client is the Go library of the key-value store.
//
// A [Client] speaks to a gateway or to a kvservice. It is safe for concurrent use; make one and keep it. Every
// failure is an [*Error], and errors.Is tells with the sentinels of this package which it was.
package client

import (
	"context"
	"time"
	"unicode/utf8"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
)

// Client reads and writes entries.
type Client struct {
	rpc keyvaluev1connect.KeyValueServiceClient
}

// Entry is a key and what is stored under it.
type Entry struct {
	Key        string
	Value      []byte
	ETag       string    // names this version, for [IfMatch]
	UpdateTime time.Time // when this version was written
	ExpireTime time.Time // when the entry expires; zero: never
}

// New returns a client of the service at baseURL, such as http://127.0.0.1:8888. It does not connect yet.
func New(baseURL string, opts ...Option) (*Client, error) {
	transport, err := NewTransport(baseURL, opts...)
	if err != nil {
		return nil, err
	}
	return &Client{rpc: keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(transport))}, nil
}

// Get reads the entry of key. It fails with [ErrNotFound] if there is none.
func (c *Client) Get(ctx context.Context, key string) (Entry, error) {
	res, err := c.rpc.Get(ctx, &keyvaluev1.GetRequest{Key: key})
	if err != nil {
		return Entry{}, newError(err)
	}
	return newEntry(res.GetEntry()), nil
}

// Set writes value under key, for ever unless [TTL] is given, and whatever was there unless a condition is.
// It returns the entry as written, and whether the key is new.
func (c *Client) Set(ctx context.Context, key string, value []byte, opts ...WriteOption) (Entry, bool, error) {
	w := newWrite(opts)
	req := &keyvaluev1.SetRequest{Key: key, Ttl: w.ttl, Precondition: w.precondition}
	if utf8.Valid(value) {
		req.Content = &keyvaluev1.SetRequest_Value{Value: string(value)}
	} else {
		req.Content = &keyvaluev1.SetRequest_Data{Data: value}
	}
	res, err := c.rpc.Set(ctx, req)
	if err != nil {
		return Entry{}, false, newError(err)
	}
	entry := newEntry(res.GetEntry())
	entry.Value = value
	return entry, res.GetCreated(), nil
}

// Delete removes the entry of key and returns whether there was one.
func (c *Client) Delete(ctx context.Context, key string, opts ...Condition) (bool, error) {
	req := &keyvaluev1.DeleteRequest{Key: key}
	for _, opt := range opts {
		req.Precondition = opt.precondition
	}
	res, err := c.rpc.Delete(ctx, req)
	if err != nil {
		return false, newError(err)
	}
	return res.GetDeleted(), nil
}

// WriteOption changes how a write is done.
type WriteOption interface{ apply(*write) }

type write struct {
	ttl          *durationpb.Duration
	precondition *keyvaluev1.Precondition
}

func newWrite(opts []WriteOption) write {
	var w write
	for _, opt := range opts {
		opt.apply(&w)
	}
	return w
}

// TTL makes an entry expire after this time: more than zero and at most 10 years.
type TTL time.Duration

func (t TTL) apply(w *write) { w.ttl = durationpb.New(time.Duration(t)) }

// Condition is what must hold for a write to happen. It is checked in one step with the write. Of several, the
// last one counts.
type Condition struct{ precondition *keyvaluev1.Precondition }

func (c Condition) apply(w *write) { w.precondition = c.precondition }

// IfMatch wants the entry to be in the version that etag names. Otherwise the write fails with
// [ErrETagMismatch].
func IfMatch(etag string) Condition {
	return Condition{&keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Etag{Etag: etag}}}
}

// IfExists wants the key to exist. Otherwise the write fails with [ErrAbsent].
func IfExists() Condition { return ifExists(true) }

// IfAbsent wants the key not to exist. Otherwise the write fails with [ErrExists].
func IfAbsent() Condition { return ifExists(false) }

func ifExists(exists bool) Condition {
	return Condition{&keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Exists{Exists: exists}}}
}

func newEntry(e *keyvaluev1.Entry) Entry {
	entry := Entry{Key: e.GetKey(), ETag: e.GetEtag(), UpdateTime: e.GetUpdateTime().AsTime()}
	if e.GetExpireTime() != nil {
		entry.ExpireTime = e.GetExpireTime().AsTime()
	}
	switch content := e.GetContent().(type) {
	case *keyvaluev1.Entry_Value:
		entry.Value = []byte(content.Value)
	case *keyvaluev1.Entry_Data:
		entry.Value = content.Data
	}
	return entry
}
