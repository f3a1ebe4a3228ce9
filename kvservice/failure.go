package kvservice

import (
	"context"
	"errors"

	"connectrpc.com/connect/v2"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/kvservice/store"
)

// failure returns err, an engine's error about key, with its reason. An error that it does not know is returned
// unchanged; the caller sees it as an internal error without its cause.
func failure(key string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return contract.KeyNotFound.Errorf("there is no key %q", key)
	case errors.Is(err, store.ErrVersionMismatch):
		return contract.ETagMismatch.Errorf("the key %q does not have the expected etag", key)
	case errors.Is(err, store.ErrExists):
		return contract.KeyExists.Errorf("the key %q already exists", key)
	case errors.Is(err, store.ErrAbsent):
		return contract.KeyAbsent.Errorf("the key %q does not exist", key)
	case errors.Is(err, store.ErrNotInteger):
		return contract.NotAnInteger.Errorf("the value of %q is not a signed 64-bit integer in decimal", key)
	case errors.Is(err, store.ErrOverflow):
		return contract.IntegerOverflow.Errorf("the sum for key %q overflows a signed 64-bit integer", key)
	case errors.Is(err, store.ErrFull):
		return contract.StoreFull.Errorf("the store is full; delete entries or raise its memory limit")
	case errors.Is(err, store.ErrDiskFull):
		return contract.StoreFull.Errorf("the disk of the store is full; delete entries or make room on the disk")
	case errors.Is(err, store.ErrBehind):
		return contract.LogBehind.Errorf("the disk does not keep up with writes; nothing was changed, retry later")
	case errors.Is(err, store.ErrAcrossShards):
		return contract.RequestInvalid.Errorf(
			"the keys of an atomic batch are not stored together: this store requires the same {tag} in each, such as {42}/a and {42}/b")
	case errors.Is(err, store.ErrTooLarge):
		return contract.BatchTooLarge.Errorf(
			"the batch is too large for one transaction of the store; nothing was changed: send fewer or shorter values, or raise the store's limit")
	case errors.Is(err, store.ErrTokenInvalid):
		return contract.RequestInvalid.Errorf("invalid resume_token: want the complete token of an event from this service")
	case errors.Is(err, store.ErrResumeTooOld):
		return contract.ResumeTooOld.Errorf("the next changes are no longer kept; start again with a snapshot")
	case errors.Is(err, store.ErrLoading):
		return contract.ServiceUnavailable.Errorf("the store is loading its entries; nothing was changed, retry later")
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrClosed):
		return contract.ServiceUnavailable.Errorf("the store does not answer; nothing was changed")
	case errors.Is(err, store.ErrUnknownOutcome):
		return contract.ServiceUnavailable.Errorf("the store failed before it answered; the change may or may not have been made")
	case errors.Is(err, context.DeadlineExceeded):
		return contract.DeadlineExceeded.Errorf("the deadline passed before the call completed")
	}
	return err
}

// operationError returns err as the result of one operation in a batch.
func operationError(err error) *keyvaluev1.OperationResult {
	e := &keyvaluev1.OperationError{Code: connect.CodeInternal.String(), Message: "internal error"}
	if coded, ok := errors.AsType[*connect.Error](err); ok {
		e.Code, e.Message = coded.Code().String(), coded.Message()
	}
	if why, metadata, ok := contract.ErrorInfo(err); ok {
		e.Reason, e.Metadata = string(why), metadata
	}
	return &keyvaluev1.OperationResult{Result: &keyvaluev1.OperationResult_Error{Error: e}}
}
