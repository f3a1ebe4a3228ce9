package admission

import (
	"context"
	"sync"

	"key-value/internal/admission/share"
	"key-value/internal/auth"
	"key-value/internal/contract"
	"key-value/internal/contract/messagejson"
)

const (
	// freeBytes is what every call may use without being charged. It is part of what a call costs anyway, and keeps small
	// calls from the counters that all of them would share.
	freeBytes = 16 << 10
	// smallBytes is what a response or an event may take without being counted. A few of them fit into freeBytes.
	smallBytes = freeBytes / 4
	// stepBytes is the unit in which calls are charged, so that a body which arrives in small pieces is not charged for
	// each of them.
	stepBytes = 16 << 10
	// bodyCopies is how often a byte of a request is in memory: as it was read, with room for more, and decoded.
	bodyCopies = 3
	// answerCopies is how often a byte of a value is in memory while a response with it is written: in the message, which
	// may be the only one to refer to it, and encoded.
	answerCopies = 2
)

// Account is the memory that one call uses of a [Budget]. It is the context of the call. A nil Account is that of a call
// which nothing bounds.
type Account struct {
	auth.Context

	budget *Budget
	holder *share.Holder

	mu       sync.Mutex
	used     int64   // bytes; guarded by mu
	reserved int64   // the part of used that was reserved for the response and is not in use yet; guarded by mu
	charged  int64   // what the budget has given for used, except freeBytes; guarded by mu
	events   []int64 // what the budget has given for each event that was read and not yet sent; guarded by mu
	certain  bool    // whether the call must be answered; guarded by mu
	ended    bool    // guarded by mu
}

type accountKey struct{}

// open returns an account for a call of caller, with the context of the call and its caller. It is a, unless that is nil.
// It must be ended when the call is over.
func (b *Budget) open(ctx context.Context, caller *auth.Principal, a *Account) *Account {
	if b == nil {
		return nil
	}
	if a == nil {
		a = &Account{}
	}
	a.Context, a.budget, a.holder = auth.Context{Context: ctx, Caller: caller}, b, caller.Holder()
	return a
}

// Value implements [context.Context].
func (a *Account) Value(key any) any {
	if key == (accountKey{}) {
		return a
	}
	return a.Context.Value(key) // of the caller, too
}

// AccountOf returns the account of the call whose context is ctx, or nil.
func AccountOf(ctx context.Context) *Account {
	a, _ := ctx.Value(accountKey{}).(*Account)
	return a
}

// Add charges n bytes. If they are not free, it waits for a moment, and then returns ErrOverloaded. After MustAnswer it
// always succeeds.
func (a *Account) Add(n int64) error {
	if a == nil || n <= 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	fromReserve := min(n, a.reserved)
	a.reserved -= fromReserve
	a.used += n - fromReserve
	if err := a.chargeLocked(); err != nil {
		a.reserved += fromReserve
		a.used -= n - fromReserve
		return err
	}
	return nil
}

// Reserve charges n bytes for the response, from which Add then takes. It returns ErrOverloaded as Add does.
func (a *Account) Reserve(n int64) error {
	if a == nil || n <= 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used += n
	if err := a.chargeLocked(); err != nil {
		a.used -= n
		return err
	}
	a.reserved += n
	return nil
}

// ReserveContent reserves memory for a response with n bytes of keys and values.
func (a *Account) ReserveContent(n int) error { return a.Reserve(answerCopies * int64(n)) }

// Drop takes n bytes back.
func (a *Account) Drop(n int64) {
	if a == nil || n <= 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dropLocked(n)
}

func (a *Account) dropLocked(n int64) {
	a.used -= min(n, a.used)
	if surplus := a.charged - chargeFor(a.used); surplus > 0 {
		a.charged -= surplus
		a.budget.calls.release(a.holder, surplus)
	}
}

// chargeFor returns what the budget has to give for used bytes.
func chargeFor(used int64) int64 {
	return (max(0, used-freeBytes) + stepBytes - 1) / stepBytes * stepBytes
}

// chargeLocked gets what is needed for used from the budget. It unlocks a while it waits.
func (a *Account) chargeLocked() error {
	need := min(chargeFor(a.used), a.budget.calls.Max()) - a.charged
	switch {
	case need <= 0:
		return nil
	case a.certain:
		a.budget.calls.Force(a.holder, need)
	case !a.budget.calls.Acquire(a.holder, need):
		ctx, cancel := context.WithTimeout(a, maxWait)
		a.mu.Unlock()
		err := a.budget.calls.wait(ctx, a.holder, need)
		cancel()
		a.mu.Lock()
		if err != nil {
			if a.Err() == nil { // otherwise its caller has gone
				a.budget.rejected.Add(1)
			}
			return ErrOverloaded
		}
	}
	a.charged += need
	if a.ended { // while it was waiting
		a.closeLocked()
	}
	return nil
}

// Expect prepares for the response to request, once it is read and before it is carried out. From then on a call that may
// change something is not refused for lack of memory: its caller could not know what was changed.
func (a *Account) Expect(request any) error {
	if a == nil || !contract.MayWrite(request) {
		return nil
	}
	if err := a.Reserve(answerCopies * int64(contract.AnswerBytes(request))); err != nil {
		return err
	}
	a.MustAnswer()
	return nil
}

// MustAnswer lets the call continue even if the budget has no room for its response.
func (a *Account) MustAnswer() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.certain = true
}

// AddAnswer charges the response message, which is to be encoded as JSON or else in binary. It returns ErrOverloaded as Add
// does.
func (a *Account) AddAnswer(message any, inJSON bool) error {
	if a == nil {
		return nil
	}
	n := answerCopies * int64(contract.ContentBytes(message))
	if n <= smallBytes {
		return nil
	}
	if inJSON {
		n += int64(messagejson.Growth(message))
	}
	return a.Add(n)
}

// PassOn has another owner take over the charge for n bytes of the response, or of the next event, which are encoded and
// outlive the call. It returns what ends the charge.
func (a *Account) PassOn(n int64) (release func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	pool := a.budget.calls
	if len(a.events) > 0 {
		pool = a.budget.events
	}
	pool.Force(a.holder, n)
	if len(a.events) > 0 {
		passed := min(n, a.events[0])
		a.events[0] -= passed
		pool.release(a.holder, passed)
	} else {
		a.dropLocked(n)
	}
	return func() { pool.release(a.holder, n) }
}

// End releases everything.
func (a *Account) End() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	a.closeLocked()
}

func (a *Account) closeLocked() {
	var events int64
	for _, charge := range a.events {
		events += charge
	}
	charged := a.charged
	a.charged, a.used, a.reserved, a.events = 0, 0, 0, nil
	if charged > 0 {
		a.budget.calls.release(a.holder, charged)
	}
	if events > 0 {
		a.budget.events.release(a.holder, events)
	}
}
