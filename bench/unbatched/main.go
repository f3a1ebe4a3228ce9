// Command unbatched is `kv gateway` with one difference: each call to the service is a request of its own, as it
// would be without package client/batching. It is there to show what batching is worth and that it costs nothing
// where it cannot help.
//
//	KV_API_KEY=… unbatched SERVICE_URL
//
// It listens on a free port of the loopback interface, and logs which.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"key-value/client"
	"key-value/gateway"
	"key-value/internal/apikey"
	"key-value/internal/serve"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "unbatched:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: unbatched SERVICE_URL")
	}
	transport, err := client.NewTransport(args[0], client.WithoutBatching())
	if err != nil {
		return err
	}
	log, state := slog.New(slog.NewTextHandler(os.Stderr, nil)), serve.NewState()
	handler := gateway.New(gateway.NewClient(transport, log), gateway.Config{
		Keys: apikey.Single("default", os.Getenv("KV_API_KEY")), State: state, Log: log,
	})
	return serve.Run(ctx, serve.Config{Listen: "127.0.0.1:0", Handler: handler, State: state, Log: log})
}
