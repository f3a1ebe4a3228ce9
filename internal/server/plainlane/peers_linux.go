package plainlane

import (
	"os"
	"sync"
	"syscall"
)

// peers notices that the peers of connections have gone, while bytes that they sent may still be unread.
type peers struct {
	mu     sync.Mutex
	epoll  int             // guarded by mu
	file   *os.File        // of epoll; nil: there is none yet; guarded by mu
	closed bool            // guarded by mu
	calls  map[int32]*call // :: id in the set → request; guarded by mu
	ids    map[*call]int32 // the inverse; guarded by mu
	last   int32           // the last id; guarded by mu
	done   chan struct{}   // closed when the reader has ended
}

// gone is what tells that a peer has shut down its side of a connection, or has reset it.
const gone = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR

// watch cancels c when its peer has gone, until forget is called.
func (p *peers) watch(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	raw := c.conn.raw()
	if raw == nil || p.closed || c.ended.Load() || !p.openLocked() {
		return
	}
	for p.last++; p.calls[p.last] != nil; p.last++ {
	}
	id := p.last
	event := syscall.EpollEvent{Events: gone | syscall.EPOLLONESHOT, Fd: id}
	_ = raw.Control(func(fd uintptr) {
		if syscall.EpollCtl(p.epoll, syscall.EPOLL_CTL_ADD, int(fd), &event) == nil {
			p.calls[id], p.ids[c] = c, id
		}
	})
}

// forget ends watch.
func (p *peers) forget(c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, ok := p.ids[c]
	if !ok || p.closed {
		return
	}
	delete(p.ids, c)
	delete(p.calls, id)
	_ = c.conn.raw().Control(func(fd uintptr) { // fails if the connection is closed, which has removed it
		_ = syscall.EpollCtl(p.epoll, syscall.EPOLL_CTL_DEL, int(fd), nil)
	})
}

// openLocked makes the set, if there is none yet.
func (p *peers) openLocked() bool {
	if p.file != nil {
		return true
	}
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return false // file descriptors have run out
	}
	_ = syscall.SetNonblock(fd, true) // so that the runtime waits for it
	p.epoll, p.file = fd, os.NewFile(uintptr(fd), "epoll")
	raw, err := p.file.SyscallConn()
	if err != nil {
		return false
	}
	p.calls, p.ids, p.done = map[int32]*call{}, map[*call]int32{}, make(chan struct{})
	go p.read(raw)
	return true
}

// read cancels requests until the set is closed.
func (p *peers) read(raw syscall.RawConn) {
	defer close(p.done)
	events := make([]syscall.EpollEvent, 64)
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			n, _ = syscall.EpollWait(int(fd), events, 0)
			return n > 0
		})
		if err != nil {
			return
		}
		for _, event := range events[:n] {
			p.cancel(event.Fd)
		}
	}
}

func (p *peers) cancel(id int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.calls[id]; c != nil {
		c.Cancel()
	}
}

// close ends all watches.
func (p *peers) close() {
	p.mu.Lock()
	p.closed = true
	file, done := p.file, p.done
	p.mu.Unlock()
	if file != nil {
		_ = file.Close()
		<-done
	}
}
