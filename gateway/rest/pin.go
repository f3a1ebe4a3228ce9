package rest

import (
	"context"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/auth"
	"key-value/internal/contract"
)

// pinAttempts is how often a conditional write is tried whose condition the service cannot check itself.
const pinAttempts = 8

// conditionally carries out write at an instant at which c holds.
//
// The service checks simple conditions itself. Of all others it is decided here whether they hold for the
// entry as it is now, and the write is pinned to just that: if the entry has changed in between, the
// service refuses the write and everything begins again.
func (a *api) conditionally(
	ctx context.Context, key string, c condition, write func(*keyvaluev1.Precondition) error,
) error {
	if p, ok := c.precondition(); ok {
		return write(p)
	}
	if caller := auth.FromContext(ctx); caller != nil {
		if err := caller.MayWrite(key); err != nil {
			return err // and not whether the condition holds
		}
	}
	for range pinAttempts {
		now, err := a.state(ctx, key)
		if err != nil {
			return err
		}
		if err := c.checkWrite(now); err != nil {
			return err
		}
		if err := write(now.pin()); !preconditionFailed(err) {
			return err
		}
	}
	return contract.Overloaded.Errorf("the key changes too often to check the condition; nothing was written")
}

func (a *api) state(ctx context.Context, key string) (state, error) {
	res, err := a.client.Get(ctx, &keyvaluev1.GetRequest{Key: key})
	switch {
	case err == nil:
		return state{exists: true, etag: res.GetEntry().GetEtag()}, nil
	case contract.ReasonOf(err) == contract.KeyNotFound:
		return state{}, nil
	}
	return state{}, err
}

// pin returns the precondition that holds while the entry stays as it is.
func (s state) pin() *keyvaluev1.Precondition {
	if !s.exists {
		return mustExist(false)
	}
	return mustBe(s.etag)
}

func preconditionFailed(err error) bool {
	switch contract.ReasonOf(err) {
	case contract.ETagMismatch, contract.KeyExists, contract.KeyAbsent:
		return true
	}
	return false
}
