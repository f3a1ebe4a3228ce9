//go:build unix

package proc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"key-value/internal/testkit/proc"
)

// TestMain makes the test binary the program that a test starts, if the environment says which.
func TestMain(m *testing.M) {
	switch os.Getenv("PROGRAM") {
	case "":
		os.Exit(m.Run())
	case "server":
		serve("127.0.0.1:0")
	case "server at":
		serve(os.Args[1])
	case "stubborn server":
		signal.Ignore(syscall.SIGTERM)
		serve("127.0.0.1:0")
	case "parent":
		p, err := server("server").Start()
		if err == nil {
			err = p.WaitListening(context.Background())
		}
		if err != nil {
			panic(err)
		}
		fmt.Println(p.Addr)
		select {}
	default:
		os.Stderr.WriteString("bad configuration\n")
		os.Exit(1)
	}
}

func serve(addr string) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		panic(err)
	}
	os.Stderr.WriteString("level=INFO msg=listening addr=" + listener.Addr().String() + " tls=false\n")
	for {
		if _, err := listener.Accept(); err != nil {
			return
		}
	}
}

func server(name string, args ...string) proc.Command {
	return proc.Command{Path: os.Args[0], Env: []string{"PROGRAM=" + name}, Args: args}
}

func gone(t *testing.T, p *proc.Process) {
	t.Helper()
	if err := syscall.Kill(p.Pid(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("kill(%d, 0) = %v, want no such process", p.Pid(), err)
	}
}

func TestAServerIsStartedAndStopped(t *testing.T) {
	var g proc.Group
	p, err := g.Serve(t.Context(), server("server"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if runtime.GOOS == "linux" {
		if bytes, err := proc.Memory(p.Pid(), "VmRSS"); err != nil || bytes < 1<<20 {
			t.Errorf("Memory = %d, %v; want at least a megabyte", bytes, err)
		}
		if _, err := proc.CPUTime(p.Pid()); err != nil {
			t.Errorf("CPUTime: %v", err)
		}
	}
	g.Stop(time.Minute)
	gone(t, p)
	if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Signal after the end = %v, want %v", err, os.ErrProcessDone)
	}
}

func TestAServerThatEndsIsStartedAtAnotherAddress(t *testing.T) {
	var g proc.Group
	defer g.Kill()
	var tried []string
	p, err := g.ServeAt(t.Context(), func(addr string) (proc.Command, error) {
		if tried = append(tried, addr); len(tried) == 1 {
			return server("unknown"), nil
		}
		return server("server at", addr), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(tried) != 2 || p.Addr != tried[1] {
		t.Errorf("the server listens at %s after tries at %q, want two tries and the second", p.Addr, tried)
	}
}

func TestAServerThatFailsSaysWhy(t *testing.T) {
	var g proc.Group
	defer g.Kill()
	_, err := g.Serve(t.Context(), server("unknown"))
	if err == nil || !strings.Contains(err.Error(), "bad configuration") || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("Serve = %v, want the exit code and what the program wrote", err)
	}
}

func TestAPausedProcessCanBeResumedAndKilled(t *testing.T) {
	var g proc.Group
	p, err := g.Serve(t.Context(), server("server"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Pause(), p.Continue(), p.Pause()); err != nil {
		t.Fatal(err)
	}
	g.Kill()
	gone(t, p)
}

func TestStopFailsUnlessTheProgramEndsWithZero(t *testing.T) {
	for name, test := range map[string]struct {
		patience time.Duration
		want     string
	}{"server": {time.Minute, "terminated"}, "stubborn server": {200 * time.Millisecond, "still running"}} {
		var g proc.Group
		p, err := g.Serve(t.Context(), server(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Stop(test.patience); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Stop of a %s = %v, want an error with %q", name, err, test.want)
		}
		gone(t, p)
		if err := p.Stop(time.Second); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("Stop of a %s that has ended = %v, want %v", name, err, os.ErrProcessDone)
		}
	}
}

func TestCPUTimeIncludesWhatAProgramHasStarted(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has /proc")
	}
	p, err := proc.Command{Path: "sh", Args: []string{"-c", `(while :; do :; done) & wait`}}.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Kill() }()
	if err := p.WaitReady(t.Context(), func(context.Context) error {
		all, err := p.CPUTime()
		if err != nil {
			return err
		}
		alone, err := proc.CPUTime(p.Pid())
		if err == nil && all < alone+50*time.Millisecond {
			err = fmt.Errorf("the shell has run for %v, with its loop for %v", alone, all)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestAProgramIsRunToItsEnd(t *testing.T) {
	t.Setenv("KV_SETTING", "inherited")
	shell := func(script string) proc.Command {
		return proc.Command{Path: "sh", Args: []string{"-c", script}, Stdin: strings.NewReader("in"), Env: []string{"KV_OWN=own"}}
	}
	got, err := shell(`cat; echo $KV_SETTING$KV_OWN; echo log >&2; exit 3`).Run(t.Context())
	if want := (proc.Result{Code: 3, Out: "inown\n", Err: "log\n"}); err != nil || got != want {
		t.Errorf("Run = %+v, %v; want %+v", got, err, want)
	}
	if _, err := shell(`echo log >&2; exit 3`).Output(t.Context()); err == nil || !strings.Contains(err.Error(), "exit code 3\nlog") {
		t.Errorf("Output = %v, want the exit code and the log", err)
	}
}

func TestAProgramEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("out of time"))
	defer cancel()
	start := time.Now()
	_, err := proc.Command{Path: "sh", Args: []string{"-c", "sleep 60; true"}}.Output(ctx)
	if err == nil || !strings.Contains(err.Error(), "out of time") || time.Since(start) > 20*time.Second {
		t.Errorf("Output = %v after %v, want that it was out of time", err, time.Since(start))
	}
}

func TestNoProgramOutlivesItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can end a process with its parent")
	}
	parent, err := server("parent").Start()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = parent.Kill() }() // it ends earlier unless the test fails
	addr, err := parent.WaitFor(t.Context(), parent.Out, `(\S+)\n`)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("the program is not there before its parent is killed: %v", err)
	}
	defer conn.Close()
	if err := parent.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("Read from a program whose parent was killed = %v, want the end of the connection", err)
	}
}

func TestOutputKeepsItsBeginningAndItsEnd(t *testing.T) {
	var o proc.Output
	line := strings.Repeat("x", 1023) + "\n"
	fmt.Fprint(&o, "beginning\n")
	for range 4096 {
		fmt.Fprint(&o, line)
	}
	fmt.Fprint(&o, "end\n")
	text := o.String()
	if len(text) > 1<<20 || !strings.HasPrefix(text, "beginning\n") || !strings.HasSuffix(text, "end\n") {
		t.Errorf("Output keeps %d bytes, %.20q to %.20q", len(text), text, text[len(text)-20:])
	}
}

func TestFindWaitsForTheText(t *testing.T) {
	var o proc.Output
	go func() {
		for _, piece := range []string{"a msg=listening addr=127", ".0.0.1:80", " tls=true\n"} {
			fmt.Fprint(&o, piece)
		}
	}()
	if addr, ok := o.Find(t.Context(), proc.Listening); !ok || addr != "127.0.0.1:80" {
		t.Errorf("Find = %q, %t; want the whole address", addr, ok)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := o.Find(ctx, "absent"); ok {
		t.Error("Find found what was not written")
	}
}

func TestKVIsBuilt(t *testing.T) {
	if testing.Short() {
		t.Skip("builds kv")
	}
	file, err := proc.BuildKV(t.Context(), t.TempDir(), "-pgo=off")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := (proc.Command{Path: file, Args: []string{"version"}}).Output(t.Context()); err != nil || !strings.HasPrefix(out, "kv ") {
		t.Errorf("kv version = %q, %v", out, err)
	}
	if _, err := proc.Build(t.Context(), ".", filepath.Join(t.TempDir(), "x"), "./absent"); err == nil {
		t.Error("a package that does not exist was built")
	}
}
