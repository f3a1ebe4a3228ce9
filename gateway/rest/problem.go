package rest

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"connectrpc.com/connect/v2"

	"key-value/internal/admission"
	"key-value/internal/contract"
)

// problem is an answer as RFC 9457 has it, in application/problem+json.
type problem struct {
	kind
	reason   contract.Reason
	detail   string
	metadata map[string]string // ErrorInfo.metadata
	retry    time.Duration     // when to ask again, if the status is one that says so; zero: soon
}

// Values of headers that are the same for every problem.
var (
	problemType  = []string{"application/problem+json"}
	authenticate = []string{`Bearer realm="keyvalue"`}
	soon         = []string{"1"} // seconds
)

// WriteError answers r with err in application/problem+json. The status follows from the reason of err, or
// else from its code; what an internal error says is not shown.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	if err == admission.ErrOverloaded {
		writeOverloaded(w, r)
		return
	}
	p := problemOf(err)
	h := w.Header()
	setCommonHeaders(h)
	p.setHeaders(h)
	writeBody(w, r, p.status, append(p.appendJSON(nil), '\n'))
}

// WriteWrongMethod answers r, whose path has only the methods that are allowed, and OPTIONS, which it answers too.
func WriteWrongMethod(w http.ResponseWriter, r *http.Request, allowed ...string) {
	route := &route{}
	for _, name := range allowed {
		route.methods = append(route.methods, method{name: name})
	}
	route.allow = []string{route.allowed()}
	if r.Method == http.MethodOptions {
		_ = options(w, route)
		return
	}
	WriteError(w, r, route.refuse(w, r))
}

// problemOf describes err. Only a message that comes with a reason was written for the caller; others are a
// transport's and may tell what is behind the gateway.
func problemOf(err error) problem {
	r, metadata, said := reasonOf(err)
	p := problem{kind: kinds[r], reason: r, metadata: metadata}
	if p.status == http.StatusTooManyRequests || p.status == http.StatusServiceUnavailable {
		p.retry = contract.RetryDelay(err)
	}
	p.detail = p.title
	if e, ok := errors.AsType[*connect.Error](err); ok && said && r != internal {
		p.detail = cmp.Or(e.Message(), p.title)
	}
	return p
}

// overloaded is the body of the answer to [admission.ErrOverloaded].
var overloaded = append(problemOf(admission.ErrOverloaded).appendJSON(nil), '\n')

// writeOverloaded answers r with the body made before: a refusal must cost next to nothing.
func writeOverloaded(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	setCommonHeaders(h)
	h["Content-Type"] = problemType
	h["Retry-After"] = soon
	writeBody(w, r, http.StatusServiceUnavailable, overloaded)
}

func (p problem) setHeaders(h http.Header) {
	h["Content-Type"] = problemType
	switch p.status {
	case http.StatusUnauthorized:
		h["Www-Authenticate"] = authenticate
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h["Retry-After"] = retryAfter(p.retry)
	}
}

// retryAfter returns whole seconds, at least one.
func retryAfter(wait time.Duration) []string {
	if wait <= time.Second {
		return soon
	}
	return []string{strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)}
}

func (p problem) appendJSON(b []byte) []byte {
	b = append(b, `{"type":`...)
	b = appendString(b, "urn:keyvalue:reason:"+string(p.reason))
	b = append(b, `,"title":`...)
	b = appendString(b, p.title)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(p.status), 10)
	b = append(b, `,"detail":`...)
	b = appendString(b, p.detail)
	b = append(b, `,"reason":`...)
	b = appendString(b, string(p.reason))
	return append(appendMetadata(b, p.metadata), '}')
}

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
