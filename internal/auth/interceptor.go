package auth

import (
	"context"

	"connectrpc.com/connect/v2"
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
			ctx, err := k.Admit(ctx, info.RequestHeader(), info.PeerAddr)
			if err != nil {
				return err
			}
			return next(ctx, spec, stream)
		}
	}
}
