package auth_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"key-value/internal/auth"
)

func TestAnEditReplacesTheFileBehindALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "keys.json"), filepath.Join(dir, "link.json")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	write(t, path, record("a", "a"))
	write(t, link, record("b", "b"))
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the directory holds %v, %v; want the file and the link", entries, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file has mode %v, %v; want 0600", info.Mode(), err)
	}
	if f, err := auth.ReadFile(path); err != nil || f.Find("b") == nil || f.Find("a") != nil {
		t.Errorf("the file holds %v, %v; want the key b", f, err)
	}
}

func TestAFailedEditChangesNothing(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	for name, test := range map[string]struct {
		text   string
		change func(*auth.File) error
	}{
		"the change fails": {`{"version":1,"keys":[]}`, func(*auth.File) error { return refused }},
		"a bad record":     {`{"version":1,"keys":[]}`, func(f *auth.File) error { f.Keys = append(f.Keys, auth.Record{ID: "a"}); return nil }},
		"a newer version":  {`{"version":2,"vaults":[]}`, func(*auth.File) error { return nil }},
		"a new member":     {`{"version":1,"keys":[],"note":"x"}`, func(*auth.File) error { return nil }},
		"no JSON":          {`version: 1`, func(*auth.File) error { return nil }},
	} {
		path := filepath.Join(t.TempDir(), "keys.json")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := auth.EditFile(path, test.change, nil); err == nil {
			t.Errorf("%s: the edit succeeded", name)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != test.text {
			t.Errorf("%s: the file holds %s, %v; want it unchanged", name, text, err)
		}
	}
}

func TestAKeysFileIsForItsOwnerOrTheGroupThatRootChose(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	write(t, path, record("a", "a"))
	owners := map[int]os.FileMode{os.Getuid(): 0o600} // :: owner → mode that gives the most access
	if os.Getuid() == 0 {
		owners = map[int]os.FileMode{0: 0o640, 65532: 0o600}
	} else {
		t.Log("NOT TESTED: files that belong to root, because the tests do not run as root")
	}
	for owner, most := range owners {
		for _, mode := range []os.FileMode{0o400, 0o600, 0o440, 0o640, 0o660, 0o604, 0o644} {
			if err := errors.Join(os.Chown(path, owner, -1), os.Chmod(path, mode)); err != nil {
				t.Fatal(err)
			}
			if _, err := auth.ReadFile(path); (err == nil) != (mode&^most == 0) {
				t.Errorf("a file of user %d with mode %04o: %v, want access up to %04o", owner, mode, err, most)
			}
		}
	}
}
