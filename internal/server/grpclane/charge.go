package grpclane

import (
	"sync"

	"google.golang.org/grpc/mem"
)

// Account is charged for the memory that a call uses, in bytes.
type Account interface {
	// Add charges n bytes of the request. It returns the error to end the call with if the budget has no room for them.
	Add(n int64) error
	// Drop ends the charge for n bytes of the request.
	Drop(n int64)
	// PassOn has the connection take over the charge for n bytes of the response, which it may keep for longer than the
	// call takes. Release ends it.
	PassOn(n int64) (release func())
}

// Call is the [connect.CallInfo].TransportInfo of calls in this lane.
type Call interface {
	// Charge has the messages of the call charged to an account. The account must not be nil.
	Charge(Account)
	// Bound bounds each message of the request, in bytes.
	Bound(n int)
}

// requestCopies is how often a byte of a request is in memory: in the frames that brought it, put together, and decoded.
const requestCopies = 3

// unsentFree is how much of its responses a connection may keep without being charged, in bytes. It is part of what a
// connection costs.
const unsentFree = 64 << 10

// unsent is what grpc-go keeps of the responses of one connection until the client reads them: it takes any message that
// begins while there is room, however long, and keeps it beyond the end of the call.
type unsent struct {
	mu      sync.Mutex
	bytes   int64            // guarded by mu
	charges map[*kept]func() // what ends the charge of those that are charged; guarded by mu
	closed  bool             // guarded by mu
}

// kept is one encoded message. It is the pool to which grpc-go returns it.
type kept struct {
	unsent *unsent
	size   int64
	pool   mem.BufferPool // takes the buffer in the end; nil: none
}

// keep returns the pool of an encoded message of size bytes, which is from pool, and charges it to a, which may be nil.
func (u *unsent) keep(size int, pool mem.BufferPool, a Account) *kept {
	k := &kept{unsent: u, size: int64(size), pool: pool}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return k
	}
	u.bytes += k.size
	if a == nil || u.bytes <= unsentFree {
		return k
	}
	if u.charges == nil {
		u.charges = map[*kept]func(){}
	}
	u.charges[k] = a.PassOn(k.size)
	return k
}

// Get implements [mem.BufferPool]. It is not called.
func (k *kept) Get(n int) *[]byte { return mem.DefaultBufferPool().Get(n) }

// Put implements [mem.BufferPool]: the message was sent, or will never be.
func (k *kept) Put(buffer *[]byte) {
	k.unsent.sent(k)
	if k.pool != nil {
		k.pool.Put(buffer)
	}
}

func (u *unsent) sent(k *kept) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return
	}
	u.bytes -= k.size
	if release := u.charges[k]; release != nil {
		delete(u.charges, k)
		release()
	}
}

// close ends all charges: grpc-go drops what a closed connection has not sent, and does not return all of it to its pool.
func (u *unsent) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for _, release := range u.charges {
		release()
	}
	u.charges = nil
}
