//go:build conformance

package main

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/protobuf/proto"

	conformancev1 "key-value/test/conformance/gen/connectrpc/conformance/v1"
	"key-value/test/conformance/gen/connectrpc/conformance/v1/conformancev1connect"
)

// service implements the suite's service as documented there: each request says how to respond, and each response says
// what was received.
type service struct {
	conformancev1connect.UnimplementedConformanceServiceHandler
}

func (service) Unary(ctx context.Context, req *conformancev1.UnaryRequest) (*conformancev1.UnaryResponse, error) {
	payload, err := answer(ctx, req.GetResponseDefinition(), []proto.Message{req})
	return &conformancev1.UnaryResponse{Payload: payload}, err
}

func (service) IdempotentUnary(
	ctx context.Context, req *conformancev1.IdempotentUnaryRequest,
) (*conformancev1.IdempotentUnaryResponse, error) {
	payload, err := answer(ctx, req.GetResponseDefinition(), []proto.Message{req})
	return &conformancev1.IdempotentUnaryResponse{Payload: payload}, err
}

func (service) ClientStream(
	ctx context.Context, stream conformancev1connect.ConformanceServiceClientStreamServerStream,
) (*conformancev1.ClientStreamResponse, error) {
	var definition *conformancev1.UnaryResponseDefinition
	var requests []proto.Message
	for {
		req, err := stream.Receive()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if requests == nil {
			definition = req.GetResponseDefinition()
		}
		requests = append(requests, req)
	}
	payload, err := answer(ctx, definition, requests)
	return &conformancev1.ClientStreamResponse{Payload: payload}, err
}

// answer returns the response of a call with a single response.
func answer(
	ctx context.Context, definition *conformancev1.UnaryResponseDefinition, requests []proto.Message,
) (*conformancev1.ConformancePayload, error) {
	setMetadata(ctx, definition)
	info, err := requestInfo(ctx, requests)
	if err != nil {
		return nil, err
	}
	if err := wait(ctx, definition.GetResponseDelayMs()); err != nil {
		return nil, err
	}
	if definition.GetError() != nil {
		return nil, failure(definition.GetError(), info)
	}
	return &conformancev1.ConformancePayload{Data: definition.GetResponseData(), RequestInfo: info}, nil
}

func (service) ServerStream(
	ctx context.Context, req *conformancev1.ServerStreamRequest,
	stream conformancev1connect.ConformanceServiceServerStreamServerStream,
) error {
	responses := &responses{
		ctx: ctx, definition: req.GetResponseDefinition(), received: []proto.Message{req}, headers: stream.SendHeaders,
		send: func(p *conformancev1.ConformancePayload) error {
			return stream.Send(&conformancev1.ServerStreamResponse{Payload: p})
		},
	}
	setMetadata(ctx, responses.definition)
	return responses.finish()
}

func (service) BidiStream(
	ctx context.Context, stream conformancev1connect.ConformanceServiceBidiStreamServerStream,
) error {
	responses := &responses{
		ctx: ctx, headers: stream.SendHeaders,
		send: func(p *conformancev1.ConformancePayload) error {
			return stream.Send(&conformancev1.BidiStreamResponse{Payload: p})
		},
	}
	for first, fullDuplex := true, false; ; first = false {
		req, err := stream.Receive()
		if errors.Is(err, io.EOF) {
			return responses.finish()
		}
		if err != nil {
			return err
		}
		responses.received = append(responses.received, req)
		if first {
			fullDuplex = req.GetFullDuplex()
			responses.definition = req.GetResponseDefinition()
			setMetadata(ctx, responses.definition)
		}
		if !fullDuplex {
			continue
		}
		if responses.rest() == 0 {
			return responses.finish()
		}
		if err := responses.next(true); err != nil {
			return err
		}
	}
}

// responses are the responses of a stream.
type responses struct {
	ctx        context.Context
	definition *conformancev1.StreamResponseDefinition
	headers    func() error
	send       func(*conformancev1.ConformancePayload) error
	sent       int
	received   []proto.Message // received since the last response
}

func (r *responses) rest() int { return len(r.definition.GetResponseData()) - r.sent }

// next sends the next response. It describes the received requests if it is the first, or if tell is set.
func (r *responses) next(tell bool) error {
	payload := &conformancev1.ConformancePayload{Data: r.definition.GetResponseData()[r.sent]}
	if r.sent == 0 {
		if err := r.headers(); err != nil {
			return err
		}
	}
	info, err := requestInfo(r.ctx, r.received)
	if err != nil {
		return err
	}
	switch {
	case r.sent == 0:
		payload.RequestInfo = info
	case tell:
		payload.RequestInfo = &conformancev1.ConformancePayload_RequestInfo{Requests: info.GetRequests()}
	}
	if err := wait(r.ctx, r.definition.GetResponseDelayMs()); err != nil {
		return err
	}
	r.sent++
	r.received = nil
	return r.send(payload)
}

// finish sends the remaining responses and ends the stream.
func (r *responses) finish() error {
	for r.rest() > 0 {
		if err := r.next(false); err != nil {
			return err
		}
	}
	if r.definition.GetError() == nil {
		return nil
	}
	if r.sent > 0 {
		return failure(r.definition.GetError(), nil)
	}
	info, err := requestInfo(r.ctx, r.received)
	if err != nil {
		return err
	}
	return failure(r.definition.GetError(), info)
}

func wait(ctx context.Context, milliseconds uint32) error {
	select {
	case <-time.After(time.Duration(milliseconds) * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
