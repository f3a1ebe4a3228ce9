// Package wireengine presents the services behind a gateway as a storage engine, so that the checks of engines also
// check the services, over all wires at once.
package wireengine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"connectrpc.com/connect/v2"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/kvservice/store"
)

// Engine is a storage engine that calls a gateway, by REST and by each of its RPC clients in rotation. A call without
// an answer fails with [store.ErrUnknownOutcome].
type Engine struct {
	store.Engine // for methods that this engine does not have
	url, key     string
	http         *http.Client
	clients      []keyvaluev1connect.KeyValueServiceClient
	turn         atomic.Uint64
}

// New returns an engine for the gateway at url. REST requests use httpClient and send apiKey. At least one RPC client
// is required, and clients must send the key themselves.
func New(url, key string, httpClient *http.Client, clients ...keyvaluev1connect.KeyValueServiceClient) *Engine {
	return &Engine{url: url, key: key, http: httpClient, clients: clients}
}

// next returns the RPC client for the next call, or nil for REST.
func (r *Engine) next() keyvaluev1connect.KeyValueServiceClient {
	n := int(r.turn.Add(1) % uint64(2*len(r.clients)))
	if n < len(r.clients) {
		return r.clients[n]
	}
	return nil
}

func (r *Engine) rpc() keyvaluev1connect.KeyValueServiceClient {
	return r.clients[int(r.turn.Load()%uint64(len(r.clients)))]
}

// Do implements [store.Engine].
func (r *Engine) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	kv := r.next()
	if kv != nil || op.Kind == store.Delete { // REST does not say whether there was an entry
		return operations[op.Kind].call(ctx, r.rpc(), op)
	}
	return r.doREST(ctx, op)
}

var sentinels = map[contract.Reason]error{
	contract.KeyNotFound:        store.ErrNotFound,
	contract.ETagMismatch:       store.ErrVersionMismatch,
	contract.KeyExists:          store.ErrExists,
	contract.KeyAbsent:          store.ErrAbsent,
	contract.NotAnInteger:       store.ErrNotInteger,
	contract.IntegerOverflow:    store.ErrOverflow,
	contract.StoreFull:          store.ErrFull,
	contract.ResumeTooOld:       store.ErrResumeTooOld,
	contract.PageTokenInvalid:   store.ErrTokenInvalid,
	contract.Overloaded:         store.ErrUnavailable,
	contract.LogBehind:          store.ErrBehind,
	contract.RateLimited:        store.ErrUnavailable,
	contract.ServiceUnavailable: store.ErrUnknownOutcome,
	contract.DeadlineExceeded:   store.ErrUnknownOutcome,
}

// sentinel returns the engine's error for err, if it has one.
func sentinel(why contract.Reason, err error) error {
	if s := sentinels[why]; s != nil {
		return fmt.Errorf("%w: %v", s, err)
	}
	return err
}

// unknown is an error of a call without an answer. It does not unwrap, because a canceled context does not mean that
// the call had no effect.
func unknown(err error) error { return fmt.Errorf("%w: %v", store.ErrUnknownOutcome, err) }

// outcome returns the engine's error for an error of an RPC.
func outcome(err error) error {
	if why := contract.ReasonOf(err); sentinels[why] != nil {
		return sentinel(why, err)
	}
	if !answered(err) {
		return unknown(err)
	}
	return err
}

// answered reports whether err, which has no reason, came from the gateway. A client uses the same codes for broken
// connections, except for internal.
func answered(err error) bool {
	e, ok := errors.AsType[*connect.Error](err)
	if !ok || !e.IsRemote() {
		return false
	}
	switch e.Code() {
	case connect.CodeUnavailable, connect.CodeDeadlineExceeded, connect.CodeCanceled, connect.CodeUnknown:
		return false
	case connect.CodeInternal:
		return e.Message() == "internal error"
	}
	return true
}
