// Package sdnotify tells the service manager how a server is doing, with the protocol of sd_notify(3) that systemd speaks:
// lines of text, sent as one datagram to the socket that NOTIFY_SOCKET names.
package sdnotify

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Lines to send.
const (
	// Ready says that the server has started.
	Ready = "READY=1"
	// Stopping says that the server has begun to stop.
	Stopping = "STOPPING=1"
	// Alive says that the server works. A server with a watchdog must send it more often than [Manager.Watchdog].
	Alive = "WATCHDOG=1"
)

// Status returns a line that describes the server to people.
func Status(text string) string { return "STATUS=" + text }

// Extend returns a line that asks the manager to wait for at least d more for the start or the stop.
func Extend(d time.Duration) string { return fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()) }

// Manager is the service manager that started this process.
type Manager struct {
	// Watchdog is how long the process may be silent until the manager restarts it. Zero: it is not restarted.
	Watchdog time.Duration

	socket string // path, or a name that begins with @
}

// New returns the manager that the environment of the process with this id names, or nil if it wants no messages.
func New(getenv func(string) string, pid int) (*Manager, error) {
	m := &Manager{socket: getenv("NOTIFY_SOCKET")}
	if m.socket == "" {
		return nil, nil
	}
	if of := getenv("WATCHDOG_PID"); of != "" && of != strconv.Itoa(pid) {
		return m, nil
	}
	if text := getenv("WATCHDOG_USEC"); text != "" {
		micros, err := strconv.ParseInt(text, 10, 64)
		if err != nil || micros <= 0 {
			return nil, fmt.Errorf("invalid WATCHDOG_USEC %q: want a positive number of microseconds", text)
		}
		m.Watchdog = time.Duration(micros) * time.Microsecond
	}
	return m, nil
}

// sendTimeout is how long a manager may take to have room for a message.
const sendTimeout = time.Second

// Notify sends lines in one message.
func (m *Manager) Notify(lines ...string) error {
	conn, err := net.Dial("unixgram", m.socket)
	if err != nil {
		return err
	}
	if err = conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err == nil {
		_, err = conn.Write([]byte(strings.Join(lines, "\n")))
	}
	return errors.Join(err, conn.Close())
}
