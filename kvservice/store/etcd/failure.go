package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"key-value/kvservice/store"
)

// isError reports whether etcd failed with want, one of the errors of package rpctypes.
func isError(err, want error) bool {
	return err != nil && rpctypes.ErrorDesc(err) == rpctypes.ErrorDesc(want)
}

// refused returns the error of an engine for a request that etcd rejected, so that it changed nothing. It returns nil if the
// request may have been carried out.
func refused(err error) error {
	switch {
	case isError(err, rpctypes.ErrGRPCNoSpace):
		return fmt.Errorf("%w: %v", store.ErrFull, err)
	case isError(err, rpctypes.ErrGRPCRequestTooLarge), isTooLarge(err):
		return fmt.Errorf("%w: %v", store.ErrTooLarge, err)
	case isError(err, rpctypes.ErrGRPCRequestTooManyRequests), isError(err, rpctypes.ErrGRPCNoLeader), isUnsent(err):
		return fmt.Errorf("%w: %v", store.ErrUnavailable, err)
	}
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied, codes.FailedPrecondition, codes.DataLoss:
		return fmt.Errorf("%w: %v", store.ErrUnavailable, err)
	case codes.InvalidArgument, codes.OutOfRange, codes.Unimplemented:
		return err
	}
	return nil
}

// isTooLarge reports whether grpc-go rejected a request that is longer than the server reads.
func isTooLarge(err error) bool {
	return status.Code(err) == codes.ResourceExhausted && strings.Contains(err.Error(), "larger than max")
}

// isUnsent reports whether a request was not sent, because there is no connection.
func isUnsent(err error) bool {
	message := err.Error()
	return status.Code(err) == codes.Unavailable &&
		(strings.Contains(message, "Error while dialing") || strings.Contains(message, "authentication handshake failed"))
}

// readError returns the error of a read that failed with err.
func readError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, store.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %v", store.ErrUnavailable, err)
}

// passing reports whether a read that failed with err may succeed later, or with another member.
func passing(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Internal, codes.Unknown:
		return true
	case codes.ResourceExhausted:
		return isError(err, rpctypes.ErrGRPCRequestTooManyRequests)
	}
	return false
}

// cause returns what failed, without the words in which gRPC wraps it:
//
//	rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp …"
func cause(err error) string {
	message := status.Convert(err).Message()
	if _, inner, found := strings.Cut(message, `desc = "transport: `); found {
		return strings.TrimSuffix(inner, `"`)
	}
	return message
}
