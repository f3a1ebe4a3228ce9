// Command cluster runs a store that has outgrown one machine, on this machine and without containers: three primaries
// of Redis or Valkey with a replica each, or three members of etcd; two kvservices, a gateway for each, and a load balancer
// for the gateways. It is for trying things out, needs redis-server or valkey-server, or builds etcd, and ends everything on
// Ctrl-C.
//
//	go run ./deploy/cluster
//	go run ./deploy/cluster --store etcd
//
// Nodes that die are restarted: those of Redis once their replicas have taken over. Gateways and kvservices are not: the
// load balancer avoids those that have died.
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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, getenv func(string) string, out, log io.Writer) error {
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8888", "address of the load balancer")
	store := flags.String("store", "redis", "what keeps the data: redis or etcd")
	kv := flags.String("kv", "", "kv binary to run; empty: build ./cmd/kv")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	startNodes, ok := stores[*store]
	if !ok {
		return fmt.Errorf("invalid --store %q: want redis or etcd", *store)
	}
	d := &deployment{startNodes: startNodes, kv: *kv, key: getenv("KV_API_KEY"), out: out, log: log}
	defer d.end()
	err := d.start(ctx, *listen)
	if err == nil {
		d.printProcesses()
		d.supervise(ctx)
	}
	if ctx.Err() != nil {
		return d.stop()
	}
	return err
}

// stopPatience is how long a program may take to stop.
const stopPatience = 30 * time.Second

// nodes are the processes that have the data.
type nodes interface {
	// URL names them in the form that --store takes.
	URL() string
	// print lists them, and says what to try.
	print(d *deployment)
	// supervise restarts those that end, until ctx is done.
	supervise(ctx context.Context, d *deployment)
	Close() error
}

// stores start nodes :: the value of --store → function.
var stores = map[string]func(ctx context.Context, d *deployment) (nodes, error){"redis": startRedis, "etcd": startEtcd}

// deployment is everything that runs.
type deployment struct {
	startNodes func(ctx context.Context, d *deployment) (nodes, error)

	kv       string // the binary
	key      string // the API key
	out, log io.Writer

	dir      string // for the binary
	nodes    nodes
	programs proc.Group
	services []program
	gateways []program
	balancer *balancer.Balancer
}

// start starts everything, nodes first.
func (d *deployment) start(ctx context.Context, listen string) error {
	if err := d.build(ctx); err != nil {
		return err
	}
	if d.key == "" {
		d.key = auth.Generate("default")
	}
	nodes, err := d.startNodes(ctx, d)
	if err != nil {
		return err
	}
	d.nodes = nodes
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

// build builds kv from the working tree, unless a binary was given.
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

// stop stops gateways, then kvservices.
func (d *deployment) stop() error {
	var errs []error
	for _, p := range slices.Concat(d.gateways, d.services) {
		if err := p.Stop(stopPatience); !errors.Is(err, os.ErrProcessDone) { // one that died earlier is not an error
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// end ends everything that is still running.
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
