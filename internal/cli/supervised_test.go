package cli

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// startManager listens as a service manager does. It returns the environment of a service, and a function that returns the
// next message which matches a pattern, and fails the test if another one comes first that is not a sign of life.
func startManager(t *testing.T) (env map[string]string, next func(pattern string)) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "notify")
	listener, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return map[string]string{"NOTIFY_SOCKET": socket}, func(pattern string) {
		t.Helper()
		if err := listener.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		for got := make([]byte, 1000); ; {
			n, err := listener.Read(got)
			message := string(got[:max(0, n)])
			switch {
			case err != nil:
				t.Fatalf("no message that matches %s: %v", pattern, err)
			case regexp.MustCompile(`\A(?:` + pattern + `)\z`).MatchString(message):
				return
			case message != "WATCHDOG=1":
				t.Fatalf("the service manager is told %q, want a match of %s", message, pattern)
			}
		}
	}
}

func TestTheServiceManagerIsToldHowAServerIsDoing(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"serve", "kvservice", "gateway"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			env, next := startManager(t)
			maps.Copy(env, map[string]string{"KV_API_KEY": "secret", "WATCHDOG_USEC": "40000", "KV_SERVICE": "http://127.0.0.1:1"})
			server := startKV(t, env, command, "--drain", "1s", "--drain-delay", "10ms")
			next(`READY=1\nSTATUS=Serving ` + server.url)
			next("WATCHDOG=1")
			next("WATCHDOG=1")
			server.stop()
			next(`STOPPING=1\nEXTEND_TIMEOUT_USEC=61010000`)
			if code := <-server.code; code != 0 {
				t.Errorf("exit code %d, want 0: %s", code, server.log.String())
			}
		})
	}
}

func TestAServerIsNotReadyForTheServiceManagerUntilItsDataIsLoaded(t *testing.T) {
	t.Parallel()
	env, next := startManager(t)
	s := newDaemon(func(name string) string { return env[name] })
	s.log = slog.New(slog.DiscardHandler)
	s.state.Load(7)
	ctx, cancel := context.WithCancel(t.Context())
	listening := make(chan string, 1)
	done := s.supervise(ctx, listening, func(context.Context) bool { return true })
	listening <- "http://127.0.0.1:8888"
	next(`STATUS=Loading data: 7%\nEXTEND_TIMEOUT_USEC=300000000`)
	s.state.Load(8)
	next(`STATUS=Loading data: 8%\nEXTEND_TIMEOUT_USEC=300000000`)
	s.state.Loaded()
	next(`READY=1\nSTATUS=Serving http://127.0.0.1:8888`)
	cancel()
	next(`STOPPING=1\n.*`)
	<-done
}

func TestAServerThatCannotSayWhetherItIsReadyIsNotAlive(t *testing.T) {
	t.Parallel()
	env, next := startManager(t)
	env["WATCHDOG_USEC"] = "20000000"
	synctest.Test(t, func(t *testing.T) {
		s := newDaemon(func(name string) string { return env[name] })
		s.log = slog.New(slog.DiscardHandler)
		ctx, cancel := context.WithCancel(t.Context())
		hang, listening := make(chan struct{}), make(chan string, 1)
		asked := 0
		done := s.supervise(ctx, listening, func(context.Context) bool {
			if asked++; asked == 2 {
				<-hang
			}
			return false
		})
		listening <- "http://127.0.0.1:8888"
		time.Sleep(time.Hour)
		synctest.Wait()
		if asked != 2 {
			t.Errorf("the server was asked %d times, want once while it answered, and once more", asked)
		}
		cancel()
		close(hang)
		<-done
	})
	for _, want := range []string{`READY=1\n.*`, "WATCHDOG=1", "WATCHDOG=1", `STOPPING=1\n.*`} {
		next(want)
	}
}

func TestAServerWorksWithoutItsServiceManager(t *testing.T) {
	t.Parallel()
	env := map[string]string{"KV_API_KEY": "secret", "NOTIFY_SOCKET": filepath.Join(t.TempDir(), "gone"), "WATCHDOG_USEC": "1000"}
	server := startKV(t, env, "serve")
	server.log.find(t.Context(), `(service manager cannot be told)`)
	check(t, map[string]string{"KV_URL": server.url, "KV_API_KEY": "secret"}, "", "set k v", wants{})
	server.stop()
	if code := <-server.code; code != 0 || strings.Count(server.log.String(), "service manager") != 1 {
		t.Errorf("exit code %d, want 0 and one message about the manager: %s", code, server.log.String())
	}
	env["WATCHDOG_USEC"] = "soon"
	startKV(t, env, "serve").log.find(t.Context(), `(invalid WATCHDOG_USEC)`)
}
