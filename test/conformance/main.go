//go:build conformance

// Command conformance is the server under test of connectrpc.com's conformance suite: the suite's service, served by
// this project's server.
//
// The suite starts it, configures it on standard input, and reads the address from standard output. The flag -stack
// selects the server: a whole port, as the commands serve it, or net/http alone.
package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"google.golang.org/protobuf/proto"

	"key-value/internal/server"
	conformancev1 "key-value/test/conformance/gen/connectrpc/conformance/v1"
	"key-value/test/conformance/gen/connectrpc/conformance/v1/conformancev1connect"
)

// messageBytes limits messages if the suite does not.
const messageBytes = 64 << 20

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	stack := flag.String("stack", "both", "what serves gRPC: both, or net/http alone")
	flag.Parse()
	if err := run(ctx, *stack, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, stack string, in io.Reader, out io.Writer) error {
	var request conformancev1.ServerCompatRequest
	if err := read(in, &request); err != nil {
		return err
	}
	limit := cmp.Or(int(request.GetMessageReceiveLimit()), messageBytes)
	handler, rpc := newHandler(limit)
	if stack == "net/http" {
		rpc = nil
	}
	failed := make(chan error, 1)
	err := server.Run(ctx, server.Config{
		Listen: "127.0.0.1:0", Handler: handler, RPC: rpc, Bounds: server.Bounds{MessageBytes: limit}, State: server.NewState(), Drain: 5 * time.Second,
		Log: slog.New(slog.DiscardHandler), Started: func(addr string) { failed <- announce(out, addr) },
	})
	if announced := <-failed; announced != nil {
		return announced
	}
	return err
}

func newHandler(limit int) (http.Handler, *connect.Server) {
	rpc := connect.NewServer()
	conformancev1connect.RegisterConformanceServiceHandler(rpc, service{})
	mux := http.NewServeMux()
	connecthttp.Mount(mux, rpc, connecthttp.WithReadMaxBytes(limit), connecthttp.WithCompressors())
	return mux, rpc
}

func announce(out io.Writer, addr string) error {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return err
	}
	return write(out, &conformancev1.ServerCompatResponse{Host: host, Port: uint32(port)})
}

// read reads a message with a length prefix of four bytes.
func read(in io.Reader, message proto.Message) error {
	var length uint32
	if err := binary.Read(in, binary.BigEndian, &length); err != nil {
		return err
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(in, data); err != nil {
		return err
	}
	return proto.Unmarshal(data, message)
}

func write(out io.Writer, message proto.Message) error {
	data, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	_, err = out.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...))
	return err
}
