package apikey

import (
	"context"

	"connectrpc.com/connect/v2"

	"key-value/internal/reason"
)

// ServerInterceptor authenticates every call before its message is decoded. Procedures for which public
// returns true need no key.
func (k *Keys) ServerInterceptor(public func(procedure string) bool) connect.ServerInterceptor {
	return func(next connect.ServerFunc) connect.ServerFunc {
		return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
			if public(spec.Procedure) {
				return next(ctx, spec, stream)
			}
			info, _ := connect.CallInfoForServerContext(ctx)
			principal, err := k.Authenticate(info.RequestHeader())
			if err != nil {
				return err
			}
			return next(NewContext(ctx, principal), spec, stream)
		}
	}
}

// Require is a client interceptor that lets a call out only on behalf of somebody who was authenticated.
// It is the second door: a route that forgot the first one reaches nothing.
func Require(next connect.ClientFunc) connect.ClientFunc {
	return func(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
		if _, ok := FromContext(ctx); !ok {
			return nil, reason.APIKeyInvalid.Errorf("the call was made on behalf of nobody")
		}
		return next(ctx, spec)
	}
}
