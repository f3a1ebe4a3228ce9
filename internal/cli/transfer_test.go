package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// write writes lines to a new file and returns its name.
func write(t *testing.T, lines ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "in.ndjson")
	rewrite(t, name, lines...)
	return name
}

func rewrite(t *testing.T, name string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func line(key, value string) string { return fmt.Sprintf(`{"key":%q,"value":%q}`, key, value) }

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func TestAnExportCanBeImported(t *testing.T) {
	t.Parallel()
	from, to := serving(t), serving(t)
	expires := time.Now().Add(time.Hour).UTC()
	in := strings.Join([]string{line("a", "1"), line("b", ""), `{"key":"c","data":"/wA="}`, `{"key":"d","data":""}`,
		`{"key":"e","value":"x","expireTime":"` + expires.Format(time.RFC3339Nano) + `"}`, `{"key":"ä \"<>&","value":"\u2028\u0000"}`}, "\n")
	check(t, from, in, "import", wants{err: `kv: 6 entries written\n`})
	exported := kv(t, from, "", "export")
	if exported.code != 0 || exported.err != "kv: 6 entries exported\n" {
		t.Errorf("kv export = %+v", exported)
	}
	check(t, to, exported.out, "import -", wants{err: `kv: 6 entries written\n`})
	again := kv(t, to, "", "export").out
	expiry := regexp.MustCompile(`"key":"e","value":"x","expireTime":"([^"]+)"`).FindStringSubmatch(again)
	if strings.Count(again, "expireTime") != 1 || expiry == nil {
		t.Fatalf("the second export is %s, want one entry with an expiry", again)
	}
	got, err := time.Parse(time.RFC3339, expiry[1])
	if late := got.Sub(expires); err != nil || late < 0 || late > time.Minute {
		t.Errorf("the entry expires at %s, %v; want %v or slightly later", expiry[1], err, expires)
	}
	for _, name := range []string{"a", "b", "c", "d", "ä \"<>&"} {
		if a, b := kv(t, from, "", "get", name), kv(t, to, "", "get", name); a != b || a.code != 0 {
			t.Errorf("%s was %+v and is %+v", name, a, b)
		}
	}
}

// Editors and shells of Windows write a byte-order mark.
func TestAByteOrderMarkBeginsAFile(t *testing.T) {
	t.Parallel()
	const mark = "\xef\xbb\xbf"
	env := serving(t)
	check(t, env, "", "import "+write(t, mark+line("a", "1"), line("b", "2")), wants{err: `kv: 2 entries written\n`})
	check(t, env, mark+line("c", "3"), "import", wants{err: `kv: 1 entry written\n`})
	check(t, env, mark+"\n"+line("d", "4"), "import --skip 1", wants{err: `kv: 1 entry written\n`})
	check(t, env, mark+`{"get":{"key":"a"}}`, "batch", wants{out: `.*"value":"1".*\n`})
	check(t, env, "", "ls --keys", wants{out: "a\nb\nc\nd\n"})

	check(t, env, line("x", "1")+"\n"+mark+line("x", "2"), "import", wants{1, "",
		`kv: 1 entry written\nkv: .*\nkv: line 2: invalid entry: the text begins with a byte-order mark: want UTF-8 without one\n`})
	check(t, env, "\xff\xfe{\x00}\x00\n\x00", "import", wants{1, "",
		`kv: 0 entries written\nkv: line 1: invalid entry: the text is UTF-16: want UTF-8\n`})
}

func TestAnImportReportsRejectedEntries(t *testing.T) {
	t.Parallel()
	env := serving(t, "--max-value-bytes", "100")
	check(t, env, "", "set there old", wants{})
	long := strings.Repeat("x", 101)
	in := strings.Join([]string{
		line("there", "new"), ``, line("long", long), line("..", "x"), line("good", "x"),
		`{"key":"gone","value":"x","expireTime":"2020-01-01T00:00:00Z"}`,
		line("huge", strings.Repeat(long, 10_000)),
	}, "\n")
	check(t, env, in, "import --create-only", wants{1, "",
		`kv: line 3 rejected: .*\nkv: line 4 rejected: .*\nkv: line 7 rejected: .*\n` +
			`kv: line 6 dropped: it expired at 2020-01-01T00:00:00Z by the clock of this machine\n` +
			`kv: 1 entry written, 1 already existed, 1 expired and dropped, 3 rejected\nkv: 3 entries rejected and not written\n`})
	check(t, env, "", "get there", wants{out: "old"})
	check(t, env, line("there", "new"), "import", wants{err: `kv: 1 entry written\n`})
	check(t, env, "", "get there", wants{out: "new"})
	check(t, env, strings.Repeat(line("..", "x")+"\n", 50), "import", wants{1, "",
		`(kv: line \d+ rejected: [^\n]*\n){20}kv: further rejections are only counted\nkv: 0 entries written, 50 rejected\n.*`})
}

// Only an entry without a TTL needs a clock, as the exports of earlier versions have them.
func TestAnImportPrefersTheTTLToTheTimeOfExpiry(t *testing.T) {
	t.Parallel()
	env := serving(t)
	in := `{"key":"alive","value":"x","expireTime":"2020-01-01T00:00:00Z","ttl":"1799.999s"}` + "\n" +
		`{"key":"forever","value":"x","expireTime":"2020-01-01T00:00:00Z","ttl":"1h"}`
	check(t, env, in, "import --strict", wants{err: `kv: 2 entries written\n`})
	check(t, env, "", "ls -o table", wants{out: `.* (29m\d+s|30m0s) .*alive\n.* (59m\d+s|1h0m0s) .*forever\n`})
	for _, ttl := range []string{"0s", "-1s", "60", "soon"} {
		check(t, env, `{"key":"a","value":"x","ttl":"`+ttl+`"}`, "import", wants{1, "", `kv: 0 entries written\nkv: line 1: invalid entry: .*\n`})
	}
}

func TestAStrictImportFailsIfItDropsEntries(t *testing.T) {
	t.Parallel()
	env := serving(t)
	const gone = `{"key":"gone","value":"x","expireTime":"2020-01-01T00:00:00Z"}` + "\n"
	dropped := `(kv: line \d+ dropped: it expired at 2020-01-01T00:00:00Z by the clock of this machine\n){20}kv: further expired entries are only counted\n`
	in := line("a", "1") + "\n" + strings.Repeat(gone, 50)
	check(t, env, in, "import", wants{err: dropped + `kv: 1 entry written, 50 expired and dropped\n`})
	check(t, env, in, "import --strict", wants{1, "",
		dropped + `kv: 1 entry written, 50 expired and dropped\nkv: 50 entries expired and not written\n`})
	check(t, env, line("a", "1"), "import --strict", wants{err: `kv: 1 entry written\n`})
}

// A batch that exceeds the message size of the server is split.
func TestAnImportSplitsBatches(t *testing.T) {
	t.Parallel()
	env := serving(t, "--max-value-bytes", "1000")
	var lines []string
	for i := range 450 {
		lines = append(lines, line(fmt.Sprint(i), strings.Repeat("x", 1000)))
	}
	check(t, env, strings.Join(lines, "\n"), "import", wants{err: `kv: 450 entries written\n`})
}

// The last line with a key wins, however far apart the lines are.
func TestTheLastLineWithAKeyWins(t *testing.T) {
	t.Parallel()
	env := serving(t)
	for _, distance := range []int{1, importEntries - 1, importEntries, importEntries + 1, 3 * importEntries} {
		var lines []string
		for round := range 3 {
			for i := range distance {
				lines = append(lines, line(fmt.Sprint(i), fmt.Sprint(round)))
			}
		}
		check(t, env, strings.Join(lines, "\n"), "import", wants{err: `.*written\n`})
		got := kv(t, env, "", "export").out
		if n := strings.Count(got, `"value":"2"`); n != distance {
			t.Errorf("%d of %d entries have the last value", n, distance)
		}
	}
}

func TestAnInvalidLineEndsAnImportAfterTheLinesBeforeIt(t *testing.T) {
	t.Parallel()
	env := serving(t)
	for broken, why := range map[string]string{
		`{"key":"b","val`:                            `incomplete entry`,
		`{"key":"b"}`:                                `invalid entry: want either value or data`,
		`{"key":"b","value":"","data":""}`:           `invalid entry: want either value or data`,
		`{"value":"b"}`:                              `invalid entry: no key`,
		`{"key":"b","vlue":"b"}`:                     `invalid entry: unknown member "vlue"; want an object such as .*`,
		`{"key":"b","data":"%"}`:                     `invalid entry: data is not base64; want .*`,
		`{"key":1,"value":"b"}`:                      `invalid entry: key is not a string; want .*`,
		`["b"]`:                                      `invalid entry: it is not an object; want .*`,
		`{"key":"b","value":"","ttl":"soon"}`:        `invalid entry: ttl is not a duration such as .*`,
		`{"key":"b","value":"","expireTime":"soon"}`: `invalid entry: expireTime is not a time such as .*`,
		`{"key":"b","value":"","revision":"-1"}`:     `invalid entry: revision is not a number in quotes; want .*`,
		`{"key":"b","key":"c","value":"b"}`:          `invalid entry: duplicate object member name "key"; want .*`,
		`b`:                                          `invalid entry: invalid character 'b' .*`,
		`{"key":"b","value":"b"}{"key":"c"}`:         `invalid entry: .*`,
	} {
		name := write(t, line("a", "1"), "", broken, line("c", "1"))
		check(t, env, "", "import "+name, wants{1, "",
			`kv: 1 entry written\nkv: lines 1 to 2 imported; to continue: kv import \S+ --resume\nkv: line 3: ` + why + `\n`})
		check(t, env, "", "ls --keys", wants{out: "a\n"})
		rewrite(t, name, line("a", "1"), "", line("b", "mended"), line("c", "1"))
		check(t, env, "", "import "+name+" --resume", wants{err: `kv: 2 entries written\n`})
		check(t, env, "", "del b c", wants{})
		if exists(name + ".progress") {
			t.Error("the checkpoint still exists after a complete import")
		}
	}
}
