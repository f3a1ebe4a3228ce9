//go:build conformance

package main

import (
	"context"
	"iter"
	"maps"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	conformancev1 "key-value/test/conformance/gen/connectrpc/conformance/v1"
)

// setMetadata sets the headers and trailers in a definition.
func setMetadata(ctx context.Context, definition interface {
	GetResponseHeaders() []*conformancev1.Header
	GetResponseTrailers() []*conformancev1.Header
}) {
	info, _ := connect.CallInfoForServerContext(ctx)
	add(info.ResponseHeader(), definition.GetResponseHeaders())
	add(info.ResponseTrailer(), definition.GetResponseTrailers())
}

func add(to *connect.Header, headers []*conformancev1.Header) {
	for _, header := range headers {
		for _, value := range header.GetValue() {
			to.Add(header.GetName(), value)
		}
	}
}

// requestInfo describes the received requests.
func requestInfo(
	ctx context.Context, requests []proto.Message,
) (*conformancev1.ConformancePayload_RequestInfo, error) {
	call, _ := connect.CallInfoForServerContext(ctx)
	info := &conformancev1.ConformancePayload_RequestInfo{RequestHeaders: toProto(call.RequestHeader().All())}
	if deadline, ok := ctx.Deadline(); ok {
		info.TimeoutMs = proto.Int64(time.Until(deadline).Milliseconds())
	}
	http, _ := connecthttp.ServerInfoForContext(ctx)
	if query := http.HTTPGetQueryParams(); len(query) > 0 {
		info.ConnectGetInfo = &conformancev1.ConformancePayload_ConnectGetInfo{QueryParams: toProto(maps.All(query))}
	}
	for _, request := range requests {
		any, err := anypb.New(request)
		if err != nil {
			return nil, err
		}
		info.Requests = append(info.Requests, any)
	}
	return info, nil
}

func toProto(headers iter.Seq2[string, []string]) []*conformancev1.Header {
	var out []*conformancev1.Header
	for name, values := range headers {
		out = append(out, &conformancev1.Header{Name: name, Value: values})
	}
	return out
}

// failure returns the error in a definition, with info among its details unless it is nil.
func failure(definition *conformancev1.Error, info *conformancev1.ConformancePayload_RequestInfo) error {
	err := connect.NewError(connect.Code(definition.GetCode()), definition.GetMessage())
	details := definition.GetDetails()
	if info != nil {
		any, anyErr := anypb.New(info)
		if anyErr != nil {
			return anyErr
		}
		details = append(details, any)
	}
	for _, any := range details {
		detail, detailErr := connectproto.NewErrorDetail(any)
		if detailErr != nil {
			return detailErr
		}
		err = err.WithDetail(detail)
	}
	return err
}
