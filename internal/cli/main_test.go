package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"key-value/internal/testkit/proc"
)

// result is the exit code and output of a command.
type result struct {
	code     int
	out, err string
}

// kv runs a command line to its end.
func kv(t *testing.T, env map[string]string, stdin string, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	code := run(t.Context(), "test", args, streams{strings.NewReader(stdin), &out, &errOut}, clientEnv(env))
	return result{code, out.String(), errOut.String()}
}

// clientEnv returns the environment of a command that calls a server. It waits longer for answers than people do, for a busy machine.
func clientEnv(env map[string]string) func(string) string {
	return func(name string) string {
		if value, ok := env[name]; ok || name != "KV_TIMEOUT" {
			return value
		}
		return patience.String()
	}
}

// process is a running server command.
type process struct {
	url  string
	out  *lines
	log  *lines
	stop context.CancelFunc
	code chan int
}

// lines collects the output of a command, and lets a test wait for a part of it.
type lines struct{ proc.Output }

// patience is how long a test waits for what must happen.
const patience = 2 * time.Minute

// find waits until pattern matches and returns its first group, or "" if stop is done first or patience has run out.
func (l *lines) find(stop context.Context, pattern string) string {
	bounded, cancel := context.WithTimeout(stop, patience)
	defer cancel()
	match, _ := l.Find(bounded, pattern)
	return match
}

// repeat calls check until it returns no error.
func repeat(t *testing.T, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %v", patience, err)
		}
	}
}

// startKV runs a server command on a free port and stops it when the test ends.
func startKV(t *testing.T, env map[string]string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{out: &lines{}, log: &lines{}, stop: cancel, code: make(chan int, 1)}
	ended, end := context.WithCancel(context.Background())
	go func() {
		defer end()
		p.code <- run(ctx, "test", append(args, "--listen", "127.0.0.1:0"), streams{strings.NewReader(""), p.out, p.log},
			func(name string) string { return env[name] })
	}()
	addr := p.log.find(ended, proc.Listening)
	if addr == "" {
		t.Fatalf("kv %v did not start: %s", args, p.log.String())
	}
	p.url = "http://" + addr
	t.Cleanup(func() { cancel(); <-ended.Done() })
	return p
}

var key = map[string]string{"KV_API_KEY": "secret"}

// arrangements start both services, in one process or two, and return the gateway.
var arrangements = map[string]func(t *testing.T) *process{
	"one process": func(t *testing.T) *process { return startKV(t, key, "serve") },
	"two processes": func(t *testing.T) *process {
		service := startKV(t, map[string]string{"KV_SERVICE_TOKEN": "token"}, "kvservice")
		return startKV(t, map[string]string{"KV_API_KEY": "secret", "KV_SERVICE_TOKEN": "token", "KV_SERVICE": service.url}, "gateway")
	},
}

func TestAValueCanBeSetReadAndDeleted(t *testing.T) {
	t.Parallel()
	for name, start := range arrangements {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"KV_URL": start(t).url, "KV_API_KEY": "secret"}
			for _, step := range []struct {
				args []string
				in   string
				want result
			}{
				{[]string{"set", "hello", "world"}, "", result{}},
				{[]string{"get", "hello"}, "", result{out: "world"}},
				{[]string{"set", "bytes"}, "\x00\xff\n", result{}},
				{[]string{"get", "bytes"}, "", result{out: "\x00\xff\n"}},
				{[]string{"set", "--ttl", "1h", "brief", "x"}, "", result{}},
				{[]string{"del", "hello"}, "", result{}},
				{[]string{"del", "hello"}, "", result{}},
				{[]string{"get", "hello"}, "", result{code: 3, err: "kv: there is no key \"hello\"\n"}},
				{[]string{"healthcheck", env["KV_URL"]}, "", result{}},
			} {
				if got := kv(t, env, step.in, step.args...); got != step.want {
					t.Errorf("kv %v = %+v, want %+v", step.args, got, step.want)
				}
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	server := startKV(t, key, "serve")
	for name, test := range map[string]struct {
		env  map[string]string
		args []string
		want int
	}{
		"no such key":              {key, []string{"get", "nope"}, 3},
		"a wrong API key":          {map[string]string{"KV_API_KEY": "wrong"}, []string{"get", "a"}, 4},
		"no API key":               {nil, []string{"get", "a"}, 4},
		"no server":                {key, []string{"get", "a", "--url", "http://127.0.0.1:1"}, 5},
		"a timeout":                {key, []string{"get", "a", "--timeout", "1ns"}, 5},
		"an invalid URL":           {key, []string{"get", "a", "--url", "nowhere"}, 2},
		"a missing argument":       {key, []string{"get"}, 2},
		"an unknown flag":          {key, []string{"get", "a", "--nope"}, 2},
		"an unknown command":       {key, []string{"nope"}, 2},
		"an invalid key":           {key, []string{"get", ".."}, 1},
		"an invalid variable":      {map[string]string{"KV_TIMEOUT": "soon"}, []string{"get", "a"}, 2},
		"healthcheck of no server": {nil, []string{"healthcheck", "http://127.0.0.1:1"}, 1},
		"an unknown store":         {key, []string{"serve", "--store", "nope"}, 2},
		"a store with a password":  {key, []string{"serve", "--store", "redis://user:secret@127.0.0.1:1"}, 2},
		"--max-memory with Redis":  {key, []string{"serve", "--store", "redis://127.0.0.1:1", "--max-memory", "1MiB"}, 2},
		"a CA without TLS":         {key, []string{"serve", "--store", "redis://127.0.0.1:1", "--store-ca", "ca.pem"}, 2},
		"an etcd with a password":  {key, []string{"serve", "--store", "etcd://user:secret@127.0.0.1:1"}, 2},
		"--max-memory with etcd":   {key, []string{"serve", "--store", "etcd://127.0.0.1:1", "--max-memory", "1MiB"}, 2},
		"an unreachable etcd":      {key, []string{"serve", "--store", "etcd://127.0.0.1:1"}, 1},
		"a CA for memory":          {key, []string{"serve", "--store-ca", "ca.pem"}, 2},
		"an unreachable store":     {key, []string{"serve", "--store", "redis://127.0.0.1:1"}, 1},
		"an unknown --on-full":     {key, []string{"serve", "--on-full", "panic"}, 2},
		"an invalid size":          {key, []string{"serve", "--max-memory", "much"}, 2},
		"a negative size":          {key, []string{"serve", "--max-memory", "-1"}, 2},
		"an unknown log level":     {key, []string{"serve", "--log-level", "loud"}, 2},
		"an unknown log format":    {key, []string{"serve", "--log-format", "xml"}, 2},
		"a value size of zero":     {key, []string{"serve", "--max-value-bytes", "0"}, 2},
		"no port":                  {key, []string{"serve", "--listen", "127.0.0.1"}, 2},
		"a proxy that is no CIDR":  {key, []string{"serve", "--trusted-proxies", "10.0.0.0/8,nginx"}, 2},
		"every proxy":              {map[string]string{"KV_API_KEY": "secret", "KV_TRUSTED_PROXIES": "0.0.0.0/0"}, []string{"serve"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"KV_URL": server.url}
			for k, v := range test.env {
				env[k] = v
			}
			if got := kv(t, env, "", test.args...); got.code != test.want || !strings.HasPrefix(got.err, "kv: ") {
				t.Errorf("kv %v = %+v, want code %d and an error", test.args, got, test.want)
			}
		})
	}
}

func TestServersWithoutAuthenticationDoNotStart(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"a gateway without keys":                       {"gateway"},
		"an open kvservice":                            {"kvservice", "--listen", "0.0.0.0:0"},
		"an open kvservice on an address without host": {"kvservice", "--listen", ":0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := kv(t, nil, "", args...)
			if got.code != 2 || !strings.Contains(got.err, "KV_") {
				t.Errorf("kv %v = %+v, want code 2 and the name of the variable to set", args, got)
			}
		})
	}
}

func TestServeGeneratesAKeyIfNoneIsConfigured(t *testing.T) {
	t.Parallel()
	p := startKV(t, nil, "serve")
	ctx := t.Context()
	made := p.out.find(ctx, `(kv_default_[0-9A-Za-z]{32}_[0-9A-Za-z]{6})`)
	if url := p.out.find(ctx, `curl (\S+)/v1/values/hello`); url != p.url {
		t.Errorf("the printed command is for %s, but the server is at %s", url, p.url)
	}
	env := map[string]string{"KV_URL": p.url, "KV_API_KEY": made}
	if got := kv(t, env, "", "set", "hello", "world"); got.code != 0 {
		t.Errorf("kv set with the generated key = %+v", got)
	}
	if n := strings.Count(p.out.String(), "valid until the server stops"); n != 1 {
		t.Errorf("the key was printed %d times, want once", n)
	}
}

func TestServeSaysWhereItIs(t *testing.T) {
	t.Parallel()
	p := startKV(t, key, "serve")
	p.log.find(t.Context(), `(msg=serving url=`+p.url+` console=`+p.url+`/ try="curl `+p.url+`/v1/values -H )`)
	if out := p.out.String(); out != "" {
		t.Errorf("kv serve wrote %q to a pipe", out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, log, code := &lines{}, &lines{}, make(chan int, 1)
	go func() {
		code <- run(ctx, "test", []string{"serve", "--listen", "127.0.0.1:0"}, streams{strings.NewReader(""), &terminal{Writer: out}, log},
			func(name string) string { return key[name] })
	}()
	url := "http://" + log.find(t.Context(), proc.Listening)
	out.find(t.Context(), `(The store is at `+url+`\.(?s:.*)curl `+url+`/v1/values -H "x-api-key: \$KV_API_KEY"\n(?s:.*)Or open `+url+`/ in a browser)`)
	cancel()
	<-code
}

func TestACleanStopExitsWithZero(t *testing.T) {
	t.Parallel()
	for name, start := range arrangements {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			res, err := http.Get(p.url + "/health")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			p.stop()
			if code := <-p.code; code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
		})
	}
}

// Every variable in the help is read and sets its flag. All settings have a variable; flags of a single call have none.
func TestHelpNamesTheVariablesThatAreRead(t *testing.T) {
	t.Parallel()
	settings := []string{"url", "timeout", "ca", "client-cert", "client-key", "context"}
	for _, cmd := range newRoot("test", streams{}, func(string) string { return "" }).Commands() {
		name := cmd.Name()
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			match := regexp.MustCompile(`\[(KV_\w+)\]`).FindStringSubmatch(f.Usage)
			if want := slices.Contains(settings, f.Name) || cmd.GroupID != clientCommands && f.Name != "fix"; (match != nil) != want {
				t.Errorf("kv %s --%s names its variable: %v, want %v", name, f.Name, match != nil, want)
			}
			value := map[string]string{"string": "given", "int": "7", "duration": "7s", "bool": "true", "stringSlice": "[a,b]", "bytes": "7MiB", "networks": "10.0.0.0/8,2001:db8::1/128", "mode": "7s"}[f.Value.Type()]
			root := newRoot("test", streams{}, func(variable string) string {
				if match != nil && variable == match[1] || match == nil && variable == "KV_"+strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_")) {
					return strings.Trim(value, "[]")
				}
				return ""
			})
			again := find(t, root, name)
			if err := again.PreRunE(again, nil); err != nil && f.Name != "context" { // which must be saved
				t.Fatal(err)
			}
			want := f.DefValue
			if match != nil {
				want = value
			}
			if got := again.Flags().Lookup(f.Name).Value.String(); got != want {
				t.Errorf("with its variable at %s, kv %s has --%s %s, want %s", value, name, f.Name, got, want)
			}
		})
	}
}

// A flag takes precedence over its variable.
func TestAFlagTakesPrecedenceOverItsVariable(t *testing.T) {
	t.Parallel()
	server := startKV(t, key, "serve")
	env := map[string]string{"KV_URL": "http://127.0.0.1:1", "KV_API_KEY": "secret"}
	if got := kv(t, env, "", "set", "a", "1", "--url", server.url); got.code != 0 {
		t.Errorf("kv set = %+v, want the flag to take precedence", got)
	}
}

func TestAFullStoreRejectsOrEvicts(t *testing.T) {
	t.Parallel()
	value := strings.Repeat("x", 1<<20)
	for onFull, want := range map[string]int{"reject": 1, "evict": 0} {
		t.Run(onFull, func(t *testing.T) {
			t.Parallel()
			server := startKV(t, key, "serve", "--max-memory", "4MiB", "--on-full", onFull)
			env := map[string]string{"KV_URL": server.url, "KV_API_KEY": "secret"}
			worst := 0
			for i := range 6 {
				worst = max(worst, kv(t, env, value, "set", fmt.Sprint(i)).code)
			}
			if worst != want {
				t.Errorf("writing 6 MiB to a store of 4 MiB: code %d, want %d", worst, want)
			}
		})
	}
}

func TestByteSizes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]byteSize{
		"0": 0, "1": 1, "1024": 1 << 10, "3KiB": 3 << 10, "512MiB": 512 << 20, "2GiB": 2 << 30, "1TiB": 1 << 40,
	} {
		var got byteSize
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("Set(%s) = %d, %v; want %d", text, got, err, want)
		}
		again := got.String()
		if err := got.Set(again); err != nil || got != want {
			t.Errorf("%s is formatted as %s, which is parsed as %d, %v", text, again, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "1.5GiB", "1mb", "-1", "9223372036854775807KiB", "1 MiB"} {
		var got byteSize
		if err := got.Set(text); err == nil {
			t.Errorf("Set(%q) = %d, want an error", text, got)
		}
	}
}

func find(t *testing.T, root *cobra.Command, name string) *cobra.Command {
	t.Helper()
	for _, cmd := range root.Commands() {
		if cmd.Name() == name {
			return cmd
		}
	}
	t.Fatalf("no command %s", name)
	return nil
}
