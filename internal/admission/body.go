package admission

import (
	"context"
	"io"
	"net/http"

	"connectrpc.com/connect/v2"

	"key-value/internal/contract"
)

// PublicBytes is how much is read of a request that needs no API key.
const PublicBytes = 4 << 10

// errPublic is the error of reading more than PublicBytes.
var errPublic = contract.ValueTooLarge.NewError(connect.CodeResourceExhausted, nil,
	"message too large for a call without an API key")

// body is the body of a request. What is read of it is charged to the account of the call: as much as was declared before
// anything is read, and otherwise as it arrives.
type body struct {
	io.ReadCloser
	declared int64    // -1: not known
	bound    int64    // beyond which bytes are discarded and not charged
	public   bool     // whether no more than PublicBytes may be read
	account  *Account // nil: nothing is charged
	read     int64    // bytes
	charged  int64    // bytes
}

// Body returns the body of a request, from which at most bound bytes are kept. Length is its declared length, -1 if that is
// not known.
func (a *Account) Body(r io.ReadCloser, length, bound int64) io.ReadCloser {
	if a == nil || isSmall(r, length) {
		return r
	}
	return &body{ReadCloser: r, declared: length, bound: bound, account: a}
}

// isSmall reports whether the body r is part of what every call may use.
func isSmall(r io.ReadCloser, length int64) bool {
	return r == nil || r == http.NoBody || length >= 0 && length*bodyCopies <= freeBytes
}

func (b *body) Read(p []byte) (int, error) {
	switch {
	case b.public && b.read > PublicBytes:
		return 0, errPublic
	case b.public:
		p = p[:min(int64(len(p)), PublicBytes+1-b.read)]
	case b.declared < 0:
		p = p[:min(len(p), stepBytes)]
	}
	if err := b.charge(int64(len(p))); err != nil {
		return 0, err
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	return n, err
}

// Decoded takes back what a body from [Account.Body] was charged for, except for what was decoded from it.
func Decoded(r io.ReadCloser) {
	if b, ok := r.(*body); ok {
		b.account.Drop((bodyCopies - 1) * b.charged)
		b.charged = 0
	}
}

// charge charges the next n bytes, or all bytes if their number was declared, as far as they are not charged yet.
func (b *body) charge(n int64) error {
	n += b.read
	if b.declared >= 0 {
		n = b.declared
	}
	if n = min(n, b.bound); n <= b.charged {
		return nil
	}
	if err := b.account.Add(bodyCopies * (n - b.charged)); err != nil {
		return err
	}
	b.charged = n
	return nil
}

type bodyKey struct{}

// WithBody returns r with a body that [Checks.Admit] charges to the account of the call, or [AdmitPublic] bounds, when they
// are called with the context of r. At most bound bytes of it are kept. Small bodies stay as they are.
func WithBody(r *http.Request, bound int64) *http.Request {
	if isSmall(r.Body, r.ContentLength) {
		return r
	}
	b := &body{ReadCloser: r.Body, declared: r.ContentLength, bound: bound}
	r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, b))
	r.Body = b
	return r
}

// AdmitPublic bounds the body of the request whose context is ctx, which needs no API key.
func AdmitPublic(ctx context.Context) {
	if b, ok := ctx.Value(bodyKey{}).(*body); ok {
		b.public = true
	}
}

// charge has the body of the request whose context is ctx charged to a.
func charge(ctx context.Context, a *Account) {
	if b, ok := ctx.Value(bodyKey{}).(*body); ok {
		b.account = a
	}
}
