package rest

import (
	"context"
	"errors"
	"net/http"

	"connectrpc.com/connect/v2"

	"key-value/internal/contract"
)

// Reasons that only REST has.
const (
	routeNotFound        contract.Reason = "ROUTE_NOT_FOUND"
	methodNotAllowed     contract.Reason = "METHOD_NOT_ALLOWED"
	notAcceptable        contract.Reason = "NOT_ACCEPTABLE"
	mediaTypeUnsupported contract.Reason = "MEDIA_TYPE_UNSUPPORTED"
)

// Reasons for errors that come without one.
const (
	canceled      contract.Reason = "CANCELED"
	unimplemented contract.Reason = "UNIMPLEMENTED"
	internal      contract.Reason = "INTERNAL"
)

// statusClientClosedRequest is what proxies log for a request whose caller has gone away.
const statusClientClosedRequest = 499

// kind is how a reason is answered.
type kind struct {
	status int
	title  string
}

// kinds has every reason that can be answered.
var kinds = map[contract.Reason]kind{
	contract.KeyNotFound:        {http.StatusNotFound, "Key not found"},
	contract.ETagMismatch:       {http.StatusPreconditionFailed, "Version does not match"},
	contract.KeyExists:          {http.StatusPreconditionFailed, "Key exists"},
	contract.KeyAbsent:          {http.StatusPreconditionFailed, "Key does not exist"},
	contract.KeyInvalid:         {http.StatusBadRequest, "Invalid key"},
	contract.ValueInvalid:       {http.StatusBadRequest, "Invalid value"},
	contract.TTLInvalid:         {http.StatusBadRequest, "Invalid TTL"},
	contract.PageTokenInvalid:   {http.StatusBadRequest, "Invalid page token"},
	contract.RequestInvalid:     {http.StatusBadRequest, "Invalid request"},
	contract.ValueTooLarge:      {http.StatusRequestEntityTooLarge, "Value too large"},
	contract.BatchTooLarge:      {http.StatusRequestEntityTooLarge, "Batch too large"},
	contract.NotAnInteger:       {http.StatusConflict, "Value is not an integer"},
	contract.IntegerOverflow:    {http.StatusConflict, "Integer overflow"},
	contract.ResumeTooOld:       {http.StatusGone, "Resume token too old"},
	contract.StoreFull:          {http.StatusInsufficientStorage, "Store full"},
	contract.RateLimited:        {http.StatusTooManyRequests, "Rate limit exceeded"},
	contract.Overloaded:         {http.StatusServiceUnavailable, "Overloaded"},
	contract.APIKeyInvalid:      {http.StatusUnauthorized, "Invalid API key"},
	contract.PermissionDenied:   {http.StatusForbidden, "Permission denied"},
	contract.ServiceUnavailable: {http.StatusServiceUnavailable, "Service unavailable"},
	contract.DeadlineExceeded:   {http.StatusGatewayTimeout, "Deadline exceeded"},

	routeNotFound:        {http.StatusNotFound, "Route not found"},
	methodNotAllowed:     {http.StatusMethodNotAllowed, "Method not allowed"},
	notAcceptable:        {http.StatusNotAcceptable, "Not acceptable"},
	mediaTypeUnsupported: {http.StatusUnsupportedMediaType, "Unsupported media type"},

	canceled:      {statusClientClosedRequest, "Canceled"},
	unimplemented: {http.StatusNotImplemented, "Not implemented"},
	internal:      {http.StatusInternalServerError, "Internal error"},
}

// reasonOf returns the reason of err, which kinds has, its metadata, and whether err said a reason itself.
func reasonOf(err error) (r contract.Reason, metadata map[string]string, said bool) {
	r, metadata, _ = contract.ErrorInfo(err)
	if _, ok := kinds[r]; ok {
		return r, metadata, true
	}
	return fallback(err), metadata, r != ""
}

// fallback chooses a reason for an error that has none which is known here.
func fallback(err error) contract.Reason {
	switch connect.CodeOf(err) {
	case connect.CodeCanceled:
		return canceled
	case connect.CodeInvalidArgument:
		return contract.RequestInvalid
	case connect.CodeNotFound:
		return contract.KeyNotFound
	case connect.CodeDeadlineExceeded:
		return contract.DeadlineExceeded
	case connect.CodeUnauthenticated:
		return contract.APIKeyInvalid
	case connect.CodePermissionDenied:
		return contract.PermissionDenied
	case connect.CodeResourceExhausted: // a transport's: the message is longer than it takes
		return contract.ValueTooLarge
	case connect.CodeUnimplemented:
		return unimplemented
	case connect.CodeUnavailable:
		return contract.ServiceUnavailable
	}
	return ofContext(err)
}

// ofContext chooses a reason for an error that did not come from the service at all.
func ofContext(err error) contract.Reason {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return contract.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return canceled
	}
	return internal
}
