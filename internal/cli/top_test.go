package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"key-value/client"
)

// busy are statistics with keys that are long, wide or hidden.
func busy() client.KeyStats {
	traffic := client.KeyTraffic{PerSecond: 12345.6}
	for i, key := range []string{"users/1/profile", "日本語/キー/" + strings.Repeat("長", 60), "a\u202eb\u2067c", strings.Repeat("k", 300), "e\u0301/x", "'it' is"} {
		traffic.Keys = append(traffic.Keys, client.KeyRate{Key: key, PerSecond: 5000.4 / float64(i*i*i*8+1), Share: 0.405 / float64(i*i*i*8+1)})
	}
	return client.KeyStats{
		Enabled: true, Window: time.Minute, SampledEvery: 16, Reads: traffic, Writes: traffic,
		Sizes: client.PrefixSizes{
			Known: true, Entries: 1234567, Bytes: 3 << 30,
			Prefixes: []client.PrefixSize{
				{Prefix: "users/", Level: 1, Entries: 1000, Bytes: 5 << 20}, {Prefix: "日本語/", Level: 1, Entries: 1, Bytes: 100},
				{Prefix: "users/1/", Level: 2, Entries: 1000000, Bytes: 2 << 30},
			},
		},
		SlowCalls: []client.SlowCall{
			{Age: 90 * time.Second, Duration: 1234567 * time.Microsecond, Method: "DeleteRange", Key: "a\u202eb", Operations: 1, Code: "deadline_exceeded", RequestID: "0123456789abcdef"},
			{Age: time.Second, Duration: 45678 * time.Nanosecond, Method: "Batch", Key: "k", Operations: 1000, Code: "ok", RequestID: strings.Repeat("0123456789abcdef,", 30) + "x"},
		},
	}
}

var sequences = regexp.MustCompile("\x1b\\[[0-9]*[KGm]")

// shown returns a line without the control sequences that are ours. It fails if there are others.
func shown(t *testing.T, line string) string {
	t.Helper()
	text := sequences.ReplaceAllString(line, "")
	if escape(text) != text || !utf8.ValidString(text) {
		t.Errorf("a terminal does not show all of %q", text)
	}
	return text
}

func TestTheScreenFitsEveryTerminal(t *testing.T) {
	t.Parallel()
	broken := busy()
	broken.Sizes = client.PrefixSizes{UnknownReason: "the entries are in another process, and counting them would mean reading all of them"}
	for name, stats := range map[string]client.KeyStats{"busy": busy(), "idle": {Enabled: true, Window: time.Second}, "unknown": broken} {
		for _, failed := range []error{nil, errors.New("the store is away\u202e: " + strings.Repeat("long ", 50))} {
			s := &topScreen{url: "http://127.0.0.1:8888", stats: stats, failed: failed}
			for _, width := range []int{1, 2, 5, 20, 40, 79, 80, 100, 139, 140, 141, 200, 400} {
				for _, height := range []int{1, 2, 3, 5, 10, 24, 25, 60, 500} {
					lines := s.lines(width, height)
					if len(lines) > height {
						t.Errorf("%s: %d lines for %d by %d", name, len(lines), width, height)
					}
					for _, line := range lines {
						if text := shown(t, line); cells(text) > width {
							t.Errorf("%s: a line of %d cells on a terminal of %d by %d: %q", name, cells(text), width, height, text)
						}
						// On a full line, the terminal would clear its last character.
						if strings.HasSuffix(line, clearLine) && !strings.HasSuffix(shown(t, line), " ") {
							t.Errorf("%s: a full line is cleared: %q", name, line)
						}
					}
				}
			}
		}
	}
}

// screenText returns what the screen shows, without spaces at the ends of lines.
func screenText(t *testing.T, s *topScreen, width, height int) string {
	t.Helper()
	var text strings.Builder
	for _, line := range s.lines(width, height) {
		text.WriteString(strings.TrimRight(shown(t, line), " ") + "\n")
	}
	return text.String()
}

func TestTheScreenIsLaidOut(t *testing.T) {
	t.Parallel()
	s := &topScreen{url: "http://127.0.0.1:8888", stats: busy(), at: time.Date(2030, 1, 31, 12, 34, 56, 0, time.UTC)}
	for size, want := range map[[2]int]string{
		{40, 14}: `
12:34:56  q: quit  rates over 1m0s, 1 o…
  READS/S   SHARE  KEY   12,346/s in all
    5,000    41 %  users/1/profile
      556   4.5 %  日本語/キー/長長長長…
 WRITES/S   SHARE  KEY   12,346/s in all
    5,000    41 %  users/1/profile
      556   4.5 %  日本語/キー/長長長長…
   MEMORY      ENTRIES  PREFIX
 ~2.0 GiB   ~1,000,000  users/1/
 ~5.0 MiB       ~1,000  users/
  SLOWEST    AGO  METHOD       KEY
    1.23s     1m  DeleteRange  $'a\u202…
   45.7µs     1s  Batch(1000)  k

`,
		{80, 17}: `
12:34:56  q: quit  rates over 1m0s, 1 of 16 sampled  http://127.0.0.1:8888
  READS/S   SHARE  KEY                                           12,346/s in all
    5,000    41 %  users/1/profile
      556   4.5 %  日本語/キー/長長長長長長長長長長長長長長長長長長長長長長長長…
       77   0.6 %  $'a\u202eb\u2067c'
 WRITES/S   SHARE  KEY                                           12,346/s in all
    5,000    41 %  users/1/profile
      556   4.5 %  日本語/キー/長長長長長長長長長長長長長長長長長長長長長長長長…
       77   0.6 %  $'a\u202eb\u2067c'
   MEMORY      ENTRIES  PREFIX                      3.0 GiB in 1,234,567 entries
 ~2.0 GiB   ~1,000,000  users/1/
 ~5.0 MiB       ~1,000  users/
   ~100 B           ~1  日本語/
  SLOWEST    AGO  METHOD       KEY                              REQUEST ID
    1.23s     1m  DeleteRange  $'a\u202eb'                      0123456789abcdef
   45.7µs     1s  Batch(1000)  k                                0123456789abcde…

`,
		{200, 7}: `
12:34:56  q: quit  rates over 1m0s, 1 of 16 sampled  http://127.0.0.1:8888
  READS/S   SHARE  KEY                                                              12,346/s in all   WRITES/S   SHARE  KEY                                                              12,346/s in all
    5,000    41 %  users/1/profile                                                                       5,000    41 %  users/1/profile
      556   4.5 %  日本語/キー/長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長…        556   4.5 %  日本語/キー/長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長…
   MEMORY      ENTRIES  PREFIX                                         3.0 GiB in 1,234,567 entries    SLOWEST    AGO  METHOD       CODE                KEY                             REQUEST ID
 ~2.0 GiB   ~1,000,000  users/1/                                                                         1.23s     1m  DeleteRange  deadline_exceeded   $'a\u202eb'                     0123456789abcdef
 ~5.0 MiB       ~1,000  users/                                                                          45.7µs     1s  Batch(1000)  ok                  k                               0123456789abcde…
`,
	} {
		if got := screenText(t, s, size[0], size[1]); "\n"+got != want {
			t.Errorf("%d by %d cells show\n%s\nwant%s", size[0], size[1], got, want)
		}
	}
}

func TestNoColorMeansNoHighlighting(t *testing.T) {
	t.Parallel()
	s := &topScreen{stats: busy()}
	if text := strings.Join(s.lines(80, 24), ""); strings.Count(text, highlighted) != 4 || strings.Count(text, unhighlighted) != 4 {
		t.Errorf("the screen is %q, want four lines highlighted", text)
	}
	s.plain = true
	if text := strings.Join(s.lines(80, 24), ""); strings.Contains(text, "m") && regexp.MustCompile("\x1b\\[[0-9;]*m").MatchString(text) {
		t.Errorf("a plain screen is %q", text)
	}
}

func TestTopWithoutATerminal(t *testing.T) {
	t.Parallel()
	for name, start := range arrangements {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := start(t).url
			env := map[string]string{"KV_URL": url, "KV_API_KEY": "secret"}
			check(t, env, "", "set users/a\u202eb x", wants{})
			check(t, env, "", "get users/a\u202eb", wants{out: "x"})
			for _, step := range []struct {
				line string
				want wants
			}{
				{"top", wants{2, "", `kv: standard output is not a terminal, .*: add --once\n`}},
				{"top --once -o json --interval 1s", wants{2, "", `kv: --once and --interval are mutually exclusive: .*\n`}},
				{"top -o json", wants{2, "", `kv: --output needs --once: .*\n`}},
				{"top --limit 3", wants{2, "", `kv: --limit needs --once: .*\n`}},
				{"top --once --limit 0", wants{2, "", `kv: invalid --limit 0: want 1 to 100\n`}},
				{"top --once --limit 101", wants{2, "", `kv: invalid --limit 101: want 1 to 100\n`}},
				{"top --interval 1ms", wants{2, "", `kv: invalid argument "1ms" for "--interval" flag: want 100ms to 1h\n`}},
				{"top --once x", wants{2, "", `kv: .*\n`}},
				{"top --once", wants{out: `  READS/S   SHARE  KEY .*\n +\S+ +\S+ %  \$'users/a\\u202eb'\n\n WRITES/S (.*\n)*   MEMORY (.*\n)* +\d+ B +1  users/\n(.*\n)*  SLOWEST (.*\n)*.*  (Get|Batch) +ok +.*  [0-9a-f]{16}.*\n(.*\n)*`}},
				{"top --once --limit 1 -o json", wants{out: `\{"enabled":true,"window":"\S+s","sampledEvery":1,"reads":\{.*"key":"users/a\\u202eb".*\}\n`}},
			} {
				check(t, env, "", step.line, step.want)
			}
			var ours, theirs any
			if err := json.Unmarshal([]byte(kv(t, env, "", "top", "--once", "-o", "json").out), &ours); err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/stats/keys", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("x-api-key", "secret")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if err := json.NewDecoder(res.Body).Decode(&theirs); err != nil {
				t.Fatal(err)
			}
			if got, want := memberNames(ours), memberNames(theirs); got != want {
				t.Errorf("-o json has the members %s, REST %s", got, want)
			}
			env["KV_API_KEY"] = "wrong"
			check(t, env, "", "top --once", wants{4, "", `kv: .*\n`})
		})
	}
}

func TestTopOfAStoreWithoutKeyStatistics(t *testing.T) {
	t.Parallel()
	server := startKV(t, map[string]string{"KV_API_KEY": "secret"}, "serve", "--key-stats=false")
	env := map[string]string{"KV_URL": server.url, "KV_API_KEY": "secret"}
	for _, line := range []string{"top --once", "top --once -o json"} {
		check(t, env, "", line, wants{1, "", `kv: the store does not gather these statistics: start it with --key-stats=true \(KV_KEY_STATS\)\n`})
	}
}

func TestTopNeedsAllRights(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	env := map[string]string{"KV_API_KEYS_FILE": file}
	key := strings.TrimSpace(kv(t, env, "", "keys", "create", "--id", "some", "--prefix", "a/").out)
	server := startKV(t, map[string]string{"KV_API_KEYS_FILE": file}, "serve")
	check(t, map[string]string{"KV_URL": server.url, "KV_API_KEY": key}, "", "top --once", wants{4, "", `kv: .*\n`})
}

// memberNames returns the names of the members of a JSON value, without what depends on the time.
func memberNames(v any) string {
	switch v := v.(type) {
	case map[string]any:
		names := map[string]string{}
		for name, value := range v {
			names[name] = memberNames(value)
		}
		text, _ := json.Marshal(names)
		return string(text)
	case []any:
		if len(v) > 0 {
			return "[" + memberNames(v[0]) + "]"
		}
		return "[]"
	}
	return fmt.Sprintf("%T", v)
}
