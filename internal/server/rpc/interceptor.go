package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/contract/etag"
	"key-value/internal/contract/messagejson"
	"key-value/internal/server/grpclane"
)

// finish turns a panic, and any error that was not chosen for the caller, into an internal error without its cause, and
// logs what the caller does not see. At level debug it logs every call.
func finish(log *slog.Logger) connect.ServerInterceptor {
	return func(next connect.ServerFunc) connect.ServerFunc {
		return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) (err error) {
			var start time.Time
			logged := log.Enabled(ctx, slog.LevelDebug)
			if logged {
				start = time.Now()
			}
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
				}
				err = forCaller(ctx, log, spec, err)
				if logged {
					logCall(ctx, log, spec, err, time.Since(start))
				}
			}()
			return next(ctx, spec, stream)
		}
	}
}

// forCaller returns the error that the caller gets for err.
func forCaller(ctx context.Context, log *slog.Logger, spec connect.Spec, err error) error {
	if err == nil {
		return nil
	}
	e, coded := errors.AsType[*connect.Error](err)
	switch {
	case coded && !e.IsRemote() && (e.Code() != connect.CodeInternal || errors.Is(e, contract.ErrCaller)):
		return contract.WithReason(e)
	case errors.Is(err, context.DeadlineExceeded):
		return contract.DeadlineExceeded.Errorf("the deadline passed before the call completed")
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, "the caller canceled the call")
	}
	log.ErrorContext(ctx, "call failed", "procedure", spec.Procedure, "error", err)
	return contract.Internal.Errorf("internal error").WithCause(err)
}

func logCall(ctx context.Context, log *slog.Logger, spec connect.Spec, err error, took time.Duration) {
	code := "ok"
	if err != nil {
		code = connect.CodeOf(err).String()
	}
	info, _ := connect.CallInfoForServerContext(ctx)
	log.DebugContext(ctx, "call", "procedure", spec.Procedure, "protocol", info.Protocol, "peer", info.PeerAddr,
		"code", code, "reason", string(contract.ReasonOf(err)), "took", took)
}

// unbuffered sets the headers of streams, which are those of their failures too.
func unbuffered(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		if spec.StreamType == connect.StreamTypeUnary {
			return next(ctx, spec, stream)
		}
		if info, ok := connect.CallInfoForServerContext(ctx); ok {
			for name, values := range contract.StreamHeaders {
				info.ResponseHeader().SetValues(name, values)
			}
		}
		return next(ctx, spec, stream)
	}
}

// admit makes the checks before the message is read.
func admit(checks admission.Checks) connect.ServerInterceptor {
	return func(next connect.ServerFunc) connect.ServerFunc {
		if checks.None() {
			return next
		}
		return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
			info, _ := connect.CallInfoForServerContext(ctx)
			transport, _ := info.TransportInfo.(grpclane.Call)
			if Public(spec.Procedure) {
				admission.AdmitPublic(ctx)
				if transport != nil {
					transport.Bound(admission.PublicBytes)
				}
				return next(ctx, spec, stream)
			}
			ctx, account, err := checks.Admit(ctx, admission.Request{
				Procedure: spec.Procedure, Header: info.RequestHeader(), Peer: info.PeerAddr,
			})
			if err != nil {
				return err
			}
			defer account.End()
			if transport != nil && account != nil {
				transport.Charge(account)
			}
			return next(ctx, spec, stream)
		}
	}
}

// explain adds a reason to the errors of messages that cannot be read. If checks admitted the call, it charges the messages
// that are sent to the account of the call; what is read, the transport charges.
func explain(checks admission.Checks) connect.ServerInterceptor {
	return func(next connect.ServerFunc) connect.ServerFunc {
		return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
			m := messages{ServerStream: stream, procedure: spec.Procedure}
			if !checks.None() {
				m.account = admission.AccountOf(ctx)
			}
			if _, ok := stream.(*served); ok && m.account == nil {
				return next(ctx, spec, stream) // its messages are not encoded
			}
			if info, ok := connect.CallInfoForServerContext(ctx); ok {
				m.inJSON = info.Codec == connect.CodecNameJSON
			}
			return next(ctx, spec, m)
		}
	}
}

// messages are the messages of a call.
type messages struct {
	connect.ServerStream
	account   *admission.Account // nil: nothing is charged
	procedure string             // called
	inJSON    bool               // whether messages are encoded as JSON
}

func (m messages) Receive(message any) error {
	err := m.ServerStream.Receive(message)
	if err == nil {
		return m.account.Expect(message)
	}
	return unreadable(err, m.procedure)
}

func (m messages) Send(message any) error {
	if event, ok := message.(*keyvaluev1.WatchResponse); ok {
		return m.sendEvent(event)
	}
	if err := m.account.AddAnswer(message, m.inJSON); err != nil {
		return err
	}
	return unread(m.ServerStream.Send(message))
}

// sendEvent sends an event for which memory was charged when it was read, except for what JSON takes in addition.
func (m messages) sendEvent(event *keyvaluev1.WatchResponse) error {
	if m.inJSON {
		growth := int64(messagejson.Growth(event))
		if err := m.account.Add(growth); err != nil {
			return err
		}
		defer m.account.Drop(growth)
	}
	err := m.ServerStream.Send(event)
	m.account.Sent(1)
	return unread(err)
}

// noCompressor is what both lanes say of a message whose compressed flag is set although no encoding was agreed on.
const noCompressor = "sent compressed message without compression support"

// maxBytes is what both lanes say before the bound of a message that exceeds it.
const maxBytes = "larger than configured max "

// tooLarge returns the reason and message for e, the error of a message of procedure that exceeds a bound. The code is that of
// the protocols.
func tooLarge(e *connect.Error, procedure string) *connect.Error {
	reason, message := contract.ValueTooLarge, e.Message()
	if procedure == contract.Batch.Procedure {
		reason = contract.BatchTooLarge
	}
	if _, bound, ok := strings.Cut(message, maxBytes); ok {
		message = "the message exceeds " + bound + " bytes"
	}
	return reason.NewError(e.Code(), nil, message)
}

// unreadable returns what the caller gets for err, with which the reading of a message of procedure failed. It is the
// caller's mistake, so the codes internal and unknown, which protocols prescribe for some, become invalid_argument.
func unreadable(err error, procedure string) error {
	e, ok := errors.AsType[*connect.Error](err)
	if !ok || len(e.Details()) != 0 || errors.Is(err, io.EOF) {
		return err
	}
	switch e.Code() {
	case connect.CodeInternal, connect.CodeUnknown, connect.CodeInvalidArgument:
		if strings.Contains(e.Message(), noCompressor) { // gRPC demands its code
			e = contract.RequestInvalid.NewError(connect.CodeInternal, nil,
				"the compressed flag of a message is set, but no header names its encoding: send messages uncompressed")
			break
		}
		e = contract.RequestInvalid.Errorf("%s", e.Message())
	case connect.CodeResourceExhausted:
		e = tooLarge(e, procedure)
	case connect.CodeDeadlineExceeded:
		e = contract.DeadlineExceeded.Errorf("the request message did not arrive in time")
	}
	return contract.WithReason(e).WithCause(contract.ErrCaller)
}

// unread returns what the caller would get for err, with which the writing of a message failed: the caller did not read it,
// unless it could not be encoded.
func unread(err error) error {
	e, ok := errors.AsType[*connect.Error](err)
	if !ok || len(e.Details()) != 0 || e.Code() == connect.CodeInternal {
		return err
	}
	return e.WithCause(contract.ErrCaller)
}

// cacheable adds an ETag header to the response of a Get that came as HTTP GET, which only Connect allows, and answers
// 304 Not Modified if the caller has that version (RFC 9110, section 13.1.2).
func cacheable(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		info, ok := connecthttp.ServerInfoForContext(ctx)
		if !ok || spec.Procedure != keyvaluev1connect.KeyValueServiceGetProcedure || info.HTTPMethod() != http.MethodGet {
			return next(ctx, spec, stream)
		}
		call, _ := connect.CallInfoForServerContext(ctx)
		known, err := etag.Parse(call.RequestHeader().Values("If-None-Match"))
		if err != nil {
			return contract.RequestInvalid.Errorf("If-None-Match: %v", err)
		}
		return next(ctx, spec, cacheableStream{stream, call, known})
	}
}

type cacheableStream struct {
	connect.ServerStream
	call  *connect.CallInfo
	known etag.Condition // the versions that the caller has
}

func (s cacheableStream) Send(message any) error {
	response, ok := message.(*keyvaluev1.GetResponse)
	if !ok {
		return s.ServerStream.Send(message)
	}
	header := s.call.ResponseHeader()
	header.Set("Cache-Control", "private, no-cache")
	header.Set("Vary", "Accept-Encoding, X-Api-Key, Authorization")
	if response.GetEntry() == nil { // it may be missing, and has no version
		return s.ServerStream.Send(message)
	}
	tag := response.GetEntry().GetEtag()
	header.Set("ETag", etag.Quote(tag))
	if s.known.MatchesWeakly(tag) {
		return connecthttp.NewNotModifiedError()
	}
	return s.ServerStream.Send(message)
}
