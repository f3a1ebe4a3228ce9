package auth

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// Describe returns what the caller in ctx may know of its own API key. It fails with reason API_KEY_INVALID if ctx has no
// caller.
func Describe(ctx context.Context) (*keyvaluev1.GetCallerResponse, error) {
	p := FromContext(ctx)
	if p == nil {
		return nil, errNoCaller
	}
	described := &keyvaluev1.GetCallerResponse{Id: p.ID}
	for _, grant := range p.grants {
		described.Grants = append(described.Grants, &keyvaluev1.Grant{Prefix: grant.Prefix, Ops: grant.Ops.Words()})
	}
	if !p.expires.IsZero() {
		described.ExpireTime = timestamppb.New(p.expires)
	}
	if p.rate != nil {
		described.Rate = p.rate.perSecond
	}
	return described, nil
}
