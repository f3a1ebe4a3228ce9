// Command asbuilt is the same service as people build it today, to compare with: net/http in front, grpc-go with
// generated stubs behind, a map with a lock inside. It does no more than it must.
//
//	asbuilt service                    the service, over gRPC
//	KV_API_KEY=… asbuilt gateway ADDR  REST in front of the service at ADDR
//
// Both listen on a free port of the loopback interface, and log which.
package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "asbuilt:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	slog.New(slog.NewTextHandler(os.Stderr, nil)).Info("listening", "addr", listener.Addr().String())
	switch {
	case len(args) == 1 && args[0] == "service":
		return serveService(listener)
	case len(args) == 2 && args[0] == "gateway":
		return serveGateway(listener, args[1])
	}
	return errors.New("usage: asbuilt service | asbuilt gateway ADDR")
}

func serveService(listener net.Listener) error {
	server := grpc.NewServer()
	server.RegisterService(&keyValueService, newService())
	return server.Serve(listener)
}

func serveGateway(listener net.Listener, service string) error {
	conn, err := grpc.NewClient(service, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	return http.Serve(listener, newGateway(client{conn}, os.Getenv("KV_API_KEY")))
}
