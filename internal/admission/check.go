package admission

import (
	"context"

	"connectrpc.com/connect/v2"

	"key-value/internal/contract"
)

// Door is a server interceptor that refuses calls which l would refuse, before their message is read.
func (l *Limiter) Door(next connect.ServerFunc) connect.ServerFunc {
	refusal := overloaded()
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		if counted(spec.Procedure) && l.Full(large(spec.Procedure)) {
			return refusal
		}
		return next(ctx, spec, stream)
	}
}

// counted reports whether calls of procedure are bounded as calls. GetStats says whether the service is there, and
// watches are bounded as such.
func counted(procedure string) bool {
	m := contract.MethodOf(procedure)
	return m != nil && (m.Size == contract.OneEntry || m.Size == contract.ManyEntries)
}

// large reports whether calls of procedure can be much work.
func large(procedure string) bool {
	m := contract.MethodOf(procedure)
	return m != nil && m.Size == contract.ManyEntries
}
