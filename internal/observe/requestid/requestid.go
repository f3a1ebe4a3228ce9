// Package requestid gives every request an id that connects the log entries of both services.
//
// A caller can choose the id with the header X-Request-Id; otherwise one is generated. The gateway returns it in the
// response and passes it on to its service. The id is not secret and says nothing about the caller.
package requestid

import (
	"context"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
)

// Header is the name of the header with the id.
const Header = "X-Request-Id"

const (
	// maxLength limits an id, in bytes.
	maxLength = 128
	// maxList limits the list of ids of a batch, in bytes.
	maxList = 8 << 10
)

// Context is a context with a request id. It is a single allocation, which is also the value of a header.
type Context struct {
	context.Context
	value [1]string
}

type contextKey struct{}

// Value implements [context.Context].
func (i *Context) Value(key any) any {
	if key == (contextKey{}) {
		return i
	}
	return i.Context.Value(key)
}

// accept makes i ctx with the id from the values of a request's header, or with a new one.
func (i *Context) accept(ctx context.Context, values []string) {
	i.Context = ctx
	if len(values) == 1 && valid(values[0]) {
		i.value = [1]string(values)
	} else {
		i.value[0] = random()
	}
}

// Accept makes i ctx with the id of a request, and sets the response header to it.
func (i *Context) Accept(ctx context.Context, request, response http.Header) {
	i.accept(ctx, request[Header])
	response[Header] = i.value[:]
}

// FromContext returns the id in ctx, or "" if there is none.
func FromContext(ctx context.Context) string {
	if i := of(ctx); i != nil {
		return i.value[0]
	}
	return ""
}

func of(ctx context.Context) *Context {
	i, _ := ctx.Value(contextKey{}).(*Context)
	return i
}

// valid reports whether s is a valid id: safe in a log entry, a header and a list.
func valid(s string) bool { return len(s) <= maxLength && clean(s, "") }

// validList reports whether s is a valid id, or a valid list of the ids of a batch.
func validList(s string) bool { return len(s) <= maxList && clean(s, ",+") }

// clean reports whether s is not empty and consists of letters, digits, "-_.:" and the characters in extra.
func clean(s, extra string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == ':':
		case strings.IndexByte(extra, c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// random returns an id that is unlikely to be generated again while logs are kept.
func random() string {
	var b [8]byte
	n := rand.Uint64()
	for i := range b {
		b[i] = byte(n >> (8 * i))
	}
	var text [2 * len(b)]byte
	hex.Encode(text[:], b[:])
	return string(text[:])
}

// LogHandler returns a handler over next that adds the id in the context to each record, as "request".
func LogHandler(next slog.Handler) slog.Handler { return logHandler{next} }

type logHandler struct{ slog.Handler }

func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	if i := of(ctx); i != nil {
		record.AddAttrs(slog.String("request", i.value[0]))
	}
	return h.Handler.Handle(ctx, record)
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }
