package admission

import (
	"context"

	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/server/lane"
)

// Request is what checks see of a request. It holds nothing that has to be read from a body or a message, so a
// request that is refused costs no more than its headers.
type Request struct {
	// Procedure is the procedure called. For REST it is the one that the route leads to, and empty if there is none.
	Procedure string
	// Header has the caller's credentials.
	Header auth.Headers
	// Peer is the caller's address, as host:port, or without a port if a proxy reported it.
	Peer string
}

// Check admits a request and returns the context to serve it with, or returns the error to refuse it with.
type Check func(ctx context.Context, r Request) (context.Context, error)

// Checks are made in order. The first that fails decides the answer. The zero value admits every request.
type Checks struct {
	list   []Check
	budget *Budget
}

// NewChecks returns the checks of every request that is not public. REST and RPC run the same list, before they read
// a body or a message:
//
//  1. The caller must have a valid API key: API_KEY_INVALID. An address that sent too many invalid ones must wait:
//     RATE_LIMITED.
//  2. The key must be within its rate: RATE_LIMITED.
//  3. The server must have capacity: OVERLOADED.
//
// What the key allows depends on the message, so [auth.Authorize] checks it when the gateway calls its service.
//
// The first check also tells the connection of the request whether its caller is known, see [lane.Streams].
//
// A request that passes gets an [Account], if the limiter bounds the memory of requests. Nothing of its body is read
// before.
//
// Nil keys authenticate every caller; a nil limiter has capacity for all requests.
func NewChecks(keys *auth.Keys, limiter *Limiter) Checks {
	var list []Check
	if keys != nil {
		list = append(list, authenticate(keys), limitRate)
	} else {
		list = append(list, trust)
	}
	if limiter == nil {
		return Checks{list, nil}
	}
	return Checks{append(list, limiter.shed), limiter.budget}
}

// Admit makes all checks and returns the context to serve r with and the account of the call, which may be nil, or the
// error to refuse r with. The caller must end the account when the call is over.
func (c Checks) Admit(ctx context.Context, r Request) (context.Context, *Account, error) {
	for _, check := range c.list {
		var err error
		if ctx, err = check(ctx, r); err != nil {
			return nil, nil, err
		}
	}
	account := c.budget.open(ctx)
	if account == nil {
		return ctx, nil, nil
	}
	charge(ctx, account)
	return account, account, nil
}

// None reports whether there are no checks.
func (c Checks) None() bool { return len(c.list) == 0 }

func authenticate(keys *auth.Keys) Check {
	return func(ctx context.Context, r Request) (context.Context, error) {
		known, err := keys.Authenticate(ctx, r.Header, r.Peer)
		if err != nil {
			lane.Refused(ctx, auth.Delay(err))
			return nil, err
		}
		lane.Admitted(ctx)
		return known, nil
	}
}

func trust(ctx context.Context, _ Request) (context.Context, error) {
	lane.Admitted(ctx)
	return ctx, nil
}

func limitRate(ctx context.Context, _ Request) (context.Context, error) {
	return ctx, auth.FromContext(ctx).TakeToken()
}

// shed rejects calls that the limiter would reject once their message was read.
func (l *Limiter) shed(ctx context.Context, r Request) (context.Context, error) {
	if l.Full(ctx, sizeOf(r.Procedure)) {
		return nil, ErrOverloaded
	}
	return ctx, nil
}

// sizeOf returns the size of calls of procedure. Procedures that the contract does not have are not bounded.
func sizeOf(procedure string) contract.Size {
	if m := contract.MethodOf(procedure); m != nil {
		return m.Size
	}
	return contract.Exempt
}
