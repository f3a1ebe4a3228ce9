package sdnotify_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"key-value/internal/sdnotify"
)

// environment returns a getenv.
func environment(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

func TestLinesArriveAsOneMessage(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "notify")
	listener, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	m, err := sdnotify.New(environment(map[string]string{"NOTIFY_SOCKET": socket}), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Notify(sdnotify.Ready, sdnotify.Status("all is well"), sdnotify.Extend(1500*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 100)
	n, err := listener.Read(got)
	if want := "READY=1\nSTATUS=all is well\nEXTEND_TIMEOUT_USEC=1500000"; err != nil || string(got[:n]) != want {
		t.Errorf("the manager receives %q, %v; want %q", got[:n], err, want)
	}
}

func TestTheWatchdogIsThatOfThisProcess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  map[string]string
		want time.Duration
	}{
		"for any process": {map[string]string{"WATCHDOG_USEC": "3000000"}, 3 * time.Second},
		"for this one":    {map[string]string{"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "42"}, 3 * time.Second},
		"for another":     {map[string]string{"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "43"}, 0},
		"none":            {map[string]string{}, 0},
	} {
		c.env["NOTIFY_SOCKET"] = "@abstract"
		if m, err := sdnotify.New(environment(c.env), 42); err != nil || m.Watchdog != c.want {
			t.Errorf("%s: %+v, %v; want a watchdog of %v", name, m, err, c.want)
		}
	}
	if m, err := sdnotify.New(environment(map[string]string{"WATCHDOG_USEC": "3000000"}), 42); m != nil || err != nil {
		t.Errorf("without NOTIFY_SOCKET: %+v, %v; want no manager", m, err)
	}
	_, err := sdnotify.New(environment(map[string]string{"NOTIFY_SOCKET": "@abstract", "WATCHDOG_USEC": "soon"}), 42)
	if err == nil || !strings.Contains(err.Error(), "want a positive number of microseconds") {
		t.Errorf("a malformed WATCHDOG_USEC: %v", err)
	}
}

func TestAManagerThatDoesNotReadHoldsUpNothing(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "notify")
	listener, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	m, err := sdnotify.New(environment(map[string]string{"NOTIFY_SOCKET": socket}), 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 100_000 { // more than a socket holds
		if err = m.Notify(sdnotify.Alive); err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("messages that nobody reads: %v, want that a deadline is exceeded", err)
	}
}

func TestAManagerThatIsGoneIsAnError(t *testing.T) {
	t.Parallel()
	m, err := sdnotify.New(environment(map[string]string{"NOTIFY_SOCKET": filepath.Join(t.TempDir(), "gone")}), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Notify(sdnotify.Ready); err == nil {
		t.Error("a message to nobody was sent")
	}
}
