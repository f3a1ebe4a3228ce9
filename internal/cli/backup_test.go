package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"key-value/client"
	"key-value/kvservice/store"
	"key-value/kvservice/store/memory/wal"
	"key-value/kvservice/store/memory/wal/vfs"
)

// loaded is what a data directory has.
type loaded struct {
	entries map[string]wal.Change
	epochs  wal.Epochs
}

func (l *loaded) Entry(c wal.Change) error {
	l.entries[strings.Clone(c.Key)] = wal.Change{
		Revision: c.Revision, Deadline: c.Deadline, Value: append([]byte{}, c.Value...), Updated: c.Updated,
	}
	return nil
}

func (l *loaded) Commit([]wal.Change, bool) error { return nil }
func (l *loaded) Progress(int64, int64)           {}

// etag returns the etag of an entry, or "" if there is none.
func (l *loaded) etag(key string) string {
	r := l.entries[key].Revision
	if r == 0 {
		return ""
	}
	return store.Version{Epoch: l.epochs.Of(r), Revision: r}.String()
}

// load loads a data directory.
func load(t *testing.T, dir string) *loaded {
	t.Helper()
	data, err := vfs.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	l := &loaded{entries: map[string]wal.Change{}}
	log, err := wal.Open(data, wal.Options{}, l)
	if err != nil {
		t.Fatal(err)
	}
	l.epochs = log.Recovery().Epochs
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestABackupRestoresEntriesWithTheirEtags(t *testing.T) {
	t.Parallel()
	env := serving(t)
	for _, command := range []string{"set a 1", "set b/2 -", "set c 3 --ttl 1h", "set d --allow-empty", "set e x", "del e"} {
		if got := kv(t, env, "\xff\x00", strings.Fields(command)...); got.code != 0 {
			t.Fatalf("kv %s = %+v", command, got)
		}
	}
	dir := t.TempDir()
	file, data := filepath.Join(dir, "kv.backup"), filepath.Join(dir, "data")
	check(t, env, "", "backup --file "+file, wants{err: `kv: 4 entries backed up\n`})
	check(t, env, "", "backup --file "+file, wants{1, "", `kv: \S+ already exists: delete it, or use another name\n`})
	check(t, nil, "", "restore --data-dir "+data+" "+file, wants{err: `kv: 4 entries restored\n`})
	check(t, nil, "", "restore --data-dir "+data+" "+file, wants{1, "", `kv: \S+ is not empty: restore into an empty directory\n`})
	check(t, nil, "", "check "+data, wants{out: `read: .*4 entries, 0 commits after them; last revision \d+\n`})

	restored := load(t, data)
	kvs := dialStore(t, env)
	for entry, err := range kvs.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		c := restored.entries[entry.Key]
		if restored.etag(entry.Key) != entry.ETag || string(c.Value) != string(entry.Value) || c.Updated != entry.UpdateTime.UnixNano() {
			t.Errorf("%s is restored as %+v with etag %s, want %+v", entry.Key, c, restored.etag(entry.Key), entry)
		}
		if !entry.ExpireTime.IsZero() && c.Deadline != entry.ExpireTime.UnixNano() || entry.ExpireTime.IsZero() && c.Deadline != 0 {
			t.Errorf("%s expires at %d, want %v", entry.Key, c.Deadline, entry.ExpireTime)
		}
	}
	if len(restored.entries) != 4 {
		t.Errorf("restored are %v, want 4 entries", restored.entries)
	}

	out := kv(t, env, "", "backup")
	check(t, nil, out.out, "restore --data-dir "+filepath.Join(dir, "other")+" -", wants{err: `kv: 4 entries restored\n`})
}

// dialStore returns a client of the store of env.
func dialStore(t *testing.T, env map[string]string) *client.Client {
	t.Helper()
	kvs, err := client.New(env["KV_URL"], client.WithAPIKey(env["KV_API_KEY"]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kvs.Close)
	return kvs
}

// Two entries at the ends of a large store are always written together.
func TestABackupShowsOneInstant(t *testing.T) {
	t.Parallel()
	env := serving(t, "--watch-history", "256KiB")
	kvs := dialStore(t, env)
	var lines []string
	for i := range 4000 {
		lines = append(lines, line(fmt.Sprintf("m/%d", i), strings.Repeat("x", 500)))
	}
	check(t, env, strings.Join(lines, "\n"), "import", wants{err: `kv: 4,000 entries written\n`})
	ctx, stop := context.WithCancel(t.Context())
	write := func(i int) error {
		value := []byte(fmt.Sprint(i))
		_, err := kvs.AtomicBatch(ctx, client.OpSet("a", value), client.OpSet("z", value))
		return err
	}
	if err := write(0); err != nil {
		t.Fatal(err)
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := 1; ctx.Err() == nil; i++ {
			_ = write(i)
		}
	}()
	dir := t.TempDir()
	file, data := filepath.Join(dir, "kv.backup"), filepath.Join(dir, "data")
	got := kv(t, env, "", "backup", "--file", file)
	stop()
	<-written
	t.Logf("kv backup: %s", got.err)
	if got.code != 0 {
		if !strings.Contains(got.err, "changed too fast") || exists(file) {
			t.Errorf("kv backup = %+v", got)
		}
		return
	}
	check(t, nil, "", "restore --data-dir "+data+" "+file, wants{err: `kv: 4,002 entries restored\n`})
	restored := load(t, data)
	if a, z := restored.entries["a"], restored.entries["z"]; string(a.Value) != string(z.Value) {
		t.Errorf("the backup has a = %s and z = %s, which were written together", a.Value, z.Value)
	}
}

func TestABrokenBackupIsNotRestored(t *testing.T) {
	t.Parallel()
	env := serving(t)
	check(t, env, line("a", "1"), "import", wants{err: `.*`})
	out := kv(t, env, "", "backup").out
	dir := t.TempDir()
	for name, text := range map[string]string{
		"cut short": out[:len(out)-1], "empty": "", "text": "not a backup", "followed by more": out + "x",
		"damaged": out[:len(out)/2] + "!" + out[len(out)/2+1:],
	} {
		data := filepath.Join(dir, name)
		got := kv(t, nil, text, "restore", "--data-dir", data, "-")
		if got.code != 1 || !strings.Contains(got.err, "backup does not read at byte") {
			t.Errorf("a backup that is %s: %+v", name, got)
		}
		if files, _ := os.ReadDir(data); len(files) > 1 {
			t.Errorf("a backup that is %s leaves %v", name, files)
		}
	}
	check(t, nil, "", "restore file", wants{2, "", `kv: missing data directory: add --data-dir DIR\n`})
}

func TestADamagedDirectoryIsCheckedAndFixed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, err := vfs.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	log, err := wal.Open(data, wal.Options{}, &loaded{})
	if err != nil {
		t.Fatal(err)
	}
	check(t, nil, "", "check "+dir, wants{1, ".*", `kv: \S+ is in use: stop the server first\n`})
	for i := range 3 {
		log.Append([]wal.Change{{Kind: wal.Put, Revision: uint64(i + 1), Key: "key", Value: []byte("value")}})
		if err := log.Wait(t.Context(), uint64(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	check(t, nil, "", "check "+dir, wants{out: `read: \S+ B in 1 file: 0 entries, 3 commits after them; last revision 3\n`})
	name := filepath.Join(dir, "log-0000000001")
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	whole[strings.LastIndex(string(whole), "value")] ^= 1
	if err := os.WriteFile(name, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, nil, "", "check "+dir, wants{1, `damaged: log-0000000001 at byte \d+: the checksum of a frame is wrong\nread: .*\n`,
		`kv: \S+ is damaged: restore a backup, or cut what is damaged with kv check --fix \S+\n`})
	check(t, map[string]string{"KV_FIX": "true"}, "", "check "+dir, wants{1, `.*`, `.*`})
	check(t, nil, "", "check --fix "+dir, wants{out: `damaged: .*\ncut: log-0000000001 at byte \d+: \d+ B, kept in log-0000000001.cut-\d+\n` +
		`read: .*, 2 commits after them; last revision 2\n`})
	check(t, nil, "", "check "+dir, wants{out: `read: .*, 2 commits after them; last revision 2\n`})
	check(t, nil, "", "check "+filepath.Join(dir, "nothing"), wants{1, "", `kv: stat .*: no such file or directory\n`})
}

func TestABackupOfPagesNumbersItsEntries(t *testing.T) {
	t.Parallel()
	env := serving(t)
	check(t, env, line("b", "2")+"\n"+line("a", "1"), "import", wants{err: `.*`})
	dir := t.TempDir()
	b := &backupWriter{connection: &connection{timeout: time.Minute}, kv: dialStore(t, env), progress: newProgress(io.Discard, "", 0)}
	file := filepath.Join(dir, "kv.backup")
	if err := writeNew(file, func(f *os.File) error { return b.pages(t.Context(), f) }); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	check(t, nil, "", "restore --data-dir "+data+" "+file, wants{err: `kv: 2 entries restored\n`})
	restored := load(t, data)
	if a, b := restored.entries["a"], restored.entries["b"]; a.Revision != 1 || b.Revision != 2 || string(b.Value) != "2" || restored.etag("a") == "" {
		t.Errorf("restored are %v", restored)
	}
}
