package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/internal/contract"
)

// finish is the outermost interceptor. It turns a panic, and any error that was not meant for the caller,
// into an internal error without a cause, and logs what the caller must not see. At level debug it logs
// every call.
func finish(log *slog.Logger) connect.ServerInterceptor {
	return func(next connect.ServerFunc) connect.ServerFunc {
		return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) (err error) {
			start := time.Now()
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
				}
				err = verdict(ctx, log, spec, err)
				if log.Enabled(ctx, slog.LevelDebug) {
					logCall(ctx, log, spec, err, time.Since(start))
				}
			}()
			return next(ctx, spec, stream)
		}
	}
}

// verdict returns what the caller is told of err.
func verdict(ctx context.Context, log *slog.Logger, spec connect.Spec, err error) error {
	if err == nil {
		return nil
	}
	e, coded := errors.AsType[*connect.Error](err)
	switch {
	case coded && !e.IsRemote() && e.Code() != connect.CodeInternal:
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return contract.DeadlineExceeded.Errorf("the deadline passed before the call was done")
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, "the caller went away")
	}
	log.ErrorContext(ctx, "call failed", "procedure", spec.Procedure, "error", err)
	return connect.NewError(connect.CodeInternal, "internal error").WithCause(err)
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

// explain gives a reason to the errors of messages that could not be read.
func explain(next connect.ServerFunc) connect.ServerFunc {
	return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
		return next(ctx, spec, explaining{stream})
	}
}

type explaining struct{ connect.ServerStream }

func (s explaining) Receive(message any) error {
	err := s.ServerStream.Receive(message)
	e, ok := errors.AsType[*connect.Error](err)
	if !ok || len(e.Details()) != 0 {
		return err
	}
	switch e.Code() {
	case connect.CodeInvalidArgument:
		return contract.RequestInvalid.Errorf("%s", e.Message())
	case connect.CodeResourceExhausted:
		return contract.ValueTooLarge.NewError(e.Code(), nil, e.Message())
	}
	return err
}
