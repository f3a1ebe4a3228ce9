package process_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"key-value/test/bench/process"
)

// TestMain lets the test binary stand for a server, if it is told to.
func TestMain(m *testing.M) {
	switch os.Getenv("SERVER") {
	case "":
		os.Exit(m.Run())
	case "listens":
		listen("127.0.0.1:0")
	default:
		os.Stderr.WriteString("no such thing\n")
		os.Exit(1)
	}
}

func listen(addr string) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		panic(err)
	}
	os.Stderr.WriteString("level=INFO msg=listening addr=" + listener.Addr().String() + "\n")
	time.Sleep(time.Minute) // it is ended long before
}

func TestAServerIsStartedAndEnded(t *testing.T) {
	var g process.Group
	s, err := g.Start(t.Context(), []string{"SERVER=listens"}, os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if resident, err := s.Resident(); err != nil || resident < 1<<20 {
		t.Errorf("it has %d bytes in memory, %v", resident, err)
	}
	g.Stop()
	if err := syscall.Kill(s.PID(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("asked for the process: %v, want that there is none", err)
	}
}

func TestAServerThatFailsSaysWhy(t *testing.T) {
	var g process.Group
	defer g.Stop()
	_, err := g.Start(t.Context(), []string{"SERVER=fails"}, os.Args[0])
	if err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("started with %v, want what it wrote", err)
	}
}

func TestAProgramEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("it took too long"))
	defer cancel()
	start := time.Now()
	_, err := process.Output(ctx, "sleep", "60")
	if err == nil || !strings.Contains(err.Error(), "it took too long") || time.Since(start) > 20*time.Second {
		t.Errorf("after %v: %v, want that it took too long", time.Since(start), err)
	}
}
