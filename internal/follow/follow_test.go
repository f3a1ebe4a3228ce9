package follow_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"key-value/internal/follow"
)

// open follows a file that holds text, which must not be empty or become "never". Its time stamp stays as it is.
func open(t *testing.T, text string) (files *follow.Files[string], rewrite func(string), log *strings.Builder) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	written := time.Now()
	rewrite = func(text string) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, time.Time{}, written)); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(text)
	files, err := follow.Open(follow.Config[string]{
		Paths: []string{path},
		Parse: func(contents [][]byte) (*string, error) {
			text := string(bytes.TrimSpace(contents[0]))
			if text == "" {
				return nil, errors.New("empty")
			}
			return &text, nil
		},
		Check: func(text *string) error {
			if *text == "never" {
				return errors.New("not now")
			}
			return nil
		},
		Describe: func(text *string) slog.Attr { return slog.Int("length", len(*text)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, rewrite, &strings.Builder{}
}

func TestANewValueIsUsedWhateverTheTimeStampSays(t *testing.T) {
	t.Parallel()
	files, rewrite, log := open(t, "old")
	rewrite("new")
	if got := *files.Load(); got != "old" {
		t.Errorf("before Reload the value is %q, want old", got)
	}
	files.Reload(slog.New(slog.NewTextHandler(log, nil)))
	if got := *files.Load(); got != "new" || !strings.Contains(log.String(), `msg="reloaded files"`) || !strings.Contains(log.String(), "length=3") {
		t.Errorf("after Reload the value is %q and the log says %s", got, log)
	}
	log.Reset()
	files.Reload(slog.New(slog.NewTextHandler(log, nil)))
	if log.Len() != 0 {
		t.Errorf("without a change the log says %s", log)
	}
}

func TestAFailureIsCountedOnceAndTheValueStays(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]string{"that cannot be parsed": " ", "that fails the check": "never"} {
		files, rewrite, log := open(t, "old")
		reload := func() { files.Reload(slog.New(slog.NewTextHandler(log, nil))) }
		rewrite(bad)
		reload()
		reload()
		if got := *files.Load(); got != "old" || files.Failures() != 1 || strings.Count(log.String(), "level=ERROR") != 1 {
			t.Errorf("after a file %s the value is %q, with %d failures, logged as %s", name, got, files.Failures(), log)
		}
		rewrite("old")
		reload()
		rewrite(bad)
		reload()
		if files.Failures() != 2 {
			t.Errorf("a second failure, after the file was good again, makes %d, want 2", files.Failures())
		}
		rewrite("new")
		reload()
		if got := *files.Load(); got != "new" {
			t.Errorf("a good file after one %s is not used: the value is %q", name, got)
		}
	}
}

func TestAFirstValueMustBeGood(t *testing.T) {
	t.Parallel()
	parse := func([][]byte) (*string, error) { return nil, errors.New("bad") }
	if _, err := follow.Open(follow.Config[string]{Parse: parse}); err == nil {
		t.Error("a value that cannot be parsed is opened")
	}
	if _, err := follow.Open(follow.Config[string]{Paths: []string{filepath.Join(t.TempDir(), "none")}, Parse: parse}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that does not exist = %v, want os.ErrNotExist", err)
	}
}
