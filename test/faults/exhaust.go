package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"key-value/kvservice/store"
)

// flooding is the number of half-open connections.
const flooding = 5000

// flood opens connections that send at most the beginning of a request, half of them to each gateway.
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
	pause(ctx, faultTime)
	return wrong(errors.Join(errs...))
}

// starveGateway limits a gateway to the file descriptors that it has open, and then opens more connections.
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
	for range 200 { // more than the listen backlog holds
		conn, err := dial(p.Addr)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return wrong(err)
		}
		if err == nil {
			conns = append(conns, conn)
		}
	}
	pause(ctx, faultTime)
	err = restore()
	for _, conn := range conns {
		conn.Close()
	}
	return err
}

// mostFill bounds how many values of 1 MiB are written: several times what fits.
const mostFill = 200

// fill writes until the store is full, checks that it rejects writes and nothing else, and frees the memory.
func fill(ctx context.Context, s *stage, turn int) error {
	p, err := newProgram(s.url(), newMeter())
	if err != nil {
		return err
	}
	defer p.close()
	var keys []string
	for i := range mostFill {
		keys = append(keys, fmt.Sprintf("fill/%d/%d", turn, i))
	}
	tried := p.writeUntilFull(ctx, keys)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if tried == len(keys) {
		return wrong(fmt.Errorf("wrote %d MiB with a limit of %s", tried, maxMemory))
	}
	return errors.Join(p.readSome(ctx, keys[:tried]), p.deleteAll(ctx, keys[:tried]))
}

// writeUntilFull writes 1 MiB to each key until the store is full, and returns how many keys it tried.
func (p *program) writeUntilFull(ctx context.Context, keys []string) int {
	full, noRoom := context.WithCancel(ctx)
	defer noRoom()
	value, next := bytes.Repeat([]byte{0xff}, 1<<20), make(chan string)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for key := range next {
				_, err := p.Do(ctx, store.Operation{Kind: store.Set, Key: key, Value: value})
				if errors.Is(err, store.ErrFull) {
					noRoom()
				}
			}
		})
	}
	defer writers.Wait()
	defer close(next)
	for i, key := range keys {
		select {
		case next <- key:
		case <-full.Done():
			return i
		}
	}
	return len(keys)
}

// readSome checks that a full store can be read. Some of the writes may have had no answer.
func (p *program) readSome(ctx context.Context, keys []string) error {
	found := 0
	for i := 0; i < len(keys); i += 5 {
		_, err := p.Do(ctx, store.Operation{Kind: store.Get, Key: keys[i]})
		switch {
		case err == nil:
			found++
		case !unanswered(err) && !errors.Is(err, store.ErrNotFound):
			return wrong(fmt.Errorf("read from a full store: %w", err))
		}
	}
	if found < 5 {
		return wrong(fmt.Errorf("of every fifth value in the full store, only %d can be read", found))
	}
	return nil
}

// deleteAll deletes all keys.
func (p *program) deleteAll(ctx context.Context, keys []string) error {
	var deletes []store.Operation
	for _, key := range keys {
		deletes = append(deletes, store.Operation{Kind: store.Delete, Key: key})
	}
	err := store.ErrUnavailable
	for unanswered(err) && ctx.Err() == nil {
		var results []store.Result
		results, err = p.Batch(ctx, deletes, false)
		for _, result := range results {
			err = errors.Join(err, result.Err)
		}
	}
	if err != nil && ctx.Err() == nil {
		return wrong(fmt.Errorf("delete from a full store: %w", err))
	}
	return ctx.Err()
}
