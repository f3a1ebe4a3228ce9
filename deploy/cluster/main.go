// Command cluster runs the store as it is when it has outgrown one machine, on this machine and without containers: three
// primaries of Redis or Valkey with a replica each, two kvservices, a gateway before each, and a load balancer before those.
// It is for trying out, needs redis-server or valkey-server, and ends all it started at Ctrl-C.
//
//	go run ./deploy/cluster
//
// Nodes that die are started again once their replicas have taken over. Gateways and kvservices that die stay dead: the
// load balancer knows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"key-value/internal/auth"
	"key-value/internal/testkit/balancer"
	"key-value/internal/testkit/proc"
	"key-value/internal/testkit/rediscluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends this at once
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, getenv func(string) string, out, log io.Writer) error {
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8888", "where the load balancer listens")
	kv := flags.String("kv", "", "the kv to run; empty: build ./cmd/kv")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	d := &deployment{kv: *kv, key: getenv("KV_API_KEY"), out: out, log: log}
	defer d.end()
	err := d.start(ctx, *listen)
	if err == nil {
		d.introduce()
		d.care(ctx)
	}
	if ctx.Err() != nil {
		return d.stop()
	}
	return err
}

// stopPatience is how long a program may take to stop.
const stopPatience = 30 * time.Second

// deployment is all that runs.
type deployment struct {
	kv       string // the program
	key      string // the API key
	out, log io.Writer

	dir      string // for what is built
	nodes    *rediscluster.Cluster
	programs proc.Group
	services []program
	gateways []program
	balancer *balancer.Balancer
}

// start starts everything, from the back to the front.
func (d *deployment) start(ctx context.Context, listen string) error {
	if err := d.build(ctx); err != nil {
		return err
	}
	if d.key == "" {
		d.key = auth.Generate("default")
	}
	var err error
	if d.nodes, err = rediscluster.Start(ctx, rediscluster.Config{
		Primaries: 3, Replicas: 1, NodeTimeout: 2 * time.Second,
	}); err != nil {
		return err
	}
	token := "KV_SERVICE_TOKEN=" + auth.Generate("cluster")
	var backends []*balancer.Backend
	for i := range 2 {
		service, err := d.startProgram(ctx, fmt.Sprint("kvservice ", i+1), []string{token},
			"kvservice", "--listen", "127.0.0.1:0", "--store", d.nodes.URL())
		if err != nil {
			return err
		}
		d.services = append(d.services, service)
		gateway, err := d.startProgram(ctx, fmt.Sprint("gateway ", i+1), []string{token, "KV_API_KEY=" + d.key},
			"gateway", "--listen", "127.0.0.1:0", "--service", "http://"+service.Addr)
		if err != nil {
			return err
		}
		d.gateways = append(d.gateways, gateway)
		backends = append(backends, &balancer.Backend{Addr: gateway.Addr, Probe: "http://" + gateway.Addr + "/readyz"})
	}
	d.balancer, err = balancer.New(listen, backends...)
	return err
}

// build makes a kv from the working tree, unless there is one to run.
func (d *deployment) build(ctx context.Context) error {
	if d.kv != "" {
		return nil
	}
	var err error
	if d.dir, err = os.MkdirTemp("", "kv-cluster-"); err != nil {
		return err
	}
	d.kv, err = proc.BuildKV(ctx, d.dir)
	return err
}

// stop has gateways and kvservices end cleanly, from the front to the back.
func (d *deployment) stop() error {
	var errs []error
	for _, p := range slices.Concat(d.gateways, d.services) {
		if err := p.Stop(stopPatience); !errors.Is(err, os.ErrProcessDone) { // those that died are no error
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// end ends whatever still runs.
func (d *deployment) end() {
	if d.balancer != nil {
		d.balancer.Close()
	}
	d.programs.Kill()
	var errs []error
	if d.nodes != nil {
		errs = append(errs, d.nodes.Close())
	}
	if d.dir != "" {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(d.log, "cluster:", err)
	}
}
