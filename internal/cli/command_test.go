package cli

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// serving starts a store and returns the environment of its clients.
func serving(t *testing.T, args ...string) map[string]string {
	t.Helper()
	url := startKV(t, key, append([]string{"serve"}, args...)...).url
	return map[string]string{"KV_URL": url, "KV_API_KEY": "secret"}
}

// wants is the expected result of a command: its exit code, and patterns that its whole output must match.
type wants struct {
	code     int
	out, err string
}

// check runs a command line of words separated by spaces, and compares the result.
func check(t *testing.T, env map[string]string, stdin, line string, want wants) {
	t.Helper()
	got := kv(t, env, stdin, strings.Fields(line)...)
	if got.code != want.code || !matches(want.out, got.out) || !matches(want.err, got.err) {
		t.Errorf("kv %s = %+v, want %+v", line, got, want)
	}
}

func matches(pattern, text string) bool {
	return regexp.MustCompile(`\A(?s:` + pattern + `)\z`).MatchString(text)
}

func TestClientCommands(t *testing.T) {
	t.Parallel()
	env := serving(t)
	for _, step := range []struct {
		line, stdin string
		want        wants
	}{
		{"ls", "", wants{}},
		{"set a/1 one -o json", "", wants{out: `\{"entry":\{"key":"a/1","etag":"[^"]+","revision":"\d+","updateTime":"[^"]+"\},"created":true\}\n`}},
		{"set a/2 -", "from standard input", wants{}},
		{"set a/3 --ttl 2h", "\xff\x00", wants{}},
		{"set b --allow-empty", "", wants{}},
		{"get a/2", "", wants{out: "from standard input"}},
		{"get a/3 -o json", "", wants{out: `\{"key":"a/3","data":"/wA=","etag":"\S+","revision":"\d+","updateTime":"\S+","expireTime":"\S+","ttl":"\S+s"\}\n`}},
		{"get b -o json", "", wants{out: `\{"key":"b","value":"","etag":"\S+","revision":"\d+","updateTime":"\S+"\}\n`}},
		{"get a/1 -o table", "", wants{out: ` +BYTES +EXPIRES IN +ETAG +KEY\n +3 +never +\S+ +a/1\n`}},
		{"get a/1 -o xml", "", wants{2, "", `kv: .*want raw, json or table\n`}},

		{"ls a/", "", wants{out: "a/1\na/2\na/3\n"}},
		{"list a/ -0", "", wants{out: "a/1\x00a/2\x00a/3\x00"}},
		{"ls a/ -o table", "", wants{out: ` +EXPIRES IN +UPDATED +KEY\n +never +\S+Z +a/1\n +never +\S+Z +a/2\n +(2h0m0s|1h59m\d+s) +\S+Z +a/3\n`}},
		{"ls a/ -l", "", wants{out: ` +BYTES .*\n +3 +never +\S+ +a/1\n +19 +never +\S+ +a/2\n +2 +(2h0m0s|1h59m\d+s) +\S+ +a/3\n`}},
		{"ls --keys", "", wants{out: "a/1\na/2\na/3\nb\n"}},
		{"ls a --keys --limit 2", "", wants{out: "a/1\na/2\n"}},
		{"ls a/1 -o json", "", wants{out: `\{"key":"a/1","value":"one","etag":"\S+","revision":"\d+","updateTime":"\S+"\}\n`}},
		{"ls a/1 -o json --keys", "", wants{out: `\{"key":"a/1","etag":"\S+","revision":"\d+","updateTime":"\S+"\}\n`}},
		{"ls -d /", "", wants{out: "a/\nb\n"}},
		{"ls -d / -0", "", wants{out: "a/\x00b\x00"}},
		{"ls -d / a/ --limit 2", "", wants{out: "a/1\na/2\n"}},
		{"ls -d / -o json", "", wants{out: `\{"prefix":"a/"\}\n\{"key":"b","value":"",.*\}\n`}},
		{"ls -d / -o table", "", wants{out: ` +EXPIRES IN .*\n +- +- +a/\n +never +\S+Z +b\n`}},
		{"ls -d / -l", "", wants{out: ` +BYTES .*\n +- +- +- +a/\n +0 +never +\S+ +b\n`}},
		{"ls -l -o json", "", wants{2, "", `kv: --long .*\n`}},
		{"ls -l -0", "", wants{2, "", `kv: --null and --long are mutually exclusive: .*\n`}},
		{"ls -l --keys", "", wants{2, "", `kv: --keys and --long are mutually exclusive: .*\n`}},
		{"ls -0 -o json", "", wants{2, "", `kv: --null and --output are mutually exclusive: .*\n`}},
		{"ls --limit -1", "", wants{2, "", `kv: invalid --limit -1: .*\n`}},
		{"ls --timeout 1ns", "", wants{5, "", `kv: no answer within 1ns: .*unavailable\n`}},
		{"ls --timeout 0s", "", wants{2, "", `kv: invalid --timeout 0s: .*\n`}},

		{"set a/1 two --create-only", "", wants{6, "", `kv: .*already exists\n`}},
		{"set c two --if-exists", "", wants{6, "", `kv: .*does not exist\n`}},
		{"set a/1 two --if-match wrong", "", wants{6, "", `kv: .*expected etag\n`}},
		{"set a/1 two --if-exists", "", wants{}},
		{"set c two --create-only", "", wants{}},
		{"set c two --create-only --if-match x", "", wants{2, "", `kv: --if-match and --create-only are mutually exclusive: .*\n`}},
		{"del c --if-match wrong", "", wants{6, "", `kv: .*expected etag\n`}},
		{"del c d -o json", "", wants{out: `\{"key":"c","deleted":true,"revision":"\d+"\}\n\{"key":"d","deleted":false\}\n`}},
		{"del c --if-exists", "", wants{6, "", `kv: .*does not exist\n`}},
		{"del a/1 c b --if-exists", "", wants{6, "", `kv: 1 of 3 operations failed; first error: .*\n`}},
		{"ls --keys", "", wants{out: "a/2\na/3\n"}},

		{"touch a/3 --persist -o json", "", wants{out: `\{"entry":\{"key":"a/3","etag":"\S+","revision":"\d+","updateTime":"[^"]+"\}\}\n`}},
		{"touch a/3 --ttl 36h1m", "", wants{}},
		{"ls a/3 -l", "", wants{out: `.* 1d12h +\S+ +a/3\n`}},
		{"touch a/3", "", wants{2, "", `kv: missing TTL: .*--ttl TTL .*--persist .*\n`}},
		{"touch a/3 --ttl 5m --persist", "", wants{2, "", `kv: --ttl and --persist are mutually exclusive: .*\n`}},
		{"touch a/3 --ttl 5m --if-match wrong", "", wants{6, "", `kv: .*\n`}},
		{"touch c --ttl 5m", "", wants{3, "", `kv: .*\n`}},

		{"incr n", "", wants{out: "1\n"}},
		{"incr n 41 -o json", "", wants{out: `\{"value":"42"\}\n`}},
		{"incr n -50", "", wants{out: "-8\n"}},
		{"incr n -2 -o json", "", wants{out: `\{"value":"-10"\}\n`}},
		{"incr m --initial -5", "", wants{out: "-4\n"}},
		{"incr m --initial 7 --ttl 1h -1", "", wants{out: "-5\n"}},
		{"incr k -1 --initial 8 --ttl 1h", "", wants{out: "7\n"}},
		{"ls k -l", "", wants{out: `.* (1h0m0s|59m\d+s) +\S+ +k\n`}},
		{"incr n much", "", wants{2, "", `kv: invalid DELTA "much": .*\n`}},
		{"incr a/2", "", wants{1, "", `kv: .*\n`}},

		{"stats", "", wants{out: `keys +5\nmemory +[\d.]+ KiB, of [\d.]+ [MG]iB\n.*\nengine +memory\n.*`}},
		{"stats -o json", "", wants{out: `\{"keys":5,.*"durable":false,"durability":"all entries are lost when the process ends"\}\}\n`}},

		{"caller", "", wants{out: `id +default\nexpires +never\nrate +no limit\nall keys +read, write\n`}},
		{"caller -o json", "", wants{out: `\{"id":"default","grants":\[\{"prefix":"","ops":\["read","write"\]\}\],"rate":0\}\n`}},
		{"caller x", "", wants{2, "", `kv: accepts 0 arg\(s\), received 1: want kv caller .*\n`}},

		{"exists n m", "", wants{}},
		{"exists n x m", "", wants{3, "", `kv: there is no key "x"\n`}},
		{"ttl n", "", wants{out: "never\n"}},
		{"ttl k", "", wants{out: `1h0m0s\n|59m\d+s\n`}},
		{"ttl k -o json", "", wants{out: `\{"key":"k","etag":.*"ttl":"3\d+[.\d]*s"\}\n`}},
		{"ttl x", "", wants{3, "", `kv: there is no key "x"\n`}},

		{"set s value", "", wants{}},
		{"get n m", "", wants{out: "-10\n-5\n"}},
		{"get n s -0", "", wants{out: "-10\x00value\x00"}},
		{"get n x m", "", wants{3, "-10\n", `kv: there is no key "x"\n`}},
		{"get n x m -o json", "", wants{3, `\{"key":"n",.*\}\n\{"key":"m",.*\}\n`, `kv: 1 of 3 operations failed; first error: there is no key "x"\n`}},
		{"get x n -o table", "", wants{3, ` +BYTES .*KEY\n +3 +never +\S+ +n\n`, `kv: 1 of 2 .*\n`}},
		{"set lines", "a\nb", wants{}},
		{"get n lines m", "", wants{1, "-10\n", `kv: the value of "lines" has a newline: use -0 or -o json\n`}},
		{"get lines n -0", "", wants{out: "a\nb\x00-10\x00"}},
		{"set nul", "a\x00b", wants{}},
		{"get nul -0", "", wants{1, "", `kv: the value of "nul" has NUL: use -o json\n`}},
		{"rm lines nul s", "", wants{}},

		{"cp k c/1", "", wants{}},
		{"ttl c/1", "", wants{out: `1h0m0s\n|59m\d+s\n`}},
		{"cp n c/1 --create-only", "", wants{6, "", `kv: the key "c/1" already exists\n`}},
		{"cp x c/1", "", wants{3, "", `kv: there is no key "x"\n`}},
		{"cp n c/1", "", wants{}},
		{"get c/1 n", "", wants{out: "-10\n-10\n"}},
		{"mv c/1 c/2", "", wants{}},
		{"mv c/1 c/2", "", wants{3, "", `kv: there is no key "c/1"\n`}},
		{"mv k c/2 --create-only", "", wants{6, "", `kv: the key "c/2" already exists\n`}},
		{"mv c/2 c/2", "", wants{2, "", `kv: source and target are the same key "c/2"\n`}},
		{"mv c/2 ..", "", wants{1, "", `kv: .*\n`}},
		{"ls c/", "", wants{out: "c/2\n"}},
		{"delete c/2", "", wants{}},

		{"set d 1 --ttl 1w2d1.5h", "", wants{}},
		{"ttl d", "", wants{out: `217h30m0s\n|217h29m\d+s\n`}},
		{"set d 2 --keep-ttl", "", wants{}},
		{"ttl d", "", wants{out: `217h30m0s\n|217h29m\d+s\n`}},
		{"set d 2 --keep-ttl --ttl 1d", "", wants{2, "", `kv: --ttl and --keep-ttl are mutually exclusive: .*\n`}},
		{"set d 2 --ttl=-1s", "", wants{2, "", `kv: invalid argument "-1s" for "--ttl" flag: want at most 87600h, or 0 for no expiry; .*\n`}},
		{"set d 2 --ttl 3651d", "", wants{2, "", `kv: invalid argument "3651d" .*: want at most 87600h, .*\n`}},
		{"incr d --ttl=-1s", "", wants{2, "", `kv: invalid argument "-1s" .*: want at most 87600h, .*\n`}},
		{"touch d --ttl 0", "", wants{2, "", `kv: invalid argument "0" for "--ttl" flag: want more than 0 and at most 87600h; .*\n`}},
		{"set d 2 --ttl soon", "", wants{2, "", `kv: invalid argument "soon" for "--ttl" flag: want a duration, such as 90s, 5m, 24h, 7d or 2w; .*\n`}},
		{"rm d", "", wants{}},

		{"gte a", "", wants{2, "", `kv: unknown command "gte": did you mean kv get or ttl\?\n`}},
		{"gett a", "", wants{2, "", `kv: unknown command "gett": did you mean kv get\?\n`}},
		{"delt a", "", wants{2, "", `kv: unknown command "delt": run kv help for a list\n`}},
		{"GET a", "", wants{2, "", `kv: unknown command "GET": did you mean kv get\?\n`}},
		{"SET a b", "", wants{2, "", `kv: unknown command "SET": run kv help for a list\n`}},
		{"help gett", "", wants{2, "", `kv: unknown command "gett": did you mean kv get\?\n`}},
		{"help delt", "", wants{2, "", `kv: unknown command "delt": run kv help for a list\n`}},
		{"help get", "", wants{out: `Print the value .*-h, --help .*`}},
		{"help keys create", "", wants{out: `.*kv keys create .*`}},
		{"help", "", wants{out: `An in-memory .*`}},
		{"completion bashh", "", wants{2, "", `kv: unknown command "completion bashh": run kv help completion for a list\n`}},
		{"keys creat", "", wants{2, "", `kv: unknown command "keys creat": run kv help keys for a list\n`}},
		{"context lss", "", wants{2, "", `kv: unknown command "context lss": run kv help context for a list\n`}},
		{"touch -x", "", wants{2, "", `kv: .* goes after --: kv touch \[flags\] -- KEY\n`}},
		{"rn a", "", wants{2, "", `kv: unknown command "rn": run kv help for a list\n`}},
		{"get", "", wants{2, "", `kv: .*want kv get KEY\.\.\. .*\n`}},
	} {
		check(t, env, step.stdin, step.line, step.want)
	}
}

// An etag matches until the next write, with quotes as in HTTP headers or without.
func TestAnETagMatchesOnce(t *testing.T) {
	t.Parallel()
	env := serving(t)
	for _, quote := range []string{"", `"`} {
		set := kv(t, env, "", "set", "a", "1", "-o", "json").out
		etag := quote + regexp.MustCompile(`"etag":"([^"]+)"`).FindStringSubmatch(set)[1] + quote
		for _, want := range []int{0, 6} {
			if got := kv(t, env, "", "set", "a", "2", "--if-match", etag); got.code != want {
				t.Errorf("kv set --if-match %s = %+v, want code %d", etag, got, want)
			}
		}
	}
}

// The keys of a table are below their heading.
func TestTheColumnsOfATableAreAligned(t *testing.T) {
	t.Parallel()
	env := serving(t)
	kv(t, env, "", "set", "k", "x")
	for _, args := range [][]string{{"ls", "-l"}, {"ls", "-o", "table"}, {"get", "k", "-o", "table"}} {
		heading, row, _ := strings.Cut(kv(t, env, "", args...).out, "\n")
		if strings.Index(heading, "KEY") != strings.LastIndex(row, "k\n") {
			t.Errorf("kv %v prints\n%s\n%s", args, heading, row)
		}
	}
}

func TestAListingHasManyPages(t *testing.T) {
	t.Parallel()
	env := serving(t)
	var in strings.Builder
	for i := range 2500 {
		in.WriteString(`{"set":{"key":"` + benchKey(i) + `","value":"x"}}` + "\n")
	}
	for _, step := range []struct {
		line, stdin string
		lines       int
	}{{"batch", in.String(), 2500}, {"ls", "", 2500}, {"ls -o table", "", 2501}, {"ls --limit 1700 --keys", "", 1700}} {
		got := kv(t, env, step.stdin, strings.Fields(step.line)...)
		if n := strings.Count(got.out, "\n"); got.code != 0 || n != step.lines {
			t.Errorf("kv %s = code %d, %d lines; want %d", step.line, got.code, n, step.lines)
		}
	}
}

func benchKey(i int) string { return (&bencher{prefix: "many/"}).key(i) }

func TestErrorsComeWithHints(t *testing.T) {
	t.Parallel()
	env := serving(t)
	check(t, map[string]string{"KV_URL": env["KV_URL"]}, "", "get a", wants{4, "", `kv: .*; set KV_API_KEY to an API key\n`})
	check(t, map[string]string{"KV_URL": env["KV_URL"], "KV_API_KEY": "x"}, "", "get a", wants{4, "", `kv: .*; the server does not accept the key in KV_API_KEY\n`})
	check(t, map[string]string{"KV_URL": "http://127.0.0.1:1"}, "", "get a", wants{5, "", `kv: .*; start the store with kv serve, or set --url or KV_URL .*\n`})
	check(t, map[string]string{"KV_API_KEY": "x"}, "", "serve --store redis://127.0.0.1:1", wants{1, "", `kv: --store: connect to [^;]*\n`})
}

func TestHealthcheckTakesTheURLOfClients(t *testing.T) {
	t.Parallel()
	up, down := serving(t)["KV_URL"], "http://127.0.0.1:1"
	at := func(url string) map[string]string { return map[string]string{"KV_URL": url} }
	check(t, at(up), "", "healthcheck", wants{})
	check(t, at(up+"/"), "", "healthcheck", wants{})
	check(t, at(down), "", "healthcheck", wants{1, "", `kv: http://127.0.0.1:1 is not ready: .*, or set --url or KV_URL to its address\n`})
	check(t, at(up), "", "healthcheck --local", wants{})
	check(t, at(down), "", "healthcheck --local", wants{1, "", `kv: http://127.0.0.1:1 is not ready: [^;]*; start the store .*\n`})
	check(t, at(down), "", "healthcheck --url "+up, wants{})
	check(t, at(down), "", "healthcheck "+up, wants{})
	check(t, nil, "", "healthcheck --url "+up+" "+up, wants{2, "", `kv: URL is given twice: want kv healthcheck \[URL\].*\n`})
	for _, url := range []string{"localhost", "127.0.0.1", "ftp://127.0.0.1", "http://", "http://a b"} {
		if got := kv(t, nil, "", "healthcheck", url); got.code != 2 || got.err != fmt.Sprintf("kv: invalid service URL %q: want http://host:port\n", url) {
			t.Errorf("kv healthcheck %s = %+v", url, got)
		}
	}
}

// Newlines and control characters in a value are escaped.
func TestPreviewsAreOneLine(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"":                               `""`,
		"a\nb":                           `"a\nb"`,
		"\x1b[31m":                       `"\x1b[31m"`,
		strings.Repeat("x", 60):          `"` + strings.Repeat("x", 60) + `"`,
		strings.Repeat("ä", 35):          `"` + strings.Repeat("ä", 30) + `"… (70 B)`,
		"x" + strings.Repeat("ä", 1<<10): `"x` + strings.Repeat("ä", 29) + `"… (2.0 KiB)`,
	} {
		if got := preview([]byte(value)); got != want {
			t.Errorf("preview(%q) = %s, want %s", value, got, want)
		}
	}
}

func TestNumbersAreReadable(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -100: "-100", 1234567: "1,234,567"} {
		if got := readable(n); got != want {
			t.Errorf("readable(%d) = %s, want %s", n, got, want)
		}
	}
	for word, want := range map[string]string{"a/b-1": "a/b-1", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)": "'$(x)'"} {
		if got := shellWord(word); got != want {
			t.Errorf("shellWord(%q) = %s, want %s", word, got, want)
		}
	}
}
