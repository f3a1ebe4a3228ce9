package grpclane

import (
	"context"
	"errors"
	"os"
	"strings"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectproto"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// connectStatus returns err as an error whose status grpc-go sends. As in connecthttp, only what a handler
// said on purpose reaches the caller: of any other error it learns a code and no more.
func connectStatus(err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*connect.Error](err)
	switch {
	case ok && e != nil && e.IsRemote():
		return status.Error(codes.Internal, "")
	case ok && e != nil:
		return verdict(e)
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, "")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "")
	}
	return status.Error(codes.Unknown, "")
}

func verdict(e *connect.Error) error {
	details := e.Details()
	if len(details) == 0 {
		return status.Error(codes.Code(e.Code()), e.Message())
	}
	// A message that is not UTF-8 would take the details down with it.
	s := &spb.Status{Code: int32(e.Code()), Message: strings.ToValidUTF8(e.Message(), "\uFFFD")}
	for _, detail := range details {
		s.Details = append(s.Details, connectproto.ErrorDetailToAny(detail))
	}
	return status.FromProto(s).Err()
}
