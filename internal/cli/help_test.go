package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestEveryCommandHasAnExampleOfItself(t *testing.T) {
	t.Parallel()
	for _, cmd := range newRoot("test", streams{}, func(string) string { return "" }).Commands() {
		if !strings.Contains(cmd.Example, "kv "+cmd.Name()) {
			t.Errorf("the examples of kv %s do not show it: %q", cmd.Name(), cmd.Example)
		}
	}
}

// Examples use existing commands and flags.
func TestExamplesParse(t *testing.T) {
	t.Parallel()
	root := newRoot("test", streams{}, func(string) string { return "" })
	for _, cmd := range withSubcommands(root.Commands()) {
		for line := range strings.SplitSeq(strings.ReplaceAll(cmd.Example, "\\\n", ""), "\n") {
			_, rest, _ := strings.Cut(line, "kv ")
			words := strings.Fields(strings.FieldsFunc(rest+" ", func(r rune) bool { return strings.ContainsRune("|<>)", r) })[0])
			meant, _, err := root.Find(words)
			if err != nil {
				t.Errorf("an example of kv %s has an unknown command: %s", cmd.Name(), line)
				continue
			}
			for _, word := range words {
				name, ok := strings.CutPrefix(word, "--")
				if ok && name != "" && meant.Flags().Lookup(name) == nil {
					t.Errorf("an example of kv %s has the unknown flag --%s: %s", cmd.Name(), name, line)
				}
			}
		}
	}
}

// Help fits a terminal of 80 columns. The help of a flag is wrapped, but is no more than a line of text.
// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestHelpThatIsNotWrittenFails(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"", "help", "help get", "get --help", "keys", "help keys create", "--version", "version", "completion bash"} {
		var log bytes.Buffer
		code := run(t.Context(), "test", strings.Fields(line), streams{strings.NewReader(""), full{}, &log}, func(string) string { return "" })
		if code != 1 || !strings.Contains(log.String(), "no space left on device") {
			t.Errorf("kv %s without room for its output ends with code %d and %q, want 1 and the reason", line, code, log.String())
		}
	}
}

func TestHelpIsShort(t *testing.T) {
	t.Parallel()
	root := newRoot("test", streams{}, func(string) string { return "" })
	for _, cmd := range append(withSubcommands(root.Commands()), root) {
		for line := range strings.SplitSeq(cmd.Long+"\n"+cmd.Example, "\n") {
			if n := utf8.RuneCountInString(line); n > 80 {
				t.Errorf("the help of %s has a line of %d characters: %s", cmd.CommandPath(), n, line)
			}
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			usage := strings.TrimSuffix(f.Usage, " ["+Variable(f)+"]")
			if n := utf8.RuneCountInString(usage); n > 90 {
				t.Errorf("the help of %s --%s has %d characters: %s", cmd.CommandPath(), f.Name, n, usage)
			}
		})
	}
}

// withSubcommands returns cmds and all their subcommands.
func withSubcommands(cmds []*cobra.Command) (all []*cobra.Command) {
	for _, cmd := range cmds {
		all = append(append(all, cmd), withSubcommands(cmd.Commands())...)
	}
	return all
}

func TestEveryCommandHasAManualPage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got := kv(t, nil, "", "man", dir); got != (result{}) {
		t.Fatalf("kv man = %+v", got)
	}
	root := newRoot("test", streams{}, func(string) string { return "" })
	for _, cmd := range append(root.Commands(), root) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		page, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		describes(t, cmd, string(page))
	}
	if got := kv(t, nil, "", "man", filepath.Join(dir, "nope")); got.code != 1 {
		t.Errorf("kv man of a missing directory = %+v, want code 1", got)
	}
}

// Pages are replaced by newer ones. Nothing is written over files of other programs.
func TestManualPagesReplaceOnlyEarlierOnes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 {
		if got := kv(t, nil, "", "man", dir); got != (result{}) {
			t.Fatalf("kv man = %+v", got)
		}
	}
	other := t.TempDir()
	file := filepath.Join(other, "kv-watch.1")
	rewrite(t, file, `.TH "KV-WATCH" "1" "" "Karl's videos"`)
	if got := kv(t, nil, "", "man", other); got.code != 1 || !strings.Contains(got.err, "kv-watch.1 is not a manual page of kv") {
		t.Errorf("kv man = %+v", got)
	}
	wantUnchanged(t, file, `.TH "KV-WATCH" "1" "" "Karl's videos"`)
}

// A tab at the beginning of a line would join it to the line before.
func TestManualPagesPutUsageBelowItsFlag(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got := kv(t, nil, "", "man", dir); got != (result{}) {
		t.Fatalf("kv man = %+v", got)
	}
	page, err := os.ReadFile(filepath.Join(dir, "kv-set.1"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "\n.TP\n\\fB\\-\\-if\\-exists\\fP\nfail unless the key exists\n"; !strings.Contains(string(page), want) || strings.Contains(string(page), "\n\t") {
		t.Errorf("the page does not have %q, or has lines that begin with a tab:\n%s", want, page)
	}
}

func describes(t *testing.T, cmd *cobra.Command, page string) {
	t.Helper()
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(page, troff("--"+f.Name)+`\fP`) {
			t.Errorf("the page of %s does not have --%s", cmd.CommandPath(), f.Name)
		}
	})
	for line := range strings.SplitSeq(page, "\n") {
		if strings.HasPrefix(line, "'") {
			t.Errorf("the page of %s has a line that troff reads as a request: %s", cmd.CommandPath(), line)
		}
	}
	if !strings.Contains(page, troff(strings.TrimSpace(cmd.Example))) {
		t.Errorf("the page of %s does not have the examples", cmd.CommandPath())
	}
}

func TestKeysOfTheStoreAreCompleted(t *testing.T) {
	t.Parallel()
	env := serving(t)
	for _, name := range []string{"user/1", "user/2", "other"} {
		kv(t, env, "", "set", name, "x")
	}
	for _, test := range []struct {
		name string
		env  map[string]string
		line []string
		want string
	}{
		{"keys", env, []string{"get", "user/"}, "user/1\nuser/2\n:4\n"},
		{"all keys", env, []string{"touch", ""}, "other\nuser/1\nuser/2\n:4\n"},
		{"no second argument", env, []string{"touch", "user/1", ""}, ":4\n"},
		{"more keys to delete", env, []string{"del", "user/1", "o"}, "other\n:4\n"},
		{"a prefix, without a space after it", env, []string{"ls", "us"}, "user/1\nuser/2\n:6\n"},
		{"a prefix after a flag", env, []string{"watch", "--prefix", "o"}, "other\n:6\n"},
		{"by the URL in a flag", map[string]string{"KV_API_KEY": "secret"}, []string{"get", "--url", env["KV_URL"], "o"}, "other\n:4\n"},
		{"values of a flag", env, []string{"get", "-o", ""}, "raw\njson\ntable\n:4\n"},
		{"nothing without a store", map[string]string{"KV_URL": "http://127.0.0.1:1"}, []string{"get", ""}, ":4\n"},
		{"nothing without an API key", map[string]string{"KV_URL": env["KV_URL"]}, []string{"get", ""}, ":4\n"},
		{"nothing with an invalid URL", map[string]string{"KV_URL": "nowhere", "KV_TIMEOUT": "soon"}, []string{"get", ""}, ":4\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			completes(t, test.env, test.line, test.want)
		})
	}
}

// completes checks what completion answers for a line. Completion gives up soon, and offers nothing then: on a busy machine, a
// user presses Tab again.
func completes(t *testing.T, env map[string]string, line []string, want string) {
	t.Helper()
	repeat(t, func() error {
		if got := kv(t, env, "", append([]string{"__complete"}, line...)...); got.code != 0 || got.out != want {
			return fmt.Errorf("the completion of %v = %+v, want %q", line, got, want)
		}
		return nil
	})
}

func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if got := kv(t, nil, "", "completion", shell); got.code != 0 || !strings.Contains(got.out, "__complete") {
			t.Errorf("kv completion %s = code %d, %d bytes", shell, got.code, len(got.out))
		}
	}
}
