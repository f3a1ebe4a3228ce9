package cli

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestARestoredStoreServesWhatTheOldOneHad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, data := filepath.Join(dir, "kv.backup"), filepath.Join(dir, "data")
	env := serving(t)
	set := kv(t, env, "", "set", "a", "1", "-o", "json")
	etag := between(set.out, `"etag":"`, `"`)
	check(t, env, "", "set b 2 --ttl 1h", wants{})
	check(t, env, "", "backup --file "+file, wants{err: `kv: 2 entries backed up\n`})
	check(t, env, "", "set a changed --if-match "+etag, wants{})
	changed := between(kv(t, env, "", "get", "a", "-o", "json").out, `"etag":"`, `"`)

	check(t, nil, "", "restore --data-dir "+data+" "+file, wants{err: `kv: 2 entries restored\n`})
	server := startKV(t, key, "serve", "--data-dir", data)
	restored := map[string]string{"KV_URL": server.url, "KV_API_KEY": "secret"}
	check(t, restored, "", "get a", wants{out: "1"})
	check(t, restored, "", "get b -o table", wants{out: `.*\n +1 +(1h0m0s|59m\d+s) +\S+ +b\n`})
	check(t, restored, "", "set a 3 --if-match "+changed, wants{6, "", `kv: .*expected etag\n`})
	check(t, restored, "", "set a 3 --if-match "+etag, wants{})
	check(t, nil, "", "check "+data, wants{1, ".*", `kv: \S+ is in use: stop the server first\n`})
	server.stop()
	<-server.code
	check(t, nil, "", "check "+data, wants{out: `read: .*2 entries, 1 commit after them; last revision \d+\n`})
}

// between returns what text has between two strings.
func between(text, before, after string) string {
	_, text, _ = strings.Cut(text, before)
	text, _, _ = strings.Cut(text, after)
	return text
}
