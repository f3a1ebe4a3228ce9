package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"key-value/client"
	"key-value/test/bench/dataset"
)

const (
	// fillers is how many batches are in flight while a store is filled.
	fillers = 4
	// fillBatch is how many entries are written in one batch.
	fillBatch = 500
)

// fillStore writes entries 0 to n-1 to a server of ours.
func fillStore(ctx context.Context, addr string, n int) error {
	return fillValues(ctx, addr, n, dataset.Value)
}

// fillValues is fillStore with other values.
func fillValues(ctx context.Context, addr string, n int, value func(i int) string) error {
	kv, err := client.New("http://"+addr, client.WithAPIKey(apiKey))
	if err != nil {
		return err
	}
	defer kv.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for filler := range fillers {
		all.Go(func() {
			for first := filler * fillBatch; first < n; first += fillers * fillBatch {
				if err := fillPart(ctx, kv, first, min(first+fillBatch, n), value); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func fillPart(ctx context.Context, kv *client.Client, first, end int, value func(i int) string) error {
	var operations []client.Operation
	for i := first; i < end; i++ {
		operations = append(operations, client.OpSet(dataset.Key(i), []byte(value(i))))
	}
	_, err := kv.AtomicBatch(ctx, operations...)
	return err
}

// fillRedis writes entries 0 to n-1 to Redis.
func fillRedis(ctx context.Context, addr string, n int) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	w, r := bufio.NewWriter(conn), bufio.NewReader(conn)
	for first := 0; first < n; first += fillBatch {
		end := min(first+fillBatch, n)
		for i := first; i < end; i++ {
			key, value := dataset.Key(i), dataset.Value(i)
			fmt.Fprintf(w, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(key), key, len(value), value)
		}
		if err := errors.Join(w.Flush(), expectOK(r, end-first)); err != nil {
			return err
		}
	}
	return nil
}

func expectOK(r io.Reader, answers int) error {
	answer := make([]byte, len("+OK\r\n"))
	for range answers {
		if _, err := io.ReadFull(r, answer); err != nil {
			return err
		}
		if string(answer) != "+OK\r\n" {
			return fmt.Errorf("redis-server answered %q", answer)
		}
	}
	return nil
}
