package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// flooding is how many connections are opened and never go on.
const flooding = 5000

// flood opens connections that begin a request, at most, half of them on each gateway.
func flood(ctx context.Context, s *stage, _ int) error {
	conns, errs := make([]net.Conn, flooding), make([]error, flooding)
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				conn.Close()
			}
		}
	}()
	beginnings := []string{
		"", "GET /v1/values/a HTTP/1.1\r\nHost:", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"POST /v1/values HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{",
	}
	const dialers = 8
	var all sync.WaitGroup
	for first := range dialers {
		all.Go(func() {
			for i := first; i < flooding && ctx.Err() == nil; i += dialers {
				if conns[i], errs[i] = dial(s.gateways[i%2].Addr); errs[i] == nil {
					_, _ = io.WriteString(conns[i], beginnings[i/2%len(beginnings)])
				}
			}
		})
	}
	all.Wait()
	pause(ctx, spell)
	return wrong(errors.Join(errs...))
}

// starveGateway takes the free file descriptors of a gateway away, and then has more connections ask for some.
func starveGateway(ctx context.Context, s *stage, turn int) error {
	p := s.gateways[turn%2]
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Pid()))
	if err != nil {
		return err
	}
	restore, err := limitFiles(p.Pid(), uint64(len(open)))
	if err != nil {
		return err
	}
	var conns []net.Conn
	for range 200 { // more than the backlog need not take
		conn, err := dial(p.Addr)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return wrong(err)
		}
		if err == nil {
			conns = append(conns, conn)
		}
	}
	pause(ctx, spell)
	err = restore()
	for _, conn := range conns {
		conn.Close()
	}
	return err
}
