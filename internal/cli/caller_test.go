package cli

import (
	"path/filepath"
	"testing"
)

// A key that is limited to a prefix does everything below it, and nothing beside it.
func TestWhatAKeyOfOnePrefixCanDo(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	admin := made(t, "create", "--file", file, "--id", "admin")
	app := made(t, "create", "--file", file, "--id", "app", "--prefix", "app/", "--ops", "read,write", "--expires", "90d", "--rps", "1000")
	idle := made(t, "create", "--file", file, "--id", "idle", "--prefix", "a \"b\"/", "--ops", "read")
	url := startKV(t, map[string]string{"KV_API_KEYS_FILE": file}, "serve").url
	with := func(key string) map[string]string { return map[string]string{"KV_URL": url, "KV_API_KEY": key} }
	for _, step := range []struct {
		key, line, stdin string
		want             wants
	}{
		{app, "caller", "", wants{out: `id +app\nexpires +20\S+\nrate +1000/s\nkeys with the prefix "app/" +read, write\n`}},
		{app, "caller -o json", "", wants{out: `\{"id":"app","grants":\[\{"prefix":"app/","ops":\["read","write"\]\}\],"expireTime":"20\S+Z","rate":1000\}\n`}},
		{idle, "caller", "", wants{out: `id +idle\nexpires +never\nrate +no limit\nkeys with the prefix "a \\"b\\"/" +read\n`}},
		{"wrong", "caller", "", wants{4, "", `kv: .*; the server does not accept the key in KV_API_KEY\n`}},
		{admin, "set other x", "", wants{}},
		{app, "import", `{"key":"app/1","value":"x","ttl":"1h"}`, wants{err: `kv: 1 entry written\n`}},
		{app, "set app/ x", "", wants{}},
		{app, "export app/", "", wants{out: `.*\n.*\n`, err: `kv: 2 entries exported\n`}},
		{app, "exists app/1 app/", "", wants{}},
		{app, "ttl app/1", "", wants{out: `1h0m0s\n|59m\d+s\n`}},
		{app, "exists other", "", wants{4, "", `kv: the API key "app" may not read .*\n`}},
		{app, "ttl ap", "", wants{4, "", `kv: the API key "app" may not read .*\n`}},
		{app, "del --prefix ap --yes", "", wants{4, "", `kv: the API key "app" may not write .*\n`}},
		{app, "del --prefix ap --dry-run", "", wants{4, "", `kv: the API key "app" may not write .*\n`}},
		{app, "del --all --yes", "", wants{4, "", `kv: the API key "app" may not write .*\n`}},
		{idle, "del --prefix a --yes", "", wants{4, "", `kv: the API key "idle" may not write .*\n`}},
		{app, "del --prefix app/ --yes", "", wants{err: `kv: 2 keys deleted\n`}},
		{admin, "ls", "", wants{out: "other\n"}},
	} {
		check(t, with(step.key), step.stdin, step.line, step.want)
	}
}
