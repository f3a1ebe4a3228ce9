package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// wantUnchanged checks that a file still has text and is alone in its directory.
func wantUnchanged(t *testing.T, file, text string) {
	t.Helper()
	if got, err := os.ReadFile(file); err != nil || string(got) != text {
		t.Errorf("the file %s holds %q, %v; want %q", file, got, err, text)
	}
	if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
		t.Errorf("its directory holds %v, %v; want the file alone", entries, err)
	}
}

func TestAResumedExportRefusesOtherFiles(t *testing.T) {
	t.Parallel()
	env := serving(t)
	check(t, env, line("zz/1", "x"), "import", wants{err: `.*`})
	for name, test := range map[string]struct{ text, why string }{
		"one line without a line break":       {`listen = 127.0.0.1:8888`, `line 1 is not an entry such as .*`},
		"an object without a line break":      {`{"a":1}`, `line 1 is not an entry .*`},
		"the beginning of an object":          {`{`, `line 1 is not an entry .*`},
		"the beginning of another object":     {`{"key":1,"b"`, `line 1 is not an entry .*`},
		"an indented object":                  {"{\n  \"key\": \"zz/1\"\n}\n", `line 1 is not an entry .*`},
		"only a line break":                   {"\n", `line 1 is not an entry .*`},
		"lines of text":                       {"a\nb\nc", `line 1 is not an entry .*`},
		"text after an entry":                 {line("zz/1", "x") + "\nnot lost\n", `line 2 is not an entry .*`},
		"text before an entry":                {"not lost\n" + line("zz/1", "x") + "\n", `line 1 is not an entry .*`},
		"an empty line between":               {line("zz/1", "x") + "\n\n" + line("zz/2", "x") + "\n", `line 2 is not an entry .*`},
		"lines with carriage returns":         {line("zz/1", "x") + "\r\n", `line 1 is not an entry .*`},
		"text after a torn entry":             {line("zz/1", "x") + "\n{\"key\":\"zz/2\",\"va\n" + line("zz/3", "x"), `line 2 is not an entry .*`},
		"a torn line of text":                 {line("zz/1", "x") + "\nnot lost", `line 2 is not an entry .*`},
		"another member":                      {`{"key":"zz/1","value":"x","note":"y"}` + "\n", `line 1 is not an entry .*`},
		"another member in a torn line":       {`{"key":"zz/1","note":"y`, `line 1 is not an entry .*`},
		"a listing":                           {`{"key":"zz/1","value":"x","etag":"1-1"}` + "\n", `line 1 is not an entry .*`},
		"another prefix":                      {line("a", "x") + "\n", `line 1 has the key "a"`},
		"another prefix in a torn line":       {`{"key":"a","val`, `line 1 has the key "a"`},
		"another prefix in a torn key":        {`{"key":"abc`, `line 1 has another key`},
		"another order":                       {line("zz/2", "x") + "\n" + line("zz/1", "x") + "\n", `line 2 has the key "zz/1" after "zz/2"`},
		"another order in a torn line":        {line("zz/2", "x") + "\n" + `{"key":"zz/1","v`, `line 2 has the key "zz/1" after "zz/2"`},
		"a key twice":                         {line("zz/2", "x") + "\n" + line("zz/2", "x") + "\n", `line 2 has the key "zz/2" after "zz/2"`},
		"bytes":                               {"\x7fELF\x00\x01\xff", `line 1 is not an entry .*`},
		"an entry and a half on the last one": {line("zz/1", "x") + line("zz/2", "x")[:9], `line 1 is not an entry .*`},
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, test.text)
			check(t, env, "", "export zz/ --resume --file "+file, wants{1, "",
				`kv: \S+ is not an export of keys that begin with "zz/": ` + test.why + `; the file is unchanged\n`})
			wantUnchanged(t, file, test.text)
		})
	}
	if os.Getuid() != 0 {
		t.Run("a file that may not be written", func(t *testing.T) {
			file := write(t, line("zz/0", "x"), "")
			if err := os.Chmod(file, 0o400); err != nil {
				t.Fatal(err)
			}
			check(t, env, "", "export zz/ --resume --file "+file, wants{1, "", `kv: open .*permission denied\n`})
		})
	}
}

// An export continues wherever it was cut.
func TestAnExportResumesFromEveryCut(t *testing.T) {
	t.Parallel()
	whole := line("zz/!", "ä\n\u202e") + "\n" + `{"key":"zz/\"ß\u202e","data":"/wA=","expireTime":"2030-01-02T03:04:05Z"}` + "\n" + line("zz/ü", "") + "\n"
	for cut := range len(whole) + 1 {
		last, end, newline, err := checkExport(strings.NewReader(whole[:cut]), "zz/")
		if cut > 0 && cut <= len(lineStart) { // which may be the beginning of anything
			if err == nil {
				t.Errorf("a file of %q was taken for an export", whole[:cut])
			}
			continue
		}
		want := strings.LastIndexByte(whole[:cut], '\n') + 1
		torn := whole[want:cut]
		if strings.HasSuffix(torn, "}") { // a whole entry without its newline
			want = cut
		}
		if err != nil || int(end) != want || newline != (want != cut || torn == "") || want > 0 && last == "" {
			t.Errorf("the file that ends with %q continues at %d after %q, newline %v, %v; want %d", whole[max(0, cut-20):cut], end, last, newline, err, want)
		}
	}
}

func TestAnExportGetsItsNameOnceItIsComplete(t *testing.T) {
	t.Parallel()
	env := serving(t)
	check(t, env, line("a", "1")+"\n"+line("b", "2"), "import", wants{err: `.*`})
	whole := line("a", "1") + "\n" + line("b", "2") + "\n"
	file := filepath.Join(t.TempDir(), "file")
	partial := file + ".partial"

	rewrite(t, partial, whole[:30])
	check(t, env, "", "export --file "+file, wants{1, "", `kv: \S+/file.partial exists, from an export that was interrupted: .*--resume.*\n`})
	wantUnchanged(t, partial, whole[:30])
	down := map[string]string{"KV_URL": "http://127.0.0.1:1", "KV_API_KEY": "secret"}
	check(t, down, "", "export --resume --file "+file, wants{5, "", `kv: .*\n`})
	wantUnchanged(t, partial, whole[:30])
	check(t, env, "", "export --resume --file "+file, wants{err: `kv: 1 entry exported\n`})
	wantUnchanged(t, file, whole)
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file has mode %v, %v; want 0600", info.Mode(), err)
	}

	rewrite(t, partial, whole[:30])
	check(t, env, "", "export --resume --file "+file, wants{1, "", `kv: both \S+/file and \S+/file.partial exist: .*\n`})
	if err := os.Remove(partial); err != nil {
		t.Fatal(err)
	}
	rewrite(t, file, whole[:30])
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	check(t, down, "", "export --resume --file "+file, wants{5, "", `kv: .*\n`})
	wantUnchanged(t, file, whole[:30])
	check(t, env, "", "export --resume --file "+file, wants{err: `kv: 1 entry exported\n`})
	wantUnchanged(t, file, whole)
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o640 {
		t.Errorf("the file has mode %v, %v; want 0640 as before", info.Mode(), err)
	}
}

func TestAnExportIsWrittenToDevicesAndPipes(t *testing.T) {
	t.Parallel()
	env := serving(t)
	check(t, env, line("a", "1"), "import", wants{err: `.*`})
	check(t, env, "", "export --file /dev/null", wants{err: `kv: 1 entry exported\n`})
	check(t, env, "", "export --file /dev/full", wants{1, "", `kv: write /dev/full: no space left on device\n`})
	check(t, env, "", "export --resume --file /dev/null", wants{1, "", `kv: /dev/null is a device, pipe or socket: want a regular file\n`})
	dir := t.TempDir()
	check(t, env, "", "export --file "+dir, wants{1, "", `kv: \S+ is a directory: want a file\n`})
	check(t, env, "", "export --resume --file "+dir, wants{1, "", `kv: \S+ is a directory: want a file\n`})

	pipe := filepath.Join(dir, "pipe")
	if err := exec.Command("mkfifo", pipe).Run(); err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		text, err := os.ReadFile(pipe)
		if err != nil {
			t.Error(err)
		}
		read <- string(text)
	}()
	check(t, env, "", "export --file "+pipe, wants{err: `kv: 1 entry exported\n`})
	if got := <-read; got != line("a", "1")+"\n" {
		t.Errorf("the pipe got %q", got)
	}
}

func TestAnExportFollowsLinks(t *testing.T) {
	t.Parallel()
	env := serving(t)
	check(t, env, line("a", "1")+"\n"+line("b", "2"), "import", wants{err: `.*`})
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"", "--resume "} {
		check(t, env, "", "export "+flag+"--file "+link, wants{1, "", `kv: \S+/link is a symbolic link to a file that does not exist: .*\n`})
	}
	rewrite(t, filepath.Join(dir, "file"), line("a", "1"), "")
	check(t, env, "", "export --file "+link, wants{1, "", `kv: \S+/link already exists: .*\n`})
	check(t, env, "", "export --resume --file "+link, wants{err: `kv: 1 entry exported\n`})
	if to, err := os.Readlink(link); err != nil || to != "file" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
}

func TestTwoExportsDoNotShareAFile(t *testing.T) {
	t.Parallel()
	name := write(t, line("a", "1"), "")
	first, err := openExport(name, "", true)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := openExport(name, "", true); err == nil || !regexp.MustCompile(`another export is writing`).MatchString(err.Error()) {
		t.Errorf("a second export opens the file: %v", err)
	}
}
