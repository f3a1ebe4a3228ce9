package requestid

import (
	"context"
	"strconv"
	"strings"

	"connectrpc.com/connect/v2"
)

// Answer is a server interceptor of the gateway: it gives every call an id, and answers with it.
func Answer(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		info, _ := connect.CallInfoForServerContext(ctx)
		i := accept(ctx, info.RequestHeader().Values(Header))
		info.ResponseHeader().SetValues(Header, i.value[:])
		return next(i, spec, stream)
	}
}

// Take is a server interceptor of the service: it takes the id that a gateway passes on, or those of a batch. It makes
// none, and does not answer with it.
func Take(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		info, _ := connect.CallInfoForServerContext(ctx)
		if values := info.RequestHeader().Values(Header); len(values) == 1 && validList(values[0]) {
			ctx = &id{Context: ctx, value: [1]string(values), given: true}
		}
		return next(ctx, spec, stream)
	}
}

// Pass returns a transport over next that passes the id of each call on, as a header.
func Pass(next connect.Transport) connect.Transport { return passing{next} }

type passing struct{ next connect.Transport }

func (p passing) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	if i := of(ctx); i != nil {
		info, ok := connect.CallInfoForClientContext(ctx)
		if !ok {
			ctx, info = connect.NewClientContext(ctx)
		}
		info.RequestHeader().SetValues(Header, i.value[:])
	}
	return p.next.NewClientStream(ctx, spec)
}

// Gather returns ctx with the ids of calls that are made together, separated by commas: those that callers chose, and if
// all is set, those that were made too. Of ids that do not fit into 8 KiB the number remains, such as "+17".
func Gather(ctx context.Context, calls []context.Context, all bool) context.Context {
	var list strings.Builder
	left := 0
	for _, call := range calls {
		i := of(call)
		switch {
		case i == nil, !i.given && !all:
			continue
		case list.Len()+len(i.value[0]) > maxList-len(",+1000,"):
			left++
			continue
		case list.Len() > 0:
			list.WriteByte(',')
		}
		list.WriteString(i.value[0])
	}
	if left > 0 {
		list.WriteString(",+" + strconv.Itoa(left))
	}
	if list.Len() == 0 {
		return ctx
	}
	return &id{Context: ctx, value: [1]string{list.String()}, given: true}
}
