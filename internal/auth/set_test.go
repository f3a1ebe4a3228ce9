package auth_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"key-value/internal/auth"
)

// opens reports whether a request with key would be served now.
func opens(keys *auth.Keys, key string) bool {
	p, err := keys.Authenticate(bearing(key), peer)
	return err == nil && p.TakeToken() == nil
}

// followed runs test with keys from a file that is followed and holds the key a. Wait lets two seconds pass.
func followed(t *testing.T, test func(keys *auth.Keys, path, a string, log *bytes.Buffer, wait func())) {
	path := filepath.Join(t.TempDir(), "keys.json")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a := auth.Generate("a")
		keys := open(t, auth.Config{File: path, Log: slog.New(slog.NewTextHandler(&log, nil))}, record("a", a))
		stop := keys.Follow()
		defer stop()
		test(keys, path, a, &log, func() { time.Sleep(2 * time.Second); synctest.Wait() })
	})
}

func TestAChangeOfTheFileIsUsed(t *testing.T) {
	t.Parallel()
	followed(t, func(keys *auth.Keys, path, a string, log *bytes.Buffer, wait func()) {
		b := auth.Generate("b")
		write(t, path, record("b", b))
		if !opens(keys, a) || opens(keys, b) {
			t.Error("the file was read before a second passed")
		}
		wait()
		if opens(keys, a) || !opens(keys, b) || keys.Len() != 1 {
			t.Errorf("a is valid: %v, b is valid: %v; want only b", opens(keys, a), opens(keys, b))
		}
	})
}

// Whoever writes the file may keep its size and its time stamp, as rsync --times does.
func TestAChangeThatKeepsTheTimeStampIsSeen(t *testing.T) {
	t.Parallel()
	followed(t, func(keys *auth.Keys, path, a string, _ *bytes.Buffer, wait func()) {
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		b := auth.Generate("b")
		other := filepath.Join(t.TempDir(), "keys.json")
		write(t, other, record("b", b))
		text, err := os.ReadFile(other)
		if err != nil || int64(len(text)) != before.Size() {
			t.Fatalf("the other file has %d bytes (%v), want %d", len(text), err, before.Size())
		}
		if err := errors.Join(os.WriteFile(path, text, 0o600), os.Chtimes(path, time.Time{}, before.ModTime())); err != nil {
			t.Fatal(err)
		}
		wait()
		if opens(keys, a) || !opens(keys, b) {
			t.Error("the change was missed")
		}
	})
}

func TestTheLastGoodKeysStay(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"cut":     func(path string) error { return os.Truncate(path, 20) },
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"removed": os.Remove,
		"open":    func(path string) error { return os.Chmod(path, 0o644) },
		"newer":   func(path string) error { return os.WriteFile(path, []byte(`{"version":2}`), 0o600) },
		"a directory": func(path string) error {
			return os.Rename(filepath.Dir(path), filepath.Dir(path)+".away")
		},
	} {
		t.Run(name, func(t *testing.T) {
			followed(t, func(keys *auth.Keys, path, a string, log *bytes.Buffer, wait func()) {
				if err := spoil(path); err != nil {
					t.Fatal(err)
				}
				for range 3 {
					wait()
				}
				if !opens(keys, a) {
					t.Error("the key is no longer valid")
				}
				if n := strings.Count(log.String(), "stays in use"); n != 1 || keys.FailedReloads() != 1 {
					t.Errorf("the failure is logged %d times and counted %d times, want once: %s", n, keys.FailedReloads(), log)
				}
				_ = os.Remove(path)
				_ = os.MkdirAll(filepath.Dir(path), 0o700)
				b := auth.Generate("b")
				write(t, path, record("b", b))
				wait()
				if opens(keys, a) || !opens(keys, b) {
					t.Error("a good file after a bad one is not used")
				}
			})
		})
	}
}

func TestAnEditKeepsWhatIsLeftOfARate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	synctest.Test(t, func(t *testing.T) {
		slow := func(r *auth.Record) { r.RequestsPerSecond = 0.01 }
		a := auth.Generate("a")
		keys := open(t, auth.Config{File: path}, record("a", a, slow))
		stop := keys.Follow()
		defer stop()
		if !opens(keys, a) || opens(keys, a) {
			t.Error("want one request to be served, and no second one")
		}
		write(t, path, record("a", a, slow), record("b", auth.Generate("b")))
		time.Sleep(2 * time.Second)
		if keys.Len() != 2 || opens(keys, a) {
			t.Error("an edit of the file filled the bucket")
		}
		time.Sleep(100 * time.Second)
		if !opens(keys, a) {
			t.Error("the bucket does not fill up")
		}
	})
}

func TestAReloadKeepsWhatKeysHold(t *testing.T) {
	t.Parallel()
	followed(t, func(keys *auth.Keys, path, a string, _ *bytes.Buffer, wait func()) {
		before, err := keys.Authenticate(bearing(a), peer)
		if err != nil {
			t.Fatal(err)
		}
		if !keys.Sole() {
			t.Error("one key is not the only one")
		}
		write(t, path, record("a", a), record("b", auth.Generate("b")))
		wait()
		after, err := keys.Authenticate(bearing(a), peer)
		if err != nil || after == before || after.Holder() != before.Holder() {
			t.Errorf("after a reload (%v), what the key holds is counted anew", err)
		}
		if keys.Sole() {
			t.Error("one of two keys is the only one")
		}
	})
}

func TestAKeysFileMayBeginWithAByteOrderMark(t *testing.T) {
	t.Parallel()
	followed(t, func(keys *auth.Keys, path, _ string, log *bytes.Buffer, wait func()) {
		b := auth.Generate("b")
		write(t, path, record("b", b))
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, append([]byte("\xef\xbb\xbf"), text...), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if wait(); !opens(keys, b) {
			t.Errorf("the file was not read: %s", log)
		}
	})
}
