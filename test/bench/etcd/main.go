// Command etcd is an etcd server of one member, as a peer. Its configuration is the default, except that it never syncs
// to disk, because the other servers use none. It serves gRPC and its JSON gateway at ADDR, and stores its data in DIR.
//
//	etcd ADDR DIR
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"

	"key-value/test/bench/dataset"
)

// batch is etcd's default limit of operations in a transaction.
const batch = 128

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: etcd ADDR DIR")
	}
	if err := os.Chdir(args[1]); err != nil {
		return err
	}
	etcd, err := embed.StartEtcd(config(args[0]))
	if err != nil {
		return err
	}
	defer etcd.Close()
	select {
	case <-etcd.Server.ReadyNotify():
	case err := <-etcd.Err():
		return err
	case <-time.After(30 * time.Second):
		return errors.New("not ready after 30 seconds")
	}
	if err := fill(ctx, etcd.Server); err != nil {
		return err
	}
	slog.New(slog.NewTextHandler(os.Stderr, nil)).Info("listening", "addr", args[0])
	select {
	case err := <-etcd.Err():
		return err
	case <-ctx.Done():
		return nil
	}
}

func config(addr string) *embed.Config {
	c := embed.NewConfig()
	c.Dir = "."
	c.LogLevel = "fatal" // it logs a clean stop as an error
	c.UnsafeNoFsync = true
	c.QuotaBackendBytes = 8 << 30 // it keeps old versions, and would reject writes at its default of 2 GiB
	clients := url.URL{Scheme: "http", Host: addr}
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{clients}, []url.URL{clients}
	// The single member has no peers to listen for. A socket uses no port.
	peers := url.URL{Scheme: "unix", Host: "peer.sock:1"}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{peers}, []url.URL{peers}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	return c
}

// fill writes the entries.
func fill(ctx context.Context, server *etcdserver.EtcdServer) error {
	for first := 0; first < dataset.Entries; first += batch {
		txn := &pb.TxnRequest{}
		for i := first; i < min(first+batch, dataset.Entries); i++ {
			put := &pb.PutRequest{Key: []byte(dataset.Key(i)), Value: []byte(dataset.Value(i))}
			txn.Success = append(txn.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: put}})
		}
		if _, err := server.Txn(ctx, txn); err != nil {
			return err
		}
	}
	return nil
}
