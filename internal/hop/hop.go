// Package hop is everything between a caller and the service that carries out its calls.
//
// [New] lists the layers that a call passes through, in order. A gateway whose service is another process uses all of
// them. A gateway and a service in one process leave out those that only a network needs, and package client those that
// only a gateway needs.
package hop

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/auth"
	"key-value/internal/hop/batching"
)

// Layer adds behavior to a transport by wrapping it.
type Layer func(next connect.Transport) connect.Transport

// Config selects the layers of a hop. The zero value, with a Log, is the hop of a gateway to a service in its own process.
type Config struct {
	// Library is set by package client: calls are the program's own. They are not authorized, and their errors are
	// returned unchanged. False: calls are made on behalf of a gateway's callers.
	Library bool
	// Log receives the causes of failures that a gateway's callers must not see. Required unless Library is set.
	Log *slog.Logger
	// Limiter rejects calls beyond its limits with OVERLOADED. Nil: the number of calls is not limited here.
	Limiter *admission.Limiter
	// Retry retries unary calls that got no answer, up to three times, where that is safe: reads, and calls that were not
	// sent. False: each call is sent once.
	Retry bool
	// OnRetry is called before each wait that precedes a retry. Nil: nothing is.
	OnRetry func(ctx context.Context, spec connect.Spec, wait time.Duration, err error)
	// RetryOverloaded also retries calls that the service rejected with OVERLOADED or LOG_BEHIND. False, as for a gateway:
	// the caller is told, and retries itself.
	RetryOverloaded bool
	// Breaker rejects calls at once while the service has answered none of the pending ones for 3 s. A program that calls
	// for itself has deadlines instead. False: calls wait for their deadlines.
	Breaker bool
	// Batch sends calls that are waiting at the same time as one request. False: each call is a request of its own.
	Batch bool
	// Calls wraps each call of a library's program, with its retries. Nil: left out.
	Calls Layer
	// Gather returns the context of a request that several calls share. Nil: it carries nothing of theirs.
	Gather batching.Gather
	// Measure, Trace, RequestID and Explain wrap the transport of requests: below the batches, where several calls are one
	// request that has headers of its own. Nil: left out.
	Measure, Trace, RequestID, Explain Layer
	// Credential is sent with every request. Zero: none.
	Credential Credential
}

// New returns a transport that carries calls to service, which is [HTTP] or a server in this process, through the
// layers that cfg selects.
func New(service connect.Transport, cfg Config) connect.Transport {
	layers := []Layer{ // outermost first; nil is left out
		when(!cfg.Library, authorize),                   // no call leaves without a principal that may make it
		when(!cfg.Library, translate(cfg.Log)),          // callers see reasons of the contract, and nothing of the hop
		when(cfg.Limiter != nil, cfg.Limiter.Transport), // excess load is rejected before it waits for anything
		cfg.Calls,                          // observes each call as its caller sees it
		when(cfg.Retry, retry(cfg)),        // above batch: a call is retried within its deadline, a batch never
		when(cfg.Breaker, breaker),         // below retry: each attempt fails at once if the service is silent
		when(cfg.Batch, batch(cfg.Gather)), // calls that wait become one request
		cfg.Measure,                        // below batch: counts requests, and how many calls are in each
		cfg.Trace,                          // below batch: a span for each request, passed on in its header
		cfg.RequestID,                      // below batch: the ids of all its calls, in its header
		cfg.Explain,                        // diagnoses the connection when a request fails
		credential(cfg.Credential),         // innermost: no other layer sees the secret
	}
	for _, layer := range slices.Backward(layers) {
		if layer != nil {
			service = layer(service)
		}
	}
	return service
}

// NewClient returns a client over [New].
func NewClient(service connect.Transport, cfg Config) keyvaluev1connect.KeyValueServiceClient {
	return keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(New(service, cfg)))
}

// when returns layer if wanted is set, and nil otherwise.
func when(wanted bool, layer Layer) Layer {
	if wanted {
		return layer
	}
	return nil
}

// authorize is [auth.Authorize] as a layer.
func authorize(next connect.Transport) connect.Transport {
	return clientFunc(auth.Authorize(next.NewClientStream))
}

// batch is [batching.New] as a layer.
func batch(gather batching.Gather) Layer {
	return func(next connect.Transport) connect.Transport { return batching.New(next, gather) }
}
