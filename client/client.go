package client

import (
	"context"
	"log/slog"
	"unicode/utf8"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/proto"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/hop"
)

// Client reads, writes and watches entries. Create it with [New].
type Client struct {
	rpc  keyvaluev1connect.KeyValueServiceClient
	http *hop.HTTPTransport
	log  *slog.Logger // nil: nothing is logged
}

// New returns a client of the service at baseURL, such as http://127.0.0.1:8888. It does not connect yet.
func New(baseURL string, opts ...Option) (*Client, error) {
	o := newOptions(opts)
	transport, service, err := o.transport(baseURL)
	if err != nil {
		return nil, err
	}
	return &Client{rpc: keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(transport)), http: service, log: o.log}, nil
}

// Close closes idle connections. It does not wait for calls under way, and the client remains usable: it reconnects when
// needed. Connections of an HTTP client set by [WithHTTPClient] are left open.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Get returns the entry of key. It fails with [ErrNotFound] if the key does not exist, unless [AllowMissing] is given.
func (c *Client) Get(ctx context.Context, key string, opts ...GetOption) (Entry, error) {
	res, err := call(ctx, newGet(key, opts), c.rpc.Get)
	return newEntry(res.GetEntry()), err
}

// Set stores value under key and replaces what was there, unless a [Condition] says otherwise. The entry does not expire
// unless [TTL] or [KeepTTL] is given. Set returns the entry as written, and whether the key is new.
//
// It fails with [ErrInvalid], [ErrTooLarge], [ErrFull] or the error of the condition; then nothing is changed.
func (c *Client) Set(ctx context.Context, key string, value []byte, opts ...WriteOption) (Entry, bool, error) {
	res, err := call(ctx, newSet(key, value, opts), c.rpc.Set)
	if err != nil {
		return Entry{}, false, err
	}
	return written(res.GetEntry(), value), res.GetCreated(), nil
}

// Delete removes the entry of key and reports whether it existed. Deleting a key that does not exist is not an error,
// unless a condition makes it one.
func (c *Client) Delete(ctx context.Context, key string, opts ...Condition) (bool, error) {
	res, err := call(ctx, newDelete(key, opts), c.rpc.Delete)
	return res.GetDeleted(), err
}

// Touch changes only when the entry of key expires: after [TTL], or never if none is given. It returns the entry, which
// has a new ETag, without its value. It fails with [ErrNotFound] if the key does not exist.
func (c *Client) Touch(ctx context.Context, key string, opts ...TouchOption) (Entry, error) {
	res, err := call(ctx, newTouch(key, opts), c.rpc.Touch)
	return newEntry(res.GetEntry()), err
}

// Increment adds delta, which may be negative, to the decimal integer that is stored under key, and returns the sum. A key
// that does not exist is created with the sum of delta and 0, or [Initial], and does not expire unless [TTL] is given. An
// existing entry keeps its TTL.
//
// It fails with [ErrNotInteger] or [ErrOverflow]; then nothing is changed. A call that fails with [ErrUnavailable] may
// have been applied, so repeating it may count twice.
func (c *Client) Increment(ctx context.Context, key string, delta int64, opts ...IncrementOption) (int64, error) {
	res, err := call(ctx, newIncrement(key, delta, opts), c.rpc.Increment)
	return res.GetValue(), err
}

// call makes one call and returns its error as an [*Error].
func call[Request proto.Message, Response any](
	ctx context.Context, req Request, rpc func(context.Context, Request) (*Response, error),
) (*Response, error) {
	res, err := rpc(ctx, req)
	if err != nil {
		return nil, newError(ctx, req, err)
	}
	return res, nil
}

func newGet(key string, opts []GetOption) *keyvaluev1.GetRequest {
	req := &keyvaluev1.GetRequest{Key: key}
	for _, opt := range opts {
		opt.applyGet(req)
	}
	return req
}

func newSet(key string, value []byte, opts []WriteOption) *keyvaluev1.SetRequest {
	var w write
	for _, opt := range opts {
		opt.apply(&w)
	}
	req := &keyvaluev1.SetRequest{Key: key, Ttl: w.ttl, KeepTtl: w.keepTTL, Precondition: w.precondition}
	if utf8.Valid(value) {
		req.Content = &keyvaluev1.SetRequest_Value{Value: string(value)}
	} else {
		req.Content = &keyvaluev1.SetRequest_Data{Data: value}
	}
	return req
}

func newDelete(key string, opts []Condition) *keyvaluev1.DeleteRequest {
	req := &keyvaluev1.DeleteRequest{Key: key}
	for _, opt := range opts {
		req.Precondition = opt.precondition
	}
	return req
}

func newTouch(key string, opts []TouchOption) *keyvaluev1.TouchRequest {
	var w write
	for _, opt := range opts {
		opt.applyTouch(&w)
	}
	return &keyvaluev1.TouchRequest{Key: key, Ttl: w.ttl, Precondition: w.precondition}
}

func newIncrement(key string, delta int64, opts []IncrementOption) *keyvaluev1.IncrementRequest {
	req := &keyvaluev1.IncrementRequest{Key: key, Delta: delta}
	for _, opt := range opts {
		opt.applyIncrement(req)
	}
	return req
}
