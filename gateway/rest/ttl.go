package rest

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"key-value/internal/contract"
)

// ttl returns how long the entry is to live: what the query says, or else inBody, which is nil if the body
// says nothing. It returns nil for ever.
func (r request) ttl(inBody *string) (*durationpb.Duration, error) {
	inQuery := r.query.Has("ttl")
	switch {
	case inQuery && inBody != nil:
		return nil, contract.RequestInvalid.Errorf("ttl is given both in the query and in the body")
	case inQuery:
		return parseTTL(r.query.Get("ttl"))
	}
	return parseTTLIfAny(inBody)
}

// parseTTLIfAny is parseTTL, and nil for nil.
func parseTTLIfAny(s *string) (*durationpb.Duration, error) {
	if s == nil {
		return nil, nil
	}
	return parseTTL(*s)
}

// parseTTL reads a duration in Go's syntax. Whether it is long or short enough is the service's to say;
// a duration that no int64 of nanoseconds can hold is refused here.
func parseTTL(s string) (*durationpb.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return nil, contract.TTLInvalid.Errorf(
			`ttl %q is not a duration such as "90s", "5m" or "1h30m", more than 0 and at most "87600h"`, s)
	}
	return durationpb.New(d), nil
}
