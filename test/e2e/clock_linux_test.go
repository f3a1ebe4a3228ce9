package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"key-value/internal/testkit/proc"
)

// wallClock is the wall clock of the processes that are started with it. Setting it affects no others.
type wallClock struct {
	launcher, file string
	by             time.Duration // how far it is ahead of the real one
}

func newWallClock(t *testing.T) *wallClock {
	t.Helper()
	c := &wallClock{launcher: filepath.Join(filepath.Dir(kv), "clockstep"), file: filepath.Join(t.TempDir(), "step")}
	if err := command("go", "build", "-C", "test", "-o", c.launcher, "./clockstep"); err != nil {
		t.Fatal(err)
	}
	c.set(t, 0)
	said, err := proc.Command{Path: c.launcher, Args: []string{c.file, "date"}}.Output(t.Context())
	if err != nil {
		if os.Getenv("KV_REQUIRE_CLOCKSTEP") == "1" {
			t.Fatal(err)
		}
		skipLoudly(t, t.Name(), fmt.Sprintf("this system does not let a program's clock be set: %v %s", err, said))
	}
	return c
}

// set makes the clock show the real time and by.
func (c *wallClock) set(t *testing.T, by time.Duration) {
	t.Helper()
	c.by = by
	next := c.file + ".new"
	if err := os.WriteFile(next, []byte(by.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, c.file); err != nil {
		t.Fatal(err)
	}
}

func (c *wallClock) now() time.Time { return time.Now().Add(c.by) }

// of returns the command that runs a program with this clock.
func (c *wallClock) of(program string, args ...string) (string, []string) {
	return c.launcher, append([]string{c.file, program}, args...)
}

// serve starts kv serve with this clock, and returns the environment of its clients.
func (c *wallClock) serve(t *testing.T, args ...string) (*process, []string) {
	t.Helper()
	name, args := c.of(kv, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	p := startCommand(t, []string{"KV_API_KEY=" + apiKey}, name, args...)
	return p, clientEnv(p)
}

func clientEnv(p *process) []string {
	return []string{"KV_URL=http://" + p.Addr, "KV_API_KEY=" + apiKey}
}

// startRedis starts Redis with this clock, and returns its URL.
func (c *wallClock) startRedis(t *testing.T) string {
	t.Helper()
	needsRedis(t, t.Name())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().(*net.TCPAddr)
	if err := listener.Close(); err != nil { // Redis cannot choose a free port itself
		t.Fatal(err)
	}
	name, args := c.of("redis-server", "--port", fmt.Sprint(addr.Port), "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	launch(t, nil, name, args...).prints(t, "(Ready to accept connections)")
	return "redis://" + addr.String()
}

// steps are how a clock is set in turn: an hour forward, and then an hour behind.
var steps = []time.Duration{time.Hour, -time.Hour}

// ttl is the TTL of the entry that the tests look at.
const ttl = 30 * time.Minute

func TestAClockThatIsSetMovesWhatIsShownAndNothingElse(t *testing.T) {
	engines := []struct {
		name string
		args func(t *testing.T) []string
	}{
		{"memory", func(*testing.T) []string { return nil }},
		{"redis", func(t *testing.T) []string {
			return []string{"--store", newWallClock(t).startRedis(t)}
		}},
	}
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			clock := newWallClock(t)
			server, env := clock.serve(t, engine.args(t)...)
			succeed(t, env, "", "set", "session", "anna", "--ttl", ttl.String())
			etag := member(t, "etag", succeed(t, env, "", "get", "session", "-o", "json"))
			for _, by := range steps {
				clock.set(t, by)
				for way, said := range entryInEveryWay(t, server, env) {
					clock.wantTTL(t, fmt.Sprintf("%v later, %s", by, way), said)
				}
				if got := member(t, "etag", succeed(t, env, "", "get", "session", "-o", "json")); got != etag {
					t.Errorf("%v later, the entry has the etag %s, want %s as before", by, got, etag)
				}
				if listed := succeed(t, env, "", "ls", "-o", "table"); !regexp.MustCompile(` (2\dm\d+s|30m0s) .* session\n`).MatchString(listed) {
					t.Errorf("%v later, kv ls prints\n%swant what is left of %v", by, listed, ttl)
				}
				clock.wantStats(t, env)
				clock.wantNow(t, env)
				wantTransfer(t, env)
			}
			succeed(t, env, "", "set", "brief", "x", "--ttl", "1s")
			eventually(t, "an entry expires an hour behind", func() bool {
				return client(t, env, "", "get", "brief").Code == 3
			})
		})
	}
}

// entryInEveryWay returns what tells of the entry, by the way in which it is asked.
func entryInEveryWay(t *testing.T, server *process, env []string) map[string]string {
	t.Helper()
	url := "http://" + server.Addr
	return map[string]string{
		"kv get":    succeed(t, env, "", "get", "session", "-o", "json"),
		"kv ls":     succeed(t, env, "", "ls", "session", "-o", "json"),
		"kv export": succeed(t, env, "", "export", "session"),
		"REST":      ask(t, http.MethodGet, url+"/v1/values/session", ""),
		"REST list": ask(t, http.MethodGet, url+"/v1/values?prefix=session", ""),
		"a watch":   ask(t, http.MethodGet, url+"/v1/values:watch?key=session&snapshot=true", ""),
		"Connect":   ask(t, http.MethodPost, url+"/keyvalue.v1.KeyValueService/Get", `{"key":"session"}`),
	}
}

// ask makes a request and returns the first line of the answer that has data.
func ask(t *testing.T, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", apiKey)
	req.Header.Set("Content-Type", "application/json")
	if strings.Contains(url, ":watch") {
		req.Header.Set("Accept", "text/event-stream")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if strings.Contains(lines.Text(), "{") {
			return lines.Text()
		}
	}
	t.Fatalf("%s %s answers %s without data", method, url, res.Status)
	return ""
}

// succeed runs a client command that must succeed, and returns its output.
func succeed(t *testing.T, env []string, stdin string, args ...string) string {
	t.Helper()
	r := client(t, env, stdin, args...)
	if r.Code != 0 {
		t.Fatalf("kv %s = %+v", strings.Join(args, " "), r)
	}
	return r.Out
}

// member returns a string in a JSON text.
func member(t *testing.T, name, text string) string {
	t.Helper()
	found := regexp.MustCompile(`"` + name + `": ?"([^"]*)"`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no %s in %s", name, text)
	}
	return found[1]
}

func timeOf(t *testing.T, name, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, member(t, name, text))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func durationOf(t *testing.T, name, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(member(t, name, text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// tolerance is more than a test takes, and less than a step.
const tolerance = 10 * time.Minute

// wantTTL checks that text tells what is left of ttl, and when it ends by this clock.
func (c *wallClock) wantTTL(t *testing.T, what, text string) {
	t.Helper()
	if left := durationOf(t, "ttl", text); left > ttl+time.Second || left < ttl-tolerance {
		t.Errorf("%s: the TTL is %v, want what is left of %v", what, left, ttl)
	}
	if left := timeOf(t, "expireTime", text).Sub(c.now()); left > ttl+time.Second || left < ttl-tolerance {
		t.Errorf("%s: the entry expires %v after the present time, want what is left of %v", what, left, ttl)
	}
}

// wantStats checks that the uptime has not changed, and that start time and uptime agree with this clock.
func (c *wallClock) wantStats(t *testing.T, env []string) {
	t.Helper()
	stats := succeed(t, env, "", "stats", "-o", "json")
	uptime := durationOf(t, "uptime", stats)
	if uptime < 0 || uptime > tolerance {
		t.Errorf("%v later, the uptime is %v", c.by, uptime)
	}
	if since := c.now().Sub(timeOf(t, "startTime", stats)); (since - uptime).Abs() > time.Minute {
		t.Errorf("%v later, the server started %v ago and has an uptime of %v", c.by, since, uptime)
	}
}

// wantNow checks the times of an entry that is written now.
func (c *wallClock) wantNow(t *testing.T, env []string) {
	t.Helper()
	succeed(t, env, "", "set", "now", "x", "--ttl", ttl.String())
	entry := succeed(t, env, "", "get", "now", "-o", "json")
	c.wantTTL(t, fmt.Sprintf("written %v later", c.by), entry)
	if ago := c.now().Sub(timeOf(t, "updateTime", entry)).Abs(); ago > tolerance {
		t.Errorf("%v later, an entry that was just written has an update time %v apart", c.by, ago)
	}
}

// wantTransfer checks that an entry that is exported and imported keeps its TTL, by the clock of another machine.
func wantTransfer(t *testing.T, env []string) {
	t.Helper()
	other := newWallClock(t)
	_, otherEnv := other.serve(t)
	succeed(t, otherEnv, succeed(t, env, "", "export", "session"), "import", "--strict")
	other.wantTTL(t, "imported", succeed(t, otherEnv, "", "get", "session", "-o", "json"))
}

// Redis expires entries by its own clock, which may be set differently.
func TestTheClockOfRedisMayBeSet(t *testing.T) {
	redis, here := newWallClock(t), newWallClock(t)
	redis.set(t, time.Hour)
	_, env := here.serve(t, "--store", redis.startRedis(t))
	here.wantNow(t, env)
	for _, by := range []time.Duration{-time.Hour, 0} {
		redis.set(t, by)
		eventually(t, fmt.Sprintf("an entry is shown rightly with a clock of Redis that is %v ahead", by), func() bool {
			succeed(t, env, "", "set", "session", "x", "--ttl", ttl.String())
			entry := succeed(t, env, "", "get", "session", "-o", "json")
			expires := timeOf(t, "expireTime", entry).Sub(here.now())
			return (durationOf(t, "ttl", entry)-ttl).Abs() < tolerance && (expires-ttl).Abs() < tolerance
		})
	}
}

// An import remembers which run of the store it goes to, and must not take the store for another one.
func TestAnImportGoesOnWhileTheClockIsSet(t *testing.T) {
	clock := newWallClock(t)
	server, env := clock.serve(t)
	lines := transferLines()
	half := transferred / 2
	p := startPiped(t, env, "import")
	p.write(t, strings.Join(lines[:half], ""))
	waitForKeys(t, "http://"+server.Addr, half)
	clock.set(t, time.Hour)
	p.write(t, strings.Join(lines[half:], ""))
	p.Stdin.Close()
	if code := p.wait(t); code != 0 {
		t.Errorf("the import exited with %d and wrote %s", code, p.Log)
	}
}

// A gateway rejects calls at once while its service is silent, however its clock is set.
func TestASilentServiceIsNoticedAlthoughTheClockIsSetBack(t *testing.T) {
	clock := newWallClock(t)
	service := startService(t, "127.0.0.1:0")
	name, args := clock.of(kv, "gateway", "--listen", "127.0.0.1:0", "--service", "http://"+service.Addr)
	gateway := startCommand(t, []string{"KV_API_KEY=" + apiKey, "KV_SERVICE_TOKEN=" + serviceToken}, name, args...)
	get := func() string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+gateway.Addr+"/v1/values/k", nil)
		if err != nil {
			return err.Error()
		}
		req.Header.Set("X-Api-Key", apiKey)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err.Error()
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			return err.Error()
		}
		var problem struct{ Detail string }
		_ = json.Unmarshal(text, &problem) // what is no JSON has no detail
		return problem.Detail
	}
	if err := service.Pause(); err != nil {
		t.Fatal(err)
	}
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer func() { _ = service.Continue() }()
	// Calls begin all the time, so that some are always pending.
	rejected := func() func() bool {
		var n atomic.Int64
		return func() bool {
			waiting.Go(func() {
				if strings.Contains(get(), "has stopped answering") {
					n.Add(1)
				}
			})
			return n.Load() > 0
		}
	}
	eventually(t, "calls are rejected at once", rejected())
	clock.set(t, -time.Hour)
	eventually(t, "calls are still rejected at once", rejected())
}
