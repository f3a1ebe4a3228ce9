package rest

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"connectrpc.com/connect/v2"

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

// overloaded is the problem of a request that came while there was too much to do.
var overloaded = append(problemOf(contract.Overloaded.Errorf(
	"there is more to do than can be done; nothing was changed, try again later")).appendJSON(nil), '\n')

// writeOverloaded answers r with what was written down before: to refuse must cost next to nothing.
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

// appendMetadata appends a member of an object, unless there is nothing to say.
func appendMetadata(b []byte, metadata map[string]string) []byte {
	if len(metadata) == 0 {
		return b
	}
	b = append(b, `,"metadata":`...)
	before := byte('{')
	for _, name := range slices.Sorted(maps.Keys(metadata)) {
		b = appendString(append(b, before), name)
		b = appendString(append(b, ':'), metadata[name])
		before = ','
	}
	return append(b, '}')
}
