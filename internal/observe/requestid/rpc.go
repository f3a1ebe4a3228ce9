package requestid

import (
	"context"
	"strconv"
	"strings"

	"connectrpc.com/connect/v2"
)

// Answer is a server interceptor for the gateway. It gives every call an id and returns it in the response header.
func Answer(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		info, _ := connect.CallInfoForServerContext(ctx)
		i := &Context{}
		i.accept(ctx, info.RequestHeader().Values(Header))
		info.ResponseHeader().SetValues(Header, i.value[:])
		return next(i, spec, stream)
	}
}

// Take is a server interceptor for the service. It accepts the id, or the list of a batch, from the gateway. It
// generates none and returns none.
func Take(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		info, _ := connect.CallInfoForServerContext(ctx)
		if values := info.RequestHeader().Values(Header); len(values) == 1 && validList(values[0]) {
			ctx = &Context{Context: ctx, value: [1]string(values)}
		}
		return next(ctx, spec, stream)
	}
}

// Pass returns a transport over next that sends the id of each call in a header.
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

// Gather returns ctx with the ids of calls that are batched, separated by commas. If they exceed 8 KiB, the number of the
// rest follows, such as "+17".
func Gather(ctx context.Context, calls []context.Context) context.Context {
	var list strings.Builder
	list.Grow(min(len(calls)*len("0123456789abcdef,"), maxList))
	left := 0
	for _, call := range calls {
		i := of(call)
		switch {
		case i == nil:
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
	return &Context{Context: ctx, value: [1]string{list.String()}}
}
