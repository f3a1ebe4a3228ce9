package hop

import (
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"strings"

	"key-value/internal/admission"
)

const (
	// replyCopies is how often a byte of a response is in memory while it is read: as it came, with room for more, and
	// decoded.
	replyCopies = 3
	// replyStep is how much of a response is read at once, in bytes.
	replyStep = 32 << 10
)

// charging is a [http.RoundTripper] that charges what is read of a response to the account of the gateway's caller, if its
// context has one.
type charging struct{ next http.RoundTripper }

func (c charging) RoundTrip(r *http.Request) (*http.Response, error) {
	next := c.next
	if next == nil {
		next = http.DefaultTransport
	}
	response, err := next.RoundTrip(r)
	account := admission.AccountOf(r.Context())
	if err != nil || account == nil {
		return response, err
	}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/connect+") {
		response.Body = &eventBody{ReadCloser: response.Body, ctx: r.Context(), account: account}
	} else {
		response.Body = &replyBody{ReadCloser: response.Body, account: account}
	}
	return response, nil
}

// CloseIdleConnections lets [http.Client] find that of the wrapped transport.
func (c charging) CloseIdleConnections() {
	if next, ok := c.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// replyBody is the response to a unary call. It is charged as it is read, until it is closed.
type replyBody struct {
	io.ReadCloser
	account *admission.Account
	charged int64 // bytes of memory
}

func (b *replyBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), replyStep)])
	if addErr := b.account.Add(replyCopies * int64(n)); addErr != nil {
		return 0, addErr
	}
	b.charged += replyCopies * int64(n)
	return n, err
}

func (b *replyBody) Close() error {
	b.account.Drop(b.charged)
	b.charged = 0
	return b.ReadCloser.Close()
}

// envelopeBytes is the length of what precedes each message of a stream: a byte of flags and four of length.
const envelopeBytes = 5

// eventBody is the response to a watch. It reads a message once there is memory for it: until then, it stays with the
// service, which keeps the position of the watch and no messages.
type eventBody struct {
	io.ReadCloser
	ctx     context.Context // of the watch
	account *admission.Account

	envelope [envelopeBytes]byte
	have     int   // bytes of envelope that have been read
	rest     int64 // bytes of the message that have not been read
}

func (b *eventBody) Read(p []byte) (int, error) {
	if b.rest > 0 {
		n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.rest)])
		b.rest -= int64(n)
		return n, err
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), envelopeBytes-b.have)])
	copy(b.envelope[b.have:], p[:n])
	if b.have += n; b.have < envelopeBytes || err != nil {
		return n, err
	}
	b.have, b.rest = 0, int64(binary.BigEndian.Uint32(b.envelope[1:]))
	return n, b.account.Wait(b.ctx, int(b.rest)*replyCopies/2) // Wait counts two copies
}
