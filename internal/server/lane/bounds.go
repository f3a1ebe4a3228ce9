// Package lane holds what all lanes of a port have in common: the bounds of connections and requests.
package lane

import (
	"cmp"
	"time"

	"key-value/internal/contract"
)

// Bounds limit what one peer can cost the server. Every lane keeps them, whatever protocol it speaks. A field that is
// zero has its default.
type Bounds struct {
	// HeaderTimeout is how long a request line and its headers may take to arrive, and a TLS handshake before them.
	// Default: 10 seconds.
	HeaderTimeout time.Duration
	// BodyTimeout is how long the body of one request, or one message of a gRPC stream, may take to arrive.
	// Default: 30 seconds.
	BodyTimeout time.Duration
	// WriteTimeout is how long a peer may leave one write waiting before it counts as gone. Default: 30 seconds.
	WriteTimeout time.Duration
	// IdleTimeout closes a connection without requests. Default: 2 minutes.
	IdleTimeout time.Duration
	// PingAfter is how long an HTTP/2 connection may be silent before the server sends PING, and PingTimeout how long
	// the answer may take. Default: 30 and 15 seconds.
	PingAfter, PingTimeout time.Duration
	// PingInterval is the shortest interval at which a gRPC client may send PING; one that sends more is disconnected.
	// Default: 1 second.
	PingInterval time.Duration
	// SettleTimeout is how long the first request of an accepted connection may take to arrive, and its answer to
	// begin, once the server stops. Default: 1 second.
	SettleTimeout time.Duration
	// FlushTimeout is how long the last bytes of a connection may take once its lane has closed it. Default: 1 second.
	FlushTimeout time.Duration

	// HeaderBytes is the largest request line with its headers. Default: 16 KiB.
	HeaderBytes int
	// MessageBytes is the largest request message of the gRPC lane; [http.Handler]s bound their own bodies. Default:
	// what a value of the default size needs.
	MessageBytes int
	// Streams is how many calls one HTTP/2 connection may have open. Default: 1,000.
	Streams int
	// Undecided is how many connections may wait for their first request at once; net/http gets further ones without
	// a look at their first bytes. Default: 1,024.
	Undecided int

	// ResetsFree is how many more requests than it lets finish an HTTP/2 client may reset before it is slowed down,
	// ResetDelay what each further one costs it, and ResetsMax how many close the connection. Default: 100,
	// 5 milliseconds, 1,000.
	ResetsFree, ResetsMax int
	ResetDelay            time.Duration
	// Refusals is how many requests are refused on one connection of the gRPC lane before it is closed. A client should
	// stop at the first. Default: 1,000.
	Refusals int
}

// WithDefaults returns b with a value in every field.
func (b Bounds) WithDefaults() Bounds {
	return Bounds{
		HeaderTimeout: cmp.Or(b.HeaderTimeout, 10*time.Second),
		BodyTimeout:   cmp.Or(b.BodyTimeout, 30*time.Second),
		WriteTimeout:  cmp.Or(b.WriteTimeout, 30*time.Second),
		IdleTimeout:   cmp.Or(b.IdleTimeout, 2*time.Minute),
		PingAfter:     cmp.Or(b.PingAfter, 30*time.Second),
		PingTimeout:   cmp.Or(b.PingTimeout, 15*time.Second),
		PingInterval:  cmp.Or(b.PingInterval, time.Second),
		SettleTimeout: cmp.Or(b.SettleTimeout, time.Second),
		FlushTimeout:  cmp.Or(b.FlushTimeout, time.Second),
		HeaderBytes:   cmp.Or(b.HeaderBytes, 16<<10),
		MessageBytes:  cmp.Or(b.MessageBytes, contract.MaxRequestBytes(contract.DefaultValueBytes)),
		Streams:       cmp.Or(b.Streams, 1000),
		Undecided:     cmp.Or(b.Undecided, 1024),
		ResetsFree:    cmp.Or(b.ResetsFree, 100),
		ResetsMax:     cmp.Or(b.ResetsMax, 1000),
		ResetDelay:    cmp.Or(b.ResetDelay, 5*time.Millisecond),
		Refusals:      cmp.Or(b.Refusals, 1000),
	}
}
