package rest

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"connectrpc.com/connect/v2"

	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/contract/problem"
)

// failure is the response to a request that failed.
type failure struct {
	problem.Problem
	retryAfter time.Duration // for 429 and 503; less than a second counts as one
}

// Values of headers, shared by all responses and never written to.
var (
	challenge = []string{`Bearer realm="keyvalue"`}
	oneSecond = []string{"1"}
)

// WriteError answers r with err as application/problem+json. The status follows from the reason of err, or from its
// code if it has no reason. The message of an internal error is not shown.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	if err == admission.ErrOverloaded {
		writeOverloaded(w, r)
		return
	}
	f := failureOf(err)
	h := w.Header()
	setCommonHeaders(h)
	f.setHeaders(h)
	f.Write(w, r)
}

// WriteWrongMethod answers r, a request for a path that has only the allowed methods. It answers OPTIONS too.
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
	WriteError(w, r, route.wrongMethod(w, r))
}

// failureOf describes err. Only a message with a reason was written for the caller: any other comes from a transport and
// may name what the gateway connects to.
func failureOf(err error) failure {
	reason, metadata, given := reasonOf(err)
	s := statuses[reason]
	if errors.Is(err, errTooSlow) {
		s = status{http.StatusRequestTimeout, "Request timeout"}
	}
	f := failure{Problem: problem.Problem{Status: s.code, Title: s.title, Reason: string(reason), Metadata: metadata}}
	if s.code == http.StatusTooManyRequests || s.code == http.StatusServiceUnavailable {
		f.retryAfter = contract.RetryDelay(err)
	}
	message := s.title
	if e, ok := errors.AsType[*connect.Error](err); ok && given && reason != contract.Internal {
		message = cmp.Or(e.Message(), s.title)
	}
	f.Detail = sentence(message)
	return f
}

// sentence makes an error message a sentence: it begins with a capital letter, unless it begins with the name of a field
// such as page_token, and ends with a full stop.
func sentence(message string) string {
	word, _, _ := strings.Cut(message, " ")
	first, size := utf8.DecodeRuneInString(word)
	if strings.IndexFunc(strings.TrimRight(word, ",:;"), notLower) < 0 {
		message = string(unicode.ToUpper(first)) + message[size:]
	}
	if strings.HasSuffix(message, ".") {
		return message
	}
	return message + "."
}

func notLower(r rune) bool { return !unicode.IsLower(r) }

// overloaded is the body of the response to [admission.ErrOverloaded]. Encoding it once keeps a rejection cheap.
var overloaded = append(failureOf(admission.ErrOverloaded).Append(nil), '\n')

func writeOverloaded(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	setCommonHeaders(h)
	h["Retry-After"] = oneSecond
	problem.Write(w, r, http.StatusServiceUnavailable, overloaded)
}

func (f failure) setHeaders(h http.Header) {
	switch f.Status {
	case http.StatusUnauthorized:
		h["Www-Authenticate"] = challenge
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h["Retry-After"] = retryAfter(f.retryAfter)
	}
}

// retryAfter returns wait in whole seconds, rounded up and at least one.
func retryAfter(wait time.Duration) []string {
	if wait <= time.Second {
		return oneSecond
	}
	return []string{strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)}
}

// Reasons that only REST has.
const (
	routeNotFound        contract.Reason = "ROUTE_NOT_FOUND"
	methodNotAllowed     contract.Reason = "METHOD_NOT_ALLOWED"
	notAcceptable        contract.Reason = "NOT_ACCEPTABLE"
	mediaTypeUnsupported contract.Reason = "MEDIA_TYPE_UNSUPPORTED"
)

// canceled is the reason of requests whose callers have disconnected. It is only for the log.
const canceled contract.Reason = "CANCELED"

// statusClientClosedRequest is the status that proxies log for a request whose caller has disconnected.
const statusClientClosedRequest = 499

// status is the status code of a reason, and the title of its problem.
type status struct {
	code  int
	title string
}

// statuses holds every reason that a response can have.
var statuses = map[contract.Reason]status{
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
	contract.LogBehind:          {http.StatusServiceUnavailable, "Log is behind"},
	contract.APIKeyInvalid:      {http.StatusUnauthorized, "Invalid API key"},
	contract.TicketInvalid:      {http.StatusUnauthorized, "Invalid ticket"},
	contract.PermissionDenied:   {http.StatusForbidden, "Permission denied"},
	contract.ServiceUnavailable: {http.StatusServiceUnavailable, "Service unavailable"},
	contract.DeadlineExceeded:   {http.StatusGatewayTimeout, "Deadline exceeded"},

	routeNotFound:        {http.StatusNotFound, "Route not found"},
	methodNotAllowed:     {http.StatusMethodNotAllowed, "Method not allowed"},
	notAcceptable:        {http.StatusNotAcceptable, "Not acceptable"},
	mediaTypeUnsupported: {http.StatusUnsupportedMediaType, "Unsupported media type"},

	canceled:               {statusClientClosedRequest, "Canceled"},
	contract.Unimplemented: {http.StatusNotImplemented, "Not implemented"},
	contract.Internal:      {http.StatusInternalServerError, "Internal error"},
}

// reasonOf returns a reason of statuses for err, the metadata of err, and whether err has a reason itself.
func reasonOf(err error) (r contract.Reason, metadata map[string]string, given bool) {
	r, metadata, _ = contract.ErrorInfo(err)
	if _, ok := statuses[r]; ok {
		return r, metadata, true
	}
	return fallback(err), metadata, r != ""
}

// fallback chooses a reason for an error whose reason is missing or unknown.
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
	case connect.CodeResourceExhausted: // from a transport: the message is longer than its bound
		return contract.ValueTooLarge
	case connect.CodeUnimplemented:
		return contract.Unimplemented
	case connect.CodeUnavailable:
		return contract.ServiceUnavailable
	}
	return ofContext(err)
}

// ofContext chooses a reason for an error that did not come from the service.
func ofContext(err error) contract.Reason {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return contract.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		return canceled
	}
	return contract.Internal
}
