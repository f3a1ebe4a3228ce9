// Package requestid gives every request an id, by which what was logged about it can be found in both services.
//
// Who calls may choose the id, with the header X-Request-Id; otherwise one is made. The gateway answers with it, and
// passes it on to its service. It is no secret, and says nothing about the caller.
package requestid

import (
	"context"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
)

// Header is the name of the header that carries an id.
const Header = "X-Request-Id"

const (
	// maxLength bounds an id, in bytes.
	maxLength = 128
	// maxList bounds the ids that a batch travels with, in bytes.
	maxList = 8 << 10
)

// id is a context with an id in it. It is one allocation, and the value of a header at once.
type id struct {
	context.Context
	value [1]string
	given bool // whether the caller chose it
}

type contextKey struct{}

// Value implements [context.Context].
func (i *id) Value(key any) any {
	if key == (contextKey{}) {
		return i
	}
	return i.Context.Value(key)
}

// accept returns ctx with the id that a request came with, as the values of its header, or else with a new one.
func accept(ctx context.Context, values []string) *id {
	if len(values) == 1 && valid(values[0]) {
		return &id{Context: ctx, value: [1]string(values), given: true}
	}
	return &id{Context: ctx, value: [1]string{random()}}
}

// Accept returns ctx with the id of a request, and puts the id into the headers of the answer.
func Accept(ctx context.Context, request, answer http.Header) context.Context {
	i := accept(ctx, request[Header])
	answer[Header] = i.value[:]
	return i
}

// FromContext returns the id in ctx, and "" if there is none.
func FromContext(ctx context.Context) string {
	if i := of(ctx); i != nil {
		return i.value[0]
	}
	return ""
}

func of(ctx context.Context) *id {
	i, _ := ctx.Value(contextKey{}).(*id)
	return i
}

// valid reports whether s can be an id: it is safe in a log line, a header and a list.
func valid(s string) bool { return len(s) <= maxLength && clean(s, "") }

// validList reports whether s can be an id or the ids of a batch.
func validList(s string) bool { return len(s) <= maxList && clean(s, ",+") }

// clean reports whether s consists of letters, digits, what is in extra, and a few marks, and is not empty.
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

// random returns an id that is unlikely to be used again within the time that logs are kept.
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

// LogHandler returns a handler that adds the id in the context of a line, as "request", and hands it to next.
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
