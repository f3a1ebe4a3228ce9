package rpc

import (
	"context"
	"net/http"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/internal/contract/etag"
)

// cacheable gives a Get that came as HTTP GET, which only Connect does, its ETag header, and answers 304 Not
// Modified if the caller has that version already (RFC 9110, section 13.1.2).
func cacheable(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		http1, ok := connecthttp.ServerInfoForContext(ctx)
		if !ok || spec.Procedure != keyvaluev1connect.KeyValueServiceGetProcedure || http1.HTTPMethod() != http.MethodGet {
			return next(ctx, spec, stream)
		}
		info, _ := connect.CallInfoForServerContext(ctx)
		known, err := etag.Parse(info.RequestHeader().Values("If-None-Match"))
		if err != nil {
			return contract.RequestInvalid.Errorf("If-None-Match: %v", err)
		}
		return next(ctx, spec, cacheableStream{stream, info, known})
	}
}

type cacheableStream struct {
	connect.ServerStream
	info  *connect.CallInfo
	known etag.Condition // what the caller has
}

func (s cacheableStream) Send(message any) error {
	response, ok := message.(*keyvaluev1.GetResponse)
	if !ok {
		return s.ServerStream.Send(message)
	}
	tag := response.GetEntry().GetEtag()
	header := s.info.ResponseHeader()
	header.Set("ETag", etag.Quote(tag))
	header.Set("Cache-Control", "private, no-cache")
	header.Set("Vary", "Accept-Encoding, X-Api-Key, Authorization")
	if s.known.MatchesWeakly(tag) {
		return connecthttp.NewNotModifiedError()
	}
	return s.ServerStream.Send(message)
}
