package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cutImport imports a file whose last line is incomplete, then completes it, and returns its name and lines.
func cutImport(t *testing.T, env map[string]string) (name string, whole []string) {
	t.Helper()
	whole = []string{line("a", "1"), line("b", "2"), line("c", "3"), line("d", "4")}
	name = write(t, whole[0], whole[1], whole[2][:10])
	check(t, env, "", "import "+name, wants{1, "", `kv: 2 entries written\n.*\nkv: line 3: incomplete entry\n`})
	rewrite(t, name, whole...)
	return name, whole
}

func TestAnInterruptedImportResumes(t *testing.T) {
	t.Parallel()
	env := serving(t)
	name, _ := cutImport(t, env)
	check(t, env, "", "import --resume "+name, wants{err: `kv: 2 entries written\n`})
	check(t, env, "", "ls --keys", wants{out: "a\nb\nc\nd\n"})
	check(t, env, "", "import --resume "+name, wants{1, "", `kv: nothing to resume: \S+ does not exist; .*\n`})
	check(t, env, "", "import "+name, wants{err: `kv: 4 entries written\n`})
}

func TestAnImportDoesNotResumeAfterAChange(t *testing.T) {
	t.Parallel()
	t.Run("another file", func(t *testing.T) {
		env := serving(t)
		name, whole := cutImport(t, env)
		rewrite(t, name, append([]string{line("0", "0")}, whole...)...)
		check(t, env, "", "import --resume "+name, wants{1, "", `.*kv: the file has changed: line 2 is no longer the entry for "b"; .*\n`})
		rewrite(t, name, whole[0])
		check(t, env, "", "import --resume "+name, wants{1, "", `.*kv: cannot skip 2 lines: the input has only 1\n`})
	})
	t.Run("another store", func(t *testing.T) {
		name, _ := cutImport(t, serving(t))
		check(t, serving(t), "", "import --resume "+name, wants{1, "", `kv: the last import went to .*\n`})
	})
	t.Run("a store that lost its data", func(t *testing.T) {
		env := serving(t)
		name, _ := cutImport(t, env)
		text, err := os.ReadFile(name + ".progress")
		if err != nil {
			t.Fatal(err)
		}
		rewrite(t, name+".progress", strings.ReplaceAll(string(text), `"run":"`, `"run":"another`))
		check(t, env, "", "import --resume "+name, wants{1, "", `kv: the store was restarted after the last import .*\n`})
	})
	t.Run("a broken checkpoint", func(t *testing.T) {
		env := serving(t)
		name, _ := cutImport(t, env)
		rewrite(t, name+".progress", `{"line":`)
		check(t, env, "", "import --resume "+name, wants{1, "", `kv: \S+.progress is not the progress of an import: .*\n`})
	})
}

// A file that has the name of a checkpoint but is none is neither replaced nor removed.
func TestAnImportLeavesOtherFilesAlone(t *testing.T) {
	t.Parallel()
	env := serving(t)
	for name, text := range map[string]string{
		"text":           "not lost",
		"an empty file":  "",
		"another object": `{"line":1,"key":"a"}`,
		"more members":   `{"line":1,"key":"a","url":"` + env["KV_URL"] + `","note":"not lost"}`,
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, line("a", "1"))
			rewrite(t, file+".progress", text)
			for _, flag := range []string{"", " --resume"} {
				check(t, env, "", "import "+file+flag, wants{1, "", `kv: \S+\.progress is not the progress of an import: move it elsewhere, .*\n`})
			}
			if got, err := os.ReadFile(file + ".progress"); err != nil || string(got) != text {
				t.Errorf("the file holds %q, %v; want %q", got, err, text)
			}
		})
	}
	t.Run("a link", func(t *testing.T) {
		file := write(t, line("a", "1"))
		if err := os.Symlink("elsewhere", file+".progress"); err != nil {
			t.Fatal(err)
		}
		check(t, env, "", "import "+file, wants{1, "", `kv: \S+\.progress is a symbolic link: want a regular file\n`})
	})
	check(t, env, "", "ls", wants{})
	check(t, env, "", "import "+t.TempDir(), wants{1, "", `kv: \S+ is a directory: want a file\n`})
	check(t, env, "", "import /dev/null", wants{err: `kv: 0 entries written\n`})
	check(t, env, "", "import /dev/null --resume", wants{2, "", `kv: --resume needs a regular file, .*--skip LINES\n`})
}

func TestLinesAreSkipped(t *testing.T) {
	t.Parallel()
	env := serving(t)
	in := line("a", "1") + "\nbroken\n" + line("c", "3") + "\n"
	check(t, env, in, "import --skip 2", wants{err: `kv: 1 entry written\n`})
	check(t, env, in, "import --skip 4", wants{1, "", `.*cannot skip 4 lines: the input has only 3\n`})
	check(t, env, in, "import", wants{1, "", `.*kv: line 1 imported; to continue: kv import - --skip 1\n.*`})
	check(t, env, in, "import --skip -1", wants{2, "", `kv: invalid --skip -1: .*\n`})
	check(t, env, in, "import --resume", wants{2, "", `kv: --resume needs a FILE: .*\n`})
	check(t, env, in, "import a --resume --skip 1", wants{2, "", `kv: --resume and --skip are mutually exclusive: .*\n`})
	check(t, env, in, "import "+filepath.Join(t.TempDir(), "nope"), wants{1, "", `kv: open .*\n`})
}

func TestAFullStoreEndsAnImport(t *testing.T) {
	t.Parallel()
	env := serving(t, "--max-memory", "4MiB")
	var lines []string
	for i := range 8 {
		lines = append(lines, line(string(rune('a'+i)), strings.Repeat("x", 900_000)))
	}
	check(t, env, "", "import "+write(t, lines...), wants{1, "", `kv: \d entries written\n.*kv: line \d: the store is full; .*\n`})
}

func TestAnExportResumesAfterItsLastCompleteLine(t *testing.T) {
	t.Parallel()
	env := serving(t)
	var in []string
	for _, name := range []string{"a", "b/1", "b/2", "b/3", "c"} {
		in = append(in, line(name, strings.Repeat(name, 50_000)))
	}
	check(t, env, strings.Join(in, "\n"), "import", wants{err: `.*`})
	for name, test := range map[string]struct {
		before string
		want   string
	}{
		"an empty file":          {"", `kv: 3 entries exported\n`},
		"half a line":            {in[1][:100], `kv: 3 entries exported\n`},
		"a line":                 {in[1] + "\n", `kv: 2 entries exported\n`},
		"a line without newline": {in[1], `kv: 2 entries exported\n`},
		"a line and a half":      {in[1] + "\n" + in[2][:len(in[2])-1], `kv: 2 entries exported\n`},
		"all lines":              {strings.Join(in[1:4], "\n") + "\n", `kv: 0 entries exported\n`},
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, test.before)
			check(t, env, "", "export b/ --file "+file, wants{1, "", `.*kv: \S+ already exists: .*\n`})
			check(t, env, "", "export b/ --resume --file "+file, wants{err: test.want})
			got, err := os.ReadFile(file)
			if want := strings.Join(in[1:4], "\n") + "\n"; err != nil || string(got) != want {
				t.Errorf("the file has %d bytes, %v; want %d", len(got), err, len(want))
			}
		})
	}
	check(t, env, "", "export b/ --resume --file "+filepath.Join(t.TempDir(), "new"), wants{err: `kv: 3 entries exported\n`})
	check(t, env, "", "export b/ --resume --file "+write(t, in[0], ""), wants{1, "", `.* not an export of keys that begin with "b/": line 1 has the key "a"; the file is unchanged\n`})
	check(t, env, "", "export --resume --file "+write(t, "something else", ""), wants{1, "", `.* not an export of all keys: line 1 is not an entry such as .*\n`})
	check(t, env, "", "export --after b/2", wants{out: `\{"key":"b/3",[^\n]*\n\{"key":"c",[^\n]*\n`, err: `kv: 2 entries exported\n`})
	check(t, env, "", "export --resume", wants{2, "", `kv: --resume needs a file to continue: .*\n`})
	check(t, env, "", "export --resume --after a --file x", wants{2, "", `kv: --resume and --after are mutually exclusive: .*\n`})
}

// An export that fails before its first entry leaves no file, so that it can be repeated.
func TestAFailedExportLeavesNoEmptyFile(t *testing.T) {
	t.Parallel()
	env := serving(t)
	file := filepath.Join(t.TempDir(), "new")
	wrong := map[string]string{"KV_URL": env["KV_URL"], "KV_API_KEY": "wrong"}
	check(t, wrong, "", "export --file "+file, wants{4, "", `kv: a valid API key [^\n]*\n`})
	check(t, env, "", "export --file "+file, wants{err: `kv: 0 entries exported\n`})
	check(t, env, "", "export --file "+filepath.Join(file, "under"), wants{1, "", `kv: stat .*not a directory\n`})
}
