package e2e_test

import (
	"fmt"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"key-value/internal/testkit/proc"
)

// awkward are keys, without their prefix, that a shell, xargs or a program that takes flags would take for something else.
var awkward = []string{
	"deep blue", " leading", "trailing ", "two  spaces", "it's", `say "hi"`, `back\slash`, `"`, "'", "-rf", "--all", "-", "--", "$(touch x)",
	"`touch x`", "*", "~", "#", ";", "&& kv", "|", "<in", ">out", "%s", "{}", "日本 語", "\u2028", "never", "=", "!",
}

// bystanders are keys that a broken pipe makes of those.
var bystanders = []string{"1", "never", "file", "blue", "deep", "its", "say", "hi", "backslash", "rf", "all", "leading", "two", "spaces", "kv"}

// pipe is a documented line in which keys or values go from one program to the next.
type pipe struct {
	line    string
	prefix  string // the word of line that is the prefix of the keys that go through
	key     string // the word of line that is a key
	deletes bool   // it deletes what has the prefix, and nothing else
	out     string // what it prints, of which N stands for the number of keys; "" for nothing
}

var pipes = []pipe{
	{line: `kv ls -0 tmp/ | xargs -r0 kv del --`, prefix: "tmp/", deletes: true},
	{line: `kv ls --keys tmp/ -o json | jq -c '{delete:{key}}' | kv batch`, prefix: "tmp/", deletes: true, out: "N lines"},
	{line: `kv ls users/ | wc -l`, prefix: "users/", out: "N"},
	{line: `kv ls users/ -o json | jq .value`, prefix: "users/", out: "N lines"},
	{line: `kv export users/ | gzip > users.ndjson.gz`, prefix: "users/"},
	{line: `date | kv set started --create-only`, key: "started"},
	{line: `date | kv set started --ttl 24h`, key: "started"},
	{line: `kv get hello -o json | jq -r .etag`, key: "hello", out: "1 lines"},
	{line: `kv ttl session -o json | jq -r .expireTime`, key: "session", out: "1 lines"},
	{line: `kv exists config || kv set config default`, key: "config"},
	{line: `kv set hello again --if-match "$(kv get hello -o json | jq -r .etag)"`, key: "hello"},
	{line: `etag=$(kv get greeting -o json | sed 's/.*"etag":"\([^"]*\)".*/\1/')`, key: "greeting"},
}

// pipesOfText are the documented pipes through which no key and no value of a store goes, and those that other tests run.
var pipesOfText = []string{
	`gunzip -c users.ndjson.gz | kv import --create-only`,         // TestAnExportIsRestoredThroughAPipe
	`kv export | kv import --url http://127.0.0.1:8889`,           // TestAnExportIsRestoredThroughAPipe
	`kv backup | gzip > kv.backup.gz`,                             // TestABackupIsRestoredThroughAPipe
	`gunzip < kv.backup.gz | kv restore --data-dir /var/lib/kv -`, // TestABackupIsRestoredThroughAPipe
	`kv watch --prefix '' -o json | jq -c .entry`,                 // TestAWatchIsReadThroughAPipe
	`kv get photo | cmp - /tmp/kv.photo`,                          // TestGuides: bytes of one value
	`echo '{"increment":{"key":"n","delta":"5"}}' | kv batch`,     // text of its own
	`kv stats -o json | jq .keys`,                                 // numbers
	`kv stats --url http://127.0.0.1:8889 | grep engine`,          // numbers
	`kv top --once -o json | jq .reads.perSecond`,                 // numbers
	`kv top | head`,                 // it refuses to
	`kv caller -o json | jq -r .id`, // an id is a word of [a-z0-9-]
	`kv keys list --file keys.json -o json | jq -r 'select(.state=="expired").id'`, // ids are words of [a-z0-9-]
	`printf '%s\n' '{"set":{"key":"a","value":"1"}}' '{"get":{"key":"a"}}' | kv batch`,
	`mkdir -p /tmp/kv.man && kv man /tmp/kv.man && ls /tmp/kv.man | head -n 3`,
}

// Every pipe of README, guides and help is in a table above.
func TestEveryDocumentedPipeIsKnown(t *testing.T) {
	known := map[string]bool{}
	for _, p := range pipes {
		known[p.line] = false
	}
	for _, line := range pipesOfText {
		known[line] = false
	}
	for place, line := range documentedPipes(t) {
		if _, ok := known[line]; !ok {
			t.Errorf("%s: no test runs the pipe %s with awkward keys", place, line)
		}
		known[line] = true
	}
	for line, documented := range known {
		if !documented {
			t.Errorf("no document has the pipe %s", line)
		}
	}
}

// documentedPipes yields the places and lines of all pipes with kv.
func documentedPipes(t *testing.T) iter.Seq2[string, string] {
	t.Helper()
	type found struct{ place, line string }
	var all []found
	for _, path := range append(documents(t, "docs/guides"), "README.md", scaling) {
		for _, line := range readDocument(t, path).lines {
			all = append(all, found{line.place, line.command})
		}
	}
	for _, cmd := range append(commandsOf(t, ""), commandsOf(t, "keys")...) {
		_, help, _ := strings.Cut(client(t, nil, "", append([]string{"help"}, strings.Fields(cmd)...)...).Out, "Examples:\n")
		examples, _, _ := strings.Cut(help, "\n\n")
		for line := range strings.Lines(strings.ReplaceAll(examples, "\\\n", "")) {
			all = append(all, found{"kv help " + cmd, strings.TrimSpace(line)})
		}
	}
	return func(yield func(place, line string) bool) {
		for _, f := range all {
			if strings.Contains(f.line, "|") && strings.Contains(f.line, "kv ") && !yield(f.place, f.line) {
				return
			}
		}
	}
}

// commandsOf returns the commands that the help of command lists, in full.
func commandsOf(t *testing.T, command string) (names []string) {
	t.Helper()
	for line := range strings.Lines(client(t, nil, "", append([]string{"help"}, strings.Fields(command)...)...).Out) {
		name, short, ok := strings.Cut(strings.TrimPrefix(line, "  "), "  ")
		if ok && strings.HasPrefix(line, "  ") && !strings.ContainsAny(name, " -") && name != "" && strings.TrimSpace(short) != "" {
			names = append(names, strings.TrimSpace(command+" "+name))
		}
	}
	return names
}

// Each documented pipe gets every key through whole: below its prefix, and alone, where a dash comes first.
func TestEveryDocumentedPipeSurvivesAnyKey(t *testing.T) {
	for _, p := range pipes {
		t.Run(p.line, func(t *testing.T) {
			if strings.Contains(p.line, "jq") {
				needsJQ(t, p.line)
			}
			if p.key != "" {
				p.runWithKeys(t)
				return
			}
			p.runBelow(t, p.prefix, p.line)
			p.runBelow(t, "", strings.Replace(p.line, p.prefix, "''", 1))
		})
	}
}

// runBelow runs line in a store that has awkward keys below prefix, and others.
func (p pipe) runBelow(t *testing.T, prefix, line string) {
	t.Helper()
	env := []string{"KV_URL=" + oneProcess(t).url, "KV_API_KEY=" + apiKey}
	entries := map[string]string{}
	for _, key := range bystanders {
		entries[key] = "bystander"
	}
	below := 0
	for _, key := range awkward {
		entries[prefix+key] = "line\nbreak, " + key
	}
	for key, value := range entries {
		client(t, env, value, "set", "--", key)
		if strings.HasPrefix(key, prefix) {
			below++
		}
	}
	got := bash(t, env, line)
	if want := strings.ReplaceAll(p.out, "N", strconv.Itoa(below)); got.Code != 0 || !printed(got.Out, want) {
		t.Errorf("%s = %+v, want %q", line, got, want)
	}
	if p.deletes {
		maps.DeleteFunc(entries, func(key, _ string) bool { return strings.HasPrefix(key, prefix) })
	}
	wantEntries(t, env, line, entries)
}

// runWithKeys runs the line with each awkward key that does not begin with a dash in place of its key.
func (p pipe) runWithKeys(t *testing.T) {
	t.Helper()
	env := []string{"KV_URL=" + oneProcess(t).url, "KV_API_KEY=" + apiKey}
	for _, key := range awkward {
		if strings.HasPrefix(key, "-") {
			continue // it needs --, as the guide says
		}
		if !strings.Contains(p.line, "--create-only") {
			client(t, env, `"etag":"x"`+"\n", "set", key)
		}
		line := strings.ReplaceAll(p.line, " "+p.key+" ", ` "$KEY" `)
		if got := bash(t, append(env, "KEY="+key), line); got.Code != 0 || !printed(got.Out, p.out) {
			t.Errorf("%s with the key %q = %+v, want %q", line, key, got, p.out)
		}
		if got := client(t, env, "", "get", key); got.Code != 0 || got.Out == "" {
			t.Errorf("after %s, the key %q = %+v", line, key, got)
		}
	}
}

// printed reports whether out is want, or has the number of lines that want asks for.
func printed(out, want string) bool {
	if n, ok := strings.CutSuffix(want, " lines"); ok {
		return strconv.Itoa(strings.Count(out, "\n")) == n
	}
	return strings.TrimSpace(out) == want
}

// An export goes through pipes to another store, or through a compressed file back to its own.
func TestAnExportIsRestoredThroughAPipe(t *testing.T) {
	from := []string{"KV_URL=" + oneProcess(t).url, "KV_API_KEY=" + apiKey}
	other := oneProcess(t).url
	to := []string{"KV_URL=" + other, "KV_API_KEY=" + apiKey}
	entries := map[string]string{}
	for _, key := range slices.Concat(awkward, bystanders) {
		entries["users/"+key], entries[key] = key+"\n", key
	}
	for key, value := range entries {
		client(t, from, value, "set", "--", key)
	}
	bash(t, from, strings.Replace("kv export | kv import --url http://127.0.0.1:8889", "http://127.0.0.1:8889", other, 1))
	wantEntries(t, to, "kv export | kv import", entries)
	bash(t, from, "kv export users/ | gzip > users.ndjson.gz && kv ls -0 users/ | xargs -r0 kv del -- && gunzip -c users.ndjson.gz | kv import --create-only")
	wantEntries(t, from, "gunzip | kv import", entries)
}

// A backup goes through pipes and a compressed file into a data directory.
func TestABackupIsRestoredThroughAPipe(t *testing.T) {
	env, data := []string{"KV_URL=" + oneProcess(t).url, "KV_API_KEY=" + apiKey}, filepath.Join(t.TempDir(), "data")
	entries := map[string]string{}
	for _, key := range awkward {
		entries[key] = key
		client(t, env, key, "set", "--", key)
	}
	bash(t, env, "kv backup | gzip > kv.backup.gz && gunzip < kv.backup.gz | kv restore --data-dir "+data+" -")
	if got := client(t, nil, "", "check", data); got.Code != 0 || !strings.Contains(got.Out, fmt.Sprintf(" %d entries,", len(awkward))) {
		t.Errorf("kv check = %+v, want %d entries", got, len(awkward))
	}
	restored := start(t, []string{"KV_API_KEY=" + apiKey}, "serve", "--listen", "127.0.0.1:0", "--data-dir", data)
	wantEntries(t, []string{"KV_URL=http://" + restored.Addr, "KV_API_KEY=" + apiKey}, "kv backup | kv restore", entries)
}

// The keys of a watch stay in JSON.
func TestAWatchIsReadThroughAPipe(t *testing.T) {
	needsJQ(t, "a watch in a pipe")
	env := []string{"KV_URL=" + oneProcess(t).url, "KV_API_KEY=" + apiKey}
	for _, key := range awkward {
		client(t, env, "x", "set", "--", key)
	}
	watch := launch(t, env, "bash", "-c", "kv watch --prefix '' --snapshot -o json | jq --unbuffered -r .entry.key")
	eventually(t, "the watch has printed every key", func() bool {
		lines := strings.Split(watch.Out.String(), "\n")
		return !slices.ContainsFunc(awkward, func(key string) bool { return !slices.Contains(lines, key) })
	})
}

// wantEntries checks that the store has these entries and no others.
func wantEntries(t *testing.T, env []string, after string, want map[string]string) {
	t.Helper()
	keys := strings.Split(strings.TrimSuffix(client(t, env, "", "ls", "-0").Out, "\x00"), "\x00")
	if len(want) == 0 {
		want = map[string]string{"": ""} // what Split makes of no keys
	}
	if sorted := slices.Sorted(maps.Keys(want)); !slices.Equal(keys, sorted) {
		t.Errorf("after %s, the keys are %q, want %q", after, keys, sorted)
		return
	}
	for key, value := range want {
		if key == "" {
			continue
		}
		if got := client(t, env, "", "get", "--", key); got.Out != value {
			t.Errorf("after %s, the key %q = %+v, want %q", after, key, got, value)
		}
	}
}

// bash runs a line in a directory of its own, where words of keys must create no files.
func bash(t *testing.T, env []string, line string) proc.Result {
	t.Helper()
	dir := t.TempDir()
	got := ran(t, proc.Command{Path: "bash", Args: []string{"-c", "set -o pipefail\n" + line}, Env: env, Dir: dir})
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.Contains(line, "> "+file.Name()) {
			t.Errorf("%s created the file %s", line, file.Name())
		}
	}
	return got
}

// needsJQ skips the test of what if jq is not installed, unless KV_REQUIRE_JQ is set.
func needsJQ(t *testing.T, what string) {
	t.Helper()
	if _, err := exec.LookPath("jq"); err != nil {
		if os.Getenv("KV_REQUIRE_JQ") == "1" {
			t.Fatal(err)
		}
		skipLoudly(t, what, err.Error())
	}
}
