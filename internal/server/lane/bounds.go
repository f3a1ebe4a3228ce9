// Package lane holds what the lanes of a port share: the bounds within which they serve connections and requests.
package lane

import (
	"cmp"
	"runtime"
	"time"

	"key-value/internal/contract"
)

// Bounds limit what one peer can cost the server. Every lane keeps them, whatever protocol it serves. The zero value of
// a field selects its default.
type Bounds struct {
	// HeaderTimeout is how long a request line and its headers may take to arrive, and before them a TLS handshake.
	// Default: 10 seconds.
	HeaderTimeout time.Duration
	// BodyTimeout is how long the server waits for the body of a request, or for one message of a gRPC stream, and
	// WriteTimeout for the peer to read what is written, unless bytes move at TransferRate: see [Pace].
	// Defaults: 30 seconds.
	BodyTimeout, WriteTimeout time.Duration
	// TransferRate is the least rate at which a peer must send bodies and read responses, in bytes a second, once
	// BodyTimeout or WriteTimeout is used up. Negative: any progress within that time is enough.
	// Default: [DefaultTransferRate].
	TransferRate int
	// IdleTimeout is how long a connection may be open without a request. It should exceed that of load balancers in
	// front, or they send requests on connections that are being closed. Default: [DefaultIdleTimeout].
	IdleTimeout time.Duration
	// PingAfter is how long an HTTP/2 connection may be silent before the server sends PING, and PingTimeout how long
	// the answer may take. Defaults: 30 and 15 seconds.
	PingAfter, PingTimeout time.Duration
	// PingInterval is how often a gRPC client may send PING. One that keeps sending more is disconnected.
	// Default: 1 second.
	PingInterval time.Duration
	// SettleTimeout is how long, when the server stops, the first request of an accepted connection may take to
	// arrive and the response to begin. Default: 1 second.
	SettleTimeout time.Duration
	// FlushTimeout is how long the last bytes of a connection may take after its lane has closed it.
	// Default: 1 second.
	FlushTimeout time.Duration

	// UnreadBytes is how much more of a request body a client may send when the response is complete before all of the
	// body was read, and UnreadTimeout how long that may take. Nobody reads it; without it, clients that are still
	// sending would lose the response.
	// Defaults: 1 MiB more than MessageBytes, 1 minute.
	UnreadBytes   int
	UnreadTimeout time.Duration

	// HeaderBytes is the largest size of a request line and its headers. Default: 16 KiB.
	HeaderBytes int
	// MessageBytes is the largest size of a request message in the gRPC lane; a [net/http.Handler] bounds bodies
	// itself. Default: enough for a value of the default size.
	MessageBytes int
	// Streams is how many calls an HTTP/2 connection may have open. Default: 100.
	Streams int
	// Strangers is how many requests on HTTP/2 connections without an authenticated caller may be under way, and
	// StrangersOpen how many may be open, both over all connections; [Limiter] tells the difference. Further ones wait
	// until a place is free, or has been held for StrangerWait. Defaults: 8 for each processor, 4,096, 25 milliseconds.
	Strangers, StrangersOpen int
	StrangerWait             time.Duration
	// Undecided is how many connections may wait for their first request. Beyond that, the one that has waited longest is
	// closed.
	// Default: 1,024.
	Undecided int

	// ResetsFree is how many more requests than it finishes an HTTP/2 client may reset before each further one delays
	// it by ResetDelay. ResetsMax of them close the connection. Defaults: 100, 5 milliseconds, 1,000.
	ResetsFree, ResetsMax int
	ResetDelay            time.Duration
	// Refusals is how many requests that are not gRPC the gRPC lane refuses on one connection before it closes it. A
	// client should stop after the first. Default: 1,000.
	Refusals int
	// MixedPeers is how many addresses that mix gRPC with other requests on one connection are remembered, and MixedFor
	// for how long after they last did. Defaults: 1,024, 24 hours.
	MixedPeers int
	MixedFor   time.Duration
}

// DefaultTransferRate is the default of Bounds.TransferRate: what the slowest mobile networks manage.
const DefaultTransferRate = 4 << 10

// DefaultIdleTimeout is the default of Bounds.IdleTimeout: longer than the 600 seconds for which Google's load balancers
// keep idle connections.
const DefaultIdleTimeout = 620 * time.Second

// ReadPace returns the least progress of a peer that sends.
func (b Bounds) ReadPace() Pace { return Pace{b.BodyTimeout, b.TransferRate} }

// WritePace returns the least progress of a peer that reads.
func (b Bounds) WritePace() Pace { return Pace{b.WriteTimeout, b.TransferRate} }

// WithDefaults returns b with every zero field set to its default.
func (b Bounds) WithDefaults() Bounds {
	messageBytes := cmp.Or(b.MessageBytes, contract.MaxRequestBytes(contract.DefaultValueBytes))
	return Bounds{
		HeaderTimeout: cmp.Or(b.HeaderTimeout, 10*time.Second),
		BodyTimeout:   cmp.Or(b.BodyTimeout, 30*time.Second),
		WriteTimeout:  cmp.Or(b.WriteTimeout, 30*time.Second),
		TransferRate:  cmp.Or(b.TransferRate, DefaultTransferRate),
		IdleTimeout:   cmp.Or(b.IdleTimeout, DefaultIdleTimeout),
		PingAfter:     cmp.Or(b.PingAfter, 30*time.Second),
		PingTimeout:   cmp.Or(b.PingTimeout, 15*time.Second),
		PingInterval:  cmp.Or(b.PingInterval, time.Second),
		SettleTimeout: cmp.Or(b.SettleTimeout, time.Second),
		FlushTimeout:  cmp.Or(b.FlushTimeout, time.Second),
		UnreadBytes:   cmp.Or(b.UnreadBytes, messageBytes+1<<20),
		UnreadTimeout: cmp.Or(b.UnreadTimeout, time.Minute),
		HeaderBytes:   cmp.Or(b.HeaderBytes, 16<<10),
		MessageBytes:  messageBytes,
		Streams:       cmp.Or(b.Streams, 100),
		Strangers:     cmp.Or(b.Strangers, 8*runtime.GOMAXPROCS(0)),
		StrangersOpen: cmp.Or(b.StrangersOpen, 4096),
		StrangerWait:  cmp.Or(b.StrangerWait, 25*time.Millisecond),
		Undecided:     cmp.Or(b.Undecided, 1024),
		ResetsFree:    cmp.Or(b.ResetsFree, 100),
		ResetsMax:     cmp.Or(b.ResetsMax, 1000),
		ResetDelay:    cmp.Or(b.ResetDelay, 5*time.Millisecond),
		Refusals:      cmp.Or(b.Refusals, 1000),
		MixedPeers:    cmp.Or(b.MixedPeers, 1024),
		MixedFor:      cmp.Or(b.MixedFor, 24*time.Hour),
	}
}
