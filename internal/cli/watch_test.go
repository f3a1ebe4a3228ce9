package cli

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// watching is a running kv watch.
type watching struct {
	out, err *lines
	stop     context.CancelFunc
	code     chan int
}

func startWatch(t *testing.T, env map[string]string, args ...string) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{&lines{}, &lines{}, cancel, make(chan int, 1)}
	go func() {
		w.code <- run(ctx, "test", append([]string{"watch"}, args...), streams{strings.NewReader(""), w.out, w.err},
			clientEnv(env))
	}()
	t.Cleanup(cancel)
	return w
}

// end interrupts the watch and returns its log.
func (w *watching) end(t *testing.T) string {
	t.Helper()
	w.stop()
	if code := <-w.code; code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	return w.err.String()
}

func TestAWatchPrintsEventsAndHowToResume(t *testing.T) {
	t.Parallel()
	env := serving(t)
	check(t, env, "", "set a/1 old", wants{})
	w := startWatch(t, env, "--prefix", "a/", "--snapshot", "--sync")
	w.out.find(t.Context(), `(sync)\n`)
	check(t, env, "two\nlines", "set a/2", wants{})
	check(t, env, "", "set b other", wants{})
	check(t, env, "", "touch a/1 --persist", wants{})
	check(t, env, "", "del a/1", wants{})
	check(t, env, "", "set a/3 x --ttl 1ms", wants{})
	w.out.find(t.Context(), `(expire)  a/3\n`)
	said := w.end(t)
	want := "put     a/1  \"old\"\nsync\nput     a/2  \"two\\nlines\"\ntouch   a/1  expires in: never\ndelete  a/1\nput     a/3  \"x\"\nexpire  a/3\n"
	if w.out.String() != want {
		t.Errorf("the watch printed %q, want %q", w.out.String(), want)
	}
	token := regexp.MustCompile(`\Akv: to resume: kv watch --prefix a/ --resume (\S+)\nkv: interrupted\n\z`).FindStringSubmatch(said)
	if token == nil {
		t.Fatalf("at its end the watch logged %q", said)
	}

	check(t, env, "", "set a/4 meanwhile", wants{})
	w = startWatch(t, env, "--prefix", "a/", "--resume", token[1], "-o", "json")
	next := w.out.find(t.Context(), `"key":"a/4","value":"meanwhile".*"resumeToken":"(\S+)"\}\n`)
	if said := w.end(t); !strings.Contains(said, "--resume "+next+"\n") {
		t.Errorf("at its end the watch logged %q, want to resume from %s", said, next)
	}
	if n := strings.Count(w.out.String(), "\n"); n != 1 {
		t.Errorf("the resumed watch printed %s, want one event", w.out.String())
	}
}

func TestAWatchOfOneKey(t *testing.T) {
	t.Parallel()
	env := serving(t)
	w := startWatch(t, env, "a b", "--sync", "-o", "json")
	w.out.find(t.Context(), `(\{"type":"sync","revision":"\d+","resumeToken":"\S+"\})\n`)
	kv(t, env, "\xff", "set", "a b")
	kv(t, env, "", "set", "a b c", "x")
	kv(t, env, "", "del", "a b")
	w.out.find(t.Context(), `(\{"type":"delete","entry":\{"key":"a b"\},"revision":"\d+","resumeToken":"\S+"\})\n`)
	if said := w.end(t); !strings.HasPrefix(said, "kv: to resume: kv watch 'a b' --resume ") {
		t.Errorf("at its end the watch logged %q", said)
	}
	if !strings.Contains(w.out.String(), `{"type":"put","entry":{"key":"a b","data":"/w==",`) || strings.Contains(w.out.String(), "a b c") {
		t.Errorf("the watch printed %s", w.out.String())
	}
}

// A watch logs a lost connection once, and then nothing until it ends.
func TestAWatchSurvivesItsStore(t *testing.T) {
	t.Parallel()
	server := startKV(t, key, "serve")
	w := startWatch(t, map[string]string{"KV_URL": server.url, "KV_API_KEY": "secret"}, "--prefix", "", "--sync")
	w.out.find(t.Context(), `(sync)\n`)
	server.stop()
	w.err.find(t.Context(), `(connection lost, retrying: )`)
	if said := w.end(t); strings.Count(said, "connection lost") != 1 || !strings.Contains(said, "--prefix '' --resume") {
		t.Errorf("the watch logged %q", said)
	}
}

func TestAWatchThatCannotStart(t *testing.T) {
	t.Parallel()
	env := serving(t)
	check(t, env, "", "watch", wants{2, "", `kv: nothing to watch: .*\n`})
	check(t, env, "", "watch a --prefix b", wants{2, "", `kv: more than one thing to watch: want either KEY or --prefix PREFIX, then -- COMMAND if any\n`})
	check(t, env, "", "watch a --snapshot --resume b", wants{2, "", `kv: --snapshot and --resume are mutually exclusive: .*\n`})
	check(t, env, "", "watch a b", wants{2, "", `kv: more than one thing to watch: .*\n`})
	check(t, env, "", "watch -- a b", wants{2, "", `kv: more than one thing to watch: .*\n`})
	check(t, env, "", "watch a -- no-such-program", wants{2, "", `kv: cannot run "no-such-program": executable file not found .*\n`})
	check(t, env, "", "watch a --resume forged", wants{1, "", `kv: invalid resume_token: .*\n`})
	check(t, env, "", "watch a --resume 1y2p0ij32e8e7-1", wants{1, "", `kv: .*\n`})
	check(t, map[string]string{"KV_URL": env["KV_URL"]}, "", "watch a", wants{4, "", `kv: .*\n`})
	check(t, map[string]string{"KV_URL": "http://127.0.0.1:1"}, "", "watch a", wants{5, "", `kv: .*\n`})
}

// The first line of a watch is a change: a pipe to head -1 or --once ends with it.
func TestAWatchShowsChangesOnly(t *testing.T) {
	t.Parallel()
	env := serving(t)
	check(t, env, "", "set a 1", wants{})
	check(t, env, "", "set -- -a 2", wants{})
	for _, step := range []struct{ line, out string }{
		{"watch a --snapshot --once", `put     a  "1"\n`},
		{"watch --once --snapshot -- -a", `put     -a  "2"\n`},
		{"watch a --snapshot --once -o json", `\{"type":"put","entry":\{"key":"a",.*\}\n`},
		{"watch --prefix a --snapshot --once -- printenv KV_EVENT_KEY", `a\n`},
		{"watch --snapshot --once -- -a -- printenv KV_EVENT_VALUE", `2\n`},
	} {
		check(t, env, "", step.line, wants{out: step.out})
	}
	w := startWatch(t, env, "a", "-o", "json")
	repeat(t, func() error { // the watch may start late
		kv(t, env, "x", "set", "a")
		if !strings.Contains(w.out.String(), "\n") {
			return fmt.Errorf("the watch prints no change: %s", w.err)
		}
		return nil
	})
	if first, _, _ := strings.Cut(w.out.String(), "\n"); !strings.Contains(first, `"type":"put"`) {
		t.Errorf("a watch begins with %s, want a change", first)
	}
	w.end(t)
}

// A command gets the event in variables and the value on its standard input, and its failure does not end the watch.
func TestAWatchRunsACommand(t *testing.T) {
	t.Parallel()
	env := serving(t)
	long := strings.Repeat("x", 200_000)
	kv(t, env, long, "set", "r/1")
	kv(t, env, "\xff\x00", "set", "r/2", "--ttl", "1h")
	kv(t, env, "plain", "set", "r/3")
	script := `echo "$KV_EVENT_TYPE $KV_EVENT_KEY [$KV_EVENT_VALUE] ${KV_EVENT_ETAG:+etag} ${KV_EVENT_EXPIRE_TIME:+expires} ${KV_EVENT_RESUME_TOKEN:+token} $(wc -c)"; exit 7`
	w := startWatch(t, env, "--prefix", "r/", "--snapshot", "--sync", "--", "sh", "-c", script)
	w.out.find(t.Context(), `(sync)`)
	kv(t, env, "", "del", "r/1")
	w.out.find(t.Context(), `(delete)`)
	said := w.end(t)
	want := "put r/1 [] etag   200000\nput r/2 [] etag expires  2\nput r/3 [plain] etag   5\nsync  []   token 0\ndelete r/1 []   token 0\n"
	if w.out.String() != want {
		t.Errorf("the commands printed %q, want %q", w.out.String(), want)
	}
	for _, line := range []string{`kv: put "r/1": sh: exit status 7`, "kv: to resume: kv watch --prefix r/ --resume "} {
		if !strings.Contains(said, line) {
			t.Errorf("the watch logged %q, want %q", said, line)
		}
	}
	if got := kv(t, env, "", "watch", "r/3", "--snapshot", "--once", "--", "sh", "-c", "exit 7"); got != (result{7, "", "kv: sh: exit status 7\n"}) {
		t.Errorf("kv watch --once of a command that exits with 7 = %+v", got)
	}
	if got := kv(t, env, "", "watch", "r/3", "--snapshot", "--once", "--", "sh", "-c", "kill $$"); got.code != 143 {
		t.Errorf("kv watch --once of a command that SIGTERM ends = %+v, want code 143", got)
	}
}
