package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"key-value/internal/testkit/haproxy"
	"key-value/internal/testkit/proc"
)

var restarts = flag.Int("restarts", 4, "how many gateways TestNoCallFailsInARollingRestart restarts")

const (
	// callLimit is how long a call may take in a rolling restart.
	callLimit = 20 * time.Second
	// rollingPause is the time between the start of one gateway and the stop of the next: HAProxy must notice that the
	// first is ready again, which takes it a second.
	rollingPause = 3 * time.Second
	// rollingGap is how long a gateway is away, as a container is.
	rollingGap = 2 * time.Second
)

// TestNoCallFailsInARollingRestart restarts gateways one after another behind the HAProxy of compose.cluster.yaml, with the
// settings of that file, while clients call that send no request twice.
func TestNoCallFailsInARollingRestart(t *testing.T) {
	r := startRolling(t)
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for _, c := range r.clients(t) {
		clients.Go(func() { c.run(ctx, &r.failures) })
	}
	for i := range *restarts {
		if err := r.restart(t.Context(), i%len(r.gateways)); err != nil {
			t.Errorf("restart %d: %v", i+1, err)
			break
		}
	}
	stop()
	clients.Wait()
	t.Logf("%d calls in %d restarts", r.failures.calls, *restarts)
	if r.failures.failed != 0 {
		t.Errorf("%d of %d calls failed in %d restarts, want 0:\n%s", r.failures.failed, r.failures.calls, *restarts,
			strings.Join(r.failures.examples, "\n"))
	}
}

// TestClientsLeaveAGatewayThatHangs pauses a gateway. Its connections stay open, and it answers nothing, so HAProxy must
// close them.
func TestClientsLeaveAGatewayThatHangs(t *testing.T) {
	r := startRolling(t)
	var clients []rollingClient
	for i := range 4 {
		name := fmt.Sprint("HTTP/1.1 ", i)
		clients = append(clients, rollingClient{name: name, call: counting(overREST(r.keepAlive(), r.url(), name))})
	}
	for _, c := range clients {
		if err := c.call(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, gateway := range r.gateways { // all may be connected to the second one, if HAProxy found the first one late
		if callWhileHanging(t, gateway, clients) > 0 {
			return
		}
	}
	t.Error("no client was connected to the gateway that hangs")
}

// callWhileHanging makes a call of each client while gateway hangs, and another one of those whose connection is closed. It
// returns how many that are.
func callWhileHanging(t *testing.T, gateway *proc.Process, clients []rollingClient) int {
	t.Helper()
	if err := gateway.Pause(); err != nil {
		t.Fatal(err)
	}
	var calls sync.WaitGroup
	var closed atomic.Int32
	for _, c := range clients {
		calls.Go(func() {
			bounded, cancel := context.WithTimeout(t.Context(), callLimit)
			defer cancel()
			if c.call(bounded) == nil {
				return // by the other gateway
			}
			closed.Add(1)
			if err := c.call(bounded); err != nil {
				t.Errorf("%s, on a new connection: %v", c.name, err)
			}
		})
	}
	calls.Wait()
	if err := gateway.Continue(); err != nil {
		t.Fatal(err)
	}
	return int(closed.Load())
}

// rolling is a kvservice, two gateways with the settings of compose.cluster.yaml, and its HAProxy.
type rolling struct {
	kv        string
	settings  []string // environment of the gateways that compose.cluster.yaml sets
	processes proc.Group
	service   *proc.Process
	gateways  [2]*proc.Process
	addrs     [2]string
	haproxy   *proc.Process
	failures  failures
}

func startRolling(t *testing.T) *rolling {
	t.Helper()
	kv, err := proc.BuildKV(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &rolling{kv: kv}
	t.Cleanup(r.processes.Kill)
	if r.service, err = r.processes.Serve(t.Context(), proc.KV(kv, []string{"KV_SERVICE_TOKEN=" + serviceToken},
		"kvservice", "--listen", "127.0.0.2:0")); err != nil {
		t.Fatal(err)
	}
	port, adminPort := strconv.Itoa(proc.FreePort()), strconv.Itoa(proc.FreePort())
	r.settings = gatewaySettings(t, adminPort)
	for i := range r.gateways {
		r.addrs[i] = net.JoinHostPort(fmt.Sprint("127.0.0.", 3+i), port)
		if err := r.startGateway(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	r.haproxy = haproxy.Start(t, balancerConfig(t, r.addrs, adminPort))
	return r
}

// balancerConfig returns the configuration of HAProxy that is shipped, with other addresses.
func balancerConfig(t *testing.T, gateways [2]string, adminPort string) string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/cluster/haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer(
		"bind :8888", "bind "+haproxy.Listen,
		" gateway-1:8888", " "+gateways[0],
		" gateway-2:8888", " "+gateways[1],
		"check port 9464", "check port "+adminPort,
	).Replace(string(text))
	if left := regexp.MustCompile(`\S*:8888|\b9464\b`).FindString(config); left != "" {
		t.Fatalf("haproxy.cfg has %s, which is not an address of this test", left)
	}
	return config
}

// gatewaySettings returns the variables that compose.cluster.yaml sets for gateways, except secrets.
func gatewaySettings(t *testing.T, adminPort string) []string {
	t.Helper()
	text, err := os.ReadFile("../../compose.cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	gateway := regexp.MustCompile(`(?s)\nx-gateway:.*?\n\n`).Find(text)
	var settings []string
	for _, match := range regexp.MustCompile(`(?m)^    (KV_\w+): ("?)([^"$\s]+)"?`).FindAllSubmatch(gateway, -1) {
		settings = append(settings, string(match[1])+"="+strings.Replace(string(match[3]), ":9464", ":"+adminPort, 1))
	}
	if len(settings) == 0 {
		t.Fatal("compose.cluster.yaml sets no variables for gateways")
	}
	return settings
}

// startGateway starts gateway i where it was before.
func (r *rolling) startGateway(ctx context.Context, i int) error {
	host, _, _ := net.SplitHostPort(r.addrs[i])
	env := []string{"KV_SERVICE_TOKEN=" + serviceToken, "KV_API_KEY=" + apiKey}
	for _, variable := range r.settings {
		env = append(env, strings.Replace(variable, "=:", "="+host+":", 1))
	}
	p, err := r.processes.Serve(ctx, proc.KV(r.kv, env, "gateway", "--listen", r.addrs[i], "--service", "http://"+r.service.Addr))
	if err == nil {
		r.gateways[i] = p
	}
	return err
}

// restart restarts gateway i after the clients have made connections to it.
func (r *rolling) restart(ctx context.Context, i int) error {
	pause(ctx, rollingPause)
	if err := r.gateways[i].Stop(stopPatience); err != nil {
		return err
	}
	pause(ctx, rollingGap)
	return r.startGateway(ctx, i)
}

func (r *rolling) url() string { return "http://" + r.haproxy.Addr }
