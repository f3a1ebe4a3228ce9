package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"key-value/internal/testkit/proc"
)

// measureRedis measures a redis-server, which it starts and kills. Without one it returns zero figures.
func measureRedis(n int) (f figures, err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return figures{}, nil
	}
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "socket")
	server, err := proc.Command{
		Path: program, Args: []string{"--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir},
	}.Start()
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, server.Kill()) }()
	r, err := dialRedis(socket)
	if err != nil {
		return f, err
	}
	defer r.conn.Close()
	p, err := newProcess(server.Pid())
	if err != nil {
		return f, err
	}
	return p.measure(r, n)
}

// redis is a redis-server. It sends commands before earlier ones are answered.
type redis struct {
	conn    net.Conn
	w       *bufio.Writer
	r       *bufio.Reader
	pending int // answers still to be read
}

// dialRedis connects to a server that was just started.
func dialRedis(socket string) (*redis, error) {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			return &redis{conn: conn, w: bufio.NewWriterSize(conn, 64<<10), r: bufio.NewReaderSize(conn, 64<<10)}, nil
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("connect to redis-server: %w", err)
		}
	}
}

func (r *redis) set(key, value []byte) error {
	fmt.Fprintf(r.w, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(key), key, len(value), value)
	if r.pending++; r.pending == 500 {
		return r.flush()
	}
	return nil
}

func (r *redis) flush() error {
	if err := r.w.Flush(); err != nil {
		return err
	}
	for ; r.pending > 0; r.pending-- {
		if answer, err := r.r.ReadString('\n'); err != nil || answer != "+OK\r\n" {
			return fmt.Errorf("redis-server answered %q: %w", answer, err)
		}
	}
	return nil
}

func (r *redis) settle() {}
