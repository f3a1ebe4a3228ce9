package rest

import (
	"context"
	"errors"
	"net/http"

	"connectrpc.com/connect/v2"

	"key-value/internal/reason"
)

// Reasons that only REST has.
const (
	routeNotFound        reason.Reason = "ROUTE_NOT_FOUND"
	methodNotAllowed     reason.Reason = "METHOD_NOT_ALLOWED"
	notAcceptable        reason.Reason = "NOT_ACCEPTABLE"
	mediaTypeUnsupported reason.Reason = "MEDIA_TYPE_UNSUPPORTED"
)

// Reasons for errors that come without one.
const (
	canceled      reason.Reason = "CANCELED"
	unimplemented reason.Reason = "UNIMPLEMENTED"
	internal      reason.Reason = "INTERNAL"
)

// statusClientClosedRequest is what proxies log for a request whose caller has gone away.
const statusClientClosedRequest = 499

// kind is how a reason is answered.
type kind struct {
	status int
	title  string
}

// kinds has every reason that can be answered.
var kinds = map[reason.Reason]kind{
	reason.KeyNotFound:        {http.StatusNotFound, "Key not found"},
	reason.ETagMismatch:       {http.StatusPreconditionFailed, "Version does not match"},
	reason.KeyExists:          {http.StatusPreconditionFailed, "Key exists"},
	reason.KeyAbsent:          {http.StatusPreconditionFailed, "Key does not exist"},
	reason.KeyInvalid:         {http.StatusBadRequest, "Invalid key"},
	reason.ValueInvalid:       {http.StatusBadRequest, "Invalid value"},
	reason.TTLInvalid:         {http.StatusBadRequest, "Invalid TTL"},
	reason.PageTokenInvalid:   {http.StatusBadRequest, "Invalid page token"},
	reason.RequestInvalid:     {http.StatusBadRequest, "Invalid request"},
	reason.ValueTooLarge:      {http.StatusRequestEntityTooLarge, "Value too large"},
	reason.BatchTooLarge:      {http.StatusRequestEntityTooLarge, "Batch too large"},
	reason.NotAnInteger:       {http.StatusConflict, "Value is not an integer"},
	reason.IntegerOverflow:    {http.StatusConflict, "Integer overflow"},
	reason.ResumeTooOld:       {http.StatusGone, "Resume token too old"},
	reason.StoreFull:          {http.StatusInsufficientStorage, "Store full"},
	reason.RateLimited:        {http.StatusTooManyRequests, "Rate limit exceeded"},
	reason.Overloaded:         {http.StatusServiceUnavailable, "Overloaded"},
	reason.APIKeyInvalid:      {http.StatusUnauthorized, "Invalid API key"},
	reason.PermissionDenied:   {http.StatusForbidden, "Permission denied"},
	reason.ServiceUnavailable: {http.StatusServiceUnavailable, "Service unavailable"},
	reason.DeadlineExceeded:   {http.StatusGatewayTimeout, "Deadline exceeded"},

	routeNotFound:        {http.StatusNotFound, "Route not found"},
	methodNotAllowed:     {http.StatusMethodNotAllowed, "Method not allowed"},
	notAcceptable:        {http.StatusNotAcceptable, "Not acceptable"},
	mediaTypeUnsupported: {http.StatusUnsupportedMediaType, "Unsupported media type"},

	canceled:      {statusClientClosedRequest, "Canceled"},
	unimplemented: {http.StatusNotImplemented, "Not implemented"},
	internal:      {http.StatusInternalServerError, "Internal error"},
}

// reasonOf returns the reason of err, which kinds has, its metadata, and whether err said a reason itself.
func reasonOf(err error) (r reason.Reason, metadata map[string]string, said bool) {
	r, metadata, _ = reason.Info(err)
	if _, ok := kinds[r]; ok {
		return r, metadata, true
	}
	return fallback(err), metadata, r != ""
}

// fallback chooses a reason for an error that has none which is known here.
func fallback(err error) reason.Reason {
	switch connect.CodeOf(err) {
	case connect.CodeCanceled:
		return canceled
	case connect.CodeInvalidArgument:
		return reason.RequestInvalid
	case connect.CodeNotFound:
		return reason.KeyNotFound
	case connect.CodeDeadlineExceeded:
		return reason.DeadlineExceeded
	case connect.CodeUnauthenticated:
		return reason.APIKeyInvalid
	case connect.CodePermissionDenied:
		return reason.PermissionDenied
	case connect.CodeResourceExhausted: // a transport's: the message is longer than it takes
		return reason.ValueTooLarge
	case connect.CodeUnimplemented:
		return unimplemented
	case connect.CodeUnavailable:
		return reason.ServiceUnavailable
	}
	return ofContext(err)
}

// ofContext chooses a reason for an error that did not come from the service at all.
func ofContext(err error) reason.Reason {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return reason.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return canceled
	}
	return internal
}
