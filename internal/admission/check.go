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
	// Ticket is what the caller sent in place of an API key, to open a watch. Nil: nothing, so Header decides.
	Ticket *string
	// Peer is the caller's address, as host:port, or without a port if a proxy reported it.
	Peer string
	// Account is room for the account of the call. Nil: it is allocated.
	Account *Account
}

// Checks decide whether requests are served. The zero value admits every request.
type Checks struct {
	exist   bool       // false: the zero value
	keys    *auth.Keys // nil: every caller is authenticated
	limiter *Limiter   // nil: there is capacity for all requests
}

// NewChecks returns the checks of every request that is not public. REST and RPC make the same ones, before they read a
// body or a message. The first that fails decides the answer:
//
//  1. The caller must have a valid API key: API_KEY_INVALID. For a watch, a valid ticket will do: TICKET_INVALID. An
//     address that sent too many invalid ones must wait: RATE_LIMITED.
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
	return Checks{exist: true, keys: keys, limiter: limiter}
}

// Admit makes all checks and returns the context to serve r with and the account of the call, which may be nil, or the
// error to refuse r with. The caller must end the account when the call is over.
func (c Checks) Admit(ctx context.Context, r Request) (context.Context, *Account, error) {
	if c.None() {
		return ctx, nil, nil
	}
	caller, err := c.check(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	account := c.limiter.Budget().open(ctx, caller, r.Account)
	if account == nil {
		return auth.NewContext(ctx, caller), nil, nil
	}
	charge(ctx, account)
	return account, account, nil
}

// None reports whether there are no checks.
func (c Checks) None() bool { return !c.exist }

// check makes the checks that NewChecks lists, and returns the caller.
func (c Checks) check(ctx context.Context, r Request) (*auth.Principal, error) {
	caller, err := c.authenticate(ctx, r)
	if err != nil {
		return nil, err
	}
	if c.limiter.RejectEarly(caller, sizeOf(r.Procedure)) {
		return nil, ErrOverloaded // which the limiter would return once the message was read
	}
	return caller, nil
}

// authenticate returns the caller, unless its key is over its rate.
func (c Checks) authenticate(ctx context.Context, r Request) (*auth.Principal, error) {
	if c.keys == nil {
		lane.Admitted(ctx)
		return auth.FromContext(ctx), nil
	}
	caller, err := c.callerOf(r)
	if err != nil {
		lane.Refused(ctx, auth.Delay(err))
		return nil, err
	}
	lane.Admitted(ctx)
	return caller, caller.TakeToken()
}

func (c Checks) callerOf(r Request) (*auth.Principal, error) {
	if r.Ticket != nil {
		return c.keys.AuthenticateTicket(*r.Ticket, r.Peer)
	}
	return c.keys.Authenticate(r.Header, r.Peer)
}

// sizeOf returns the size of calls of procedure. Procedures that the contract does not have are not bounded.
func sizeOf(procedure string) contract.Size {
	if m := contract.MethodOf(procedure); m != nil {
		return m.Size
	}
	return contract.Exempt
}
