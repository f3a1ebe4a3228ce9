package rediscluster_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"key-value/internal/testkit/rediscluster"
)

// orphan in the environment has TestNoNodeOutlivesItsProgram be the program that is killed.
const orphan = "REDISCLUSTER_ORPHAN"

func TestNoNodeOutlivesItsProgram(t *testing.T) {
	if os.Getenv(orphan) != "" {
		fmt.Println(rediscluster.StartTest(t, rediscluster.Config{}).Nodes()[0].Addr())
		select {}
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can end a process with its parent")
	}
	rediscluster.Need(t)
	program := exec.CommandContext(within(t), os.Args[0], "-test.run=^"+t.Name()+"$")
	program.Env = append(os.Environ(), orphan+"=1", "TMPDIR="+t.TempDir())
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	addr := strings.TrimSpace(line)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("the node is not there before its program is killed: %v", err)
	}
	defer conn.Close()
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = program.Wait() // it was killed
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("reading from a node whose program was killed: %v, want that it is gone", err)
	}
}
