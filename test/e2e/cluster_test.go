package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// cluster is what deploy/cluster has started, according to its output.
type cluster struct {
	*process
	url      string
	gateways []string // their URLs
	primary  int      // the process id of one primary, or of one member of etcd
	pids     []int    // of all processes
}

// startCluster runs deploy/cluster, as `task cluster` does.
func startCluster(t *testing.T, name string, args ...string) cluster {
	t.Helper()
	c := cluster{process: launch(t, []string{"KV_API_KEY=" + apiKey}, name, args...)}
	t.Cleanup(func() { // it has files to remove
		_ = c.Signal(syscall.SIGINT)
		c.wait(t)
	})
	if _, err := c.WaitFor(t.Context(), c.Out, "Ctrl-C ends everything"); err != nil {
		if why := regexp.MustCompile("neither redis-server nor valkey-server .*").FindString(c.Log.String()); why != "" && os.Getenv("KV_REQUIRE_REDIS") != "1" {
			skipLoudly(t, "the store on a Redis cluster", why)
		}
		if why := regexp.MustCompile("build go.etcd.io/etcd.*").FindString(c.Log.String()); why != "" && os.Getenv("KV_REQUIRE_ETCD") != "1" {
			skipLoudly(t, "the store on a cluster of etcd", why)
		}
		t.Fatal(err)
	}
	said := c.Out.String()
	c.url = regexp.MustCompile(`http://[0-9.:]+`).FindString(said)
	for _, line := range regexp.MustCompile(`(\w+) \d +([0-9.:]+) +pid (\d+)`).FindAllStringSubmatch(said, -1) {
		pid, err := strconv.Atoi(line[3])
		if err != nil {
			t.Fatal(err)
		}
		c.pids = append(c.pids, pid)
		switch line[1] {
		case "gateway":
			c.gateways = append(c.gateways, "http://"+line[2])
		case "primary", "member":
			c.primary = pid
		}
	}
	if nodes := len(c.pids) - 4; nodes != 6 && nodes != 3 || len(c.gateways) != 2 || c.primary == 0 {
		t.Fatalf("want six nodes of Redis or three of etcd, two kvservices and two gateways:\n%s", said)
	}
	return c
}

// calls makes a call for each of a hundred keys, which are spread over all primaries, and returns how many succeeded.
func calls(t *testing.T, method, url string) (done int) {
	t.Helper()
	for i := range 100 {
		key, body := fmt.Sprint("cluster/", i), ""
		target := url + "/v1/values/" + key
		if method == http.MethodPut {
			target, body = url+"/v1/values", fmt.Sprintf(`{"key":%q,"value":"v"}`, key)
		}
		req, err := http.NewRequest(method, target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Api-Key", apiKey)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return done
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return done
		}
		done++
	}
	return done
}

func TestTheClusterServesAgainAfterANodeDies(t *testing.T) {
	program := filepath.Join(t.TempDir(), "cluster")
	if err := command("go", "build", "-o", program, "./deploy/cluster"); err != nil {
		t.Fatal(err)
	}
	for _, store := range []string{"redis", "etcd"} {
		t.Run(store, func(t *testing.T) { servesAgain(t, program, store) })
	}
}

func servesAgain(t *testing.T, program, store string) {
	c := startCluster(t, program, "-listen", "127.0.0.1:0", "-kv", kv, "-store", store)
	if got := calls(t, http.MethodPut, c.url); got != 100 {
		t.Fatalf("%d of 100 values were written through the load balancer", got)
	}
	for _, gateway := range c.gateways {
		if got := calls(t, http.MethodGet, gateway); got != 100 {
			t.Errorf("%d of 100 values were read through %s", got, gateway)
		}
	}
	if err := syscall.Kill(c.primary, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.prints(t, "is back")
	eventually(t, "all keys can be written", func() bool { return calls(t, http.MethodPut, c.url) == 100 })
	for _, gateway := range c.gateways {
		if got := calls(t, http.MethodGet, gateway); got != 100 {
			t.Errorf("%d of 100 values were read through %s after the failover", got, gateway)
		}
	}
	if err := c.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := c.wait(t); code != 0 {
		t.Errorf("exit code %d after Ctrl-C, want 0", code)
	}
	for _, pid := range c.pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d after Ctrl-C: %v, want %v", pid, err, syscall.ESRCH)
		}
	}
}
