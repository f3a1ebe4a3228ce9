// Package wireengine is the services behind a gateway, seen as a storage engine: what is checked of engines can then be
// checked of them, over every wire at once.
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

// Remote calls a gateway over REST and over each of its RPC clients in turn. A call without an answer fails with
// [store.ErrUnknownOutcome].
type Remote struct {
	store.Engine // nothing of it is used
	url, key     string
	http         *http.Client
	clients      []keyvaluev1connect.KeyValueServiceClient
	turn         atomic.Uint64
}

// New returns the services behind the gateway at url, whose API key is key. REST goes over httpClient. There must be
// at least one RPC client, and clients must send the key themselves.
func New(url, key string, httpClient *http.Client, clients ...keyvaluev1connect.KeyValueServiceClient) *Remote {
	return &Remote{url: url, key: key, http: httpClient, clients: clients}
}

// next returns the RPC client whose turn it is, or nil if it is that of REST.
func (r *Remote) next() keyvaluev1connect.KeyValueServiceClient {
	n := int(r.turn.Add(1) % uint64(2*len(r.clients)))
	if n < len(r.clients) {
		return r.clients[n]
	}
	return nil
}

func (r *Remote) rpc() keyvaluev1connect.KeyValueServiceClient {
	return r.clients[int(r.turn.Load()%uint64(len(r.clients)))]
}

// Do implements [store.Engine].
func (r *Remote) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	kv := r.next()
	if kv != nil || op.Kind == store.Delete { // which over REST does not say whether there was an entry
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
	contract.RateLimited:        store.ErrUnavailable,
	contract.ServiceUnavailable: store.ErrUnknownOutcome,
	contract.DeadlineExceeded:   store.ErrUnknownOutcome,
}

// sentinel returns err as an engine would have put it, if there is a word for it.
func sentinel(why contract.Reason, err error) error {
	if s := sentinels[why]; s != nil {
		return fmt.Errorf("%w: %v", s, err)
	}
	return err
}

// unknown is err as the end of a call that got no answer. It hides what err is: a context that was canceled says nothing
// about what became of the call.
func unknown(err error) error { return fmt.Errorf("%w: %v", store.ErrUnknownOutcome, err) }

// outcome returns the error of an RPC as an engine would have put it.
func outcome(err error) error {
	if why := contract.ReasonOf(err); sentinels[why] != nil {
		return sentinel(why, err)
	}
	if !answered(err) {
		return unknown(err)
	}
	return err
}

// answered reports whether err, which has no reason, is what the gateway said of the call. What a client says of a
// connection that broke has such codes too, but for an internal error.
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
