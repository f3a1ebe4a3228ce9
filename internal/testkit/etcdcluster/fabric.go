package etcdcluster

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// fabric carries the connections between members that can be cut off from each other. It finds out which member opened
// a connection by its port, in /proc.
type fabric struct {
	members func() []*Member
	copiers sync.WaitGroup

	mu        sync.Mutex
	healed    *sync.Cond // of mu: something in cut or closed has changed
	listeners []net.Listener
	conns     map[net.Conn]struct{} // guarded by mu
	cut       map[*Member]bool      // guarded by mu
	cuts      map[*Member]int       // how often each was cut off; guarded by mu
	closed    bool                  // guarded by mu
}

func newFabric(members func() []*Member) *fabric {
	f := &fabric{members: members, conns: map[net.Conn]struct{}{}, cut: map[*Member]bool{}, cuts: map[*Member]int{}}
	f.healed = sync.NewCond(&f.mu)
	return f
}

// front returns an address at which the others reach m.
func (f *fabric) front(m *Member) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	f.mu.Lock()
	f.listeners = append(f.listeners, listener)
	f.mu.Unlock()
	f.copiers.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.copiers.Go(func() { f.carry(conn, m) })
		}
	})
	return listener.Addr().String(), nil
}

// carry forwards a connection to m. While its other end or m is cut off, it holds back what either has sent. It ends the
// connection after that.
func (f *fabric) carry(conn net.Conn, m *Member) {
	defer conn.Close()
	from := f.opener(conn)
	if from == nil || !f.passes(0, from, m) {
		return
	}
	back, err := net.Dial("tcp", m.peer)
	if err != nil {
		return
	}
	defer back.Close()
	cuts := f.track(conn, back, from, m)
	defer f.untrack(conn, back)
	f.copiers.Go(func() {
		f.forward(back, conn, cuts, from, m)
		_ = back.Close()
	})
	f.forward(conn, back, cuts, from, m)
}

func (f *fabric) forward(to, from net.Conn, cuts int, a, b *Member) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil || !f.passes(cuts, a, b) {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// passes waits while a or b is cut off. It reports false if either was since it was cut off so many times in all, or if
// the fabric is closed.
func (f *fabric) passes(cuts int, a, b *Member) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.closed && (f.cut[a] || f.cut[b]) {
		f.healed.Wait()
	}
	return !f.closed && (cuts == 0 || cuts == 1+f.cuts[a]+f.cuts[b])
}

// track returns one more than how many times a and b were cut off so far.
func (f *fabric) track(front, back net.Conn, a, b *Member) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[front], f.conns[back] = struct{}{}, struct{}{}
	return 1 + f.cuts[a] + f.cuts[b]
}

func (f *fabric) untrack(conns ...net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range conns {
		delete(f.conns, conn)
	}
}

func (f *fabric) set(m *Member, cut bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cut[m] = cut; cut {
		f.cuts[m]++
	}
	f.healed.Broadcast()
}

func (f *fabric) isCut(m *Member) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cut[m]
}

func (f *fabric) close() {
	f.mu.Lock()
	f.closed = true
	for _, listener := range f.listeners {
		_ = listener.Close()
	}
	for conn := range f.conns {
		_ = conn.Close()
	}
	f.healed.Broadcast()
	f.mu.Unlock()
	f.copiers.Wait()
}

// opener returns the member that opened conn, or nil.
func (f *fabric) opener(conn net.Conn) *Member {
	socket, err := socketOf(conn)
	if err != nil {
		return nil
	}
	for _, m := range f.members() {
		if !m.Running() {
			continue
		}
		descriptors := filepath.Join("/proc", fmt.Sprint(m.Pid()), "fd")
		entries, _ := os.ReadDir(descriptors) // none: the member has ended
		for _, entry := range entries {
			if target, err := os.Readlink(filepath.Join(descriptors, entry.Name())); err == nil && target == socket {
				return m
			}
		}
	}
	return nil
}

// socketOf returns the socket at the other end of conn, which is of this machine, as links in /proc name it.
func socketOf(conn net.Conn) (string, error) {
	local, remote := conn.LocalAddr().(*net.TCPAddr), conn.RemoteAddr().(*net.TCPAddr)
	file, err := os.Open("/proc/net/tcp")
	if err != nil {
		return "", err
	}
	defer file.Close()
	theirs, ours := fmt.Sprintf(":%04X", remote.Port), fmt.Sprintf(":%04X", local.Port)
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && strings.HasSuffix(fields[1], theirs) && strings.HasSuffix(fields[2], ours) {
			return "socket:[" + fields[9] + "]", nil
		}
	}
	return "", fmt.Errorf("no socket is connected from port %d to %d: %w", remote.Port, local.Port, lines.Err())
}

// CutOff cuts a member off from the others, but not from clients, until [Member.Rejoin]: what they send each other is held
// back. The configuration must have Cuttable.
func (m *Member) CutOff() { m.fabric.set(m, true) }

// Rejoin ends what CutOff has begun. The members lose what was held back, and connect to each other again.
func (m *Member) Rejoin() { m.fabric.set(m, false) }
