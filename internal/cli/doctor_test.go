package cli

import (
	"bytes"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	neturl "net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/pflag"

	"key-value/internal/testkit/tlstest"
)

// found is a finding as a script reads it.
type found struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Finding  string `json:"finding"`
	Action   string `json:"action"`
}

// doctor runs kv doctor, and returns its findings by id.
func doctor(t *testing.T, env map[string]string, args ...string) (map[string]found, result) {
	t.Helper()
	got := kv(t, env, "", append([]string{"doctor", "-o", "json"}, args...)...)
	all := map[string]found{}
	for line := range strings.Lines(got.out) {
		var f found
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("kv doctor %v: %v in %s", args, err, line)
		}
		if (f.Severity == "ok") != (f.Action == "") {
			t.Errorf("%+v: want an action exactly if there is something to do", f)
		}
		all[f.ID] = f
	}
	return all, got
}

// wantFinding checks that all has a finding of this severity that matches pattern; a severity of "" wants none.
func wantFinding(t *testing.T, all map[string]found, id, severity, pattern string) {
	t.Helper()
	if got := all[id]; got.Severity != severity || !regexp.MustCompile(pattern).MatchString(got.Finding) {
		t.Errorf("the check %s found %+v, want %q and %q", id, got, severity, pattern)
	}
}

// doctorSetting is a case of a check of settings: a command line and what the check finds.
type doctorSetting struct{ id, line, severity, pattern string }

func doctorSettings(t *testing.T) []doctorSetting {
	t.Helper()
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ahead, heavy, used := filepath.Join(dir, "ahead"), filepath.Join(dir, "heavy"), filepath.Join(dir, "used")
	for _, d := range []string{ahead, heavy, used} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
		file(filepath.Base(d)+"/log-0000000001", "", 0o600)
	}
	tomorrow := time.Now().Add(24 * time.Hour)
	if err := os.Chtimes(filepath.Join(ahead, "log-0000000001"), tomorrow, tomorrow); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(heavy, "log-0000000001"), 2*freeBytes(dir)); err != nil { // which is sparse
		t.Fatal(err)
	}
	keys := filepath.Join(dir, "keys.json")
	check(t, nil, "", "keys create --id a --file "+keys, wants{out: `.*`, err: `.*`})
	text, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	authority := tlstest.NewAuthority(t)
	cert, certKey := authority.Files(t, tlstest.Leaf{})
	past, pastKey := authority.Files(t, tlstest.Leaf{Ended: true})
	open := file("open.json", string(text), 0o644)
	if err := os.Chmod(open, 0o644); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return []doctorSetting{
		{"memory-limit", "serve", "ok", `may use \d+MiB of the \d+MiB`},
		{"memory-limit", "gateway --memory-limit 1000TiB", "error", `--memory-limit is 1048576000MiB, but the (cgroup|machine) allows \d+MiB`},
		{"max-memory", "kvservice", "ok", `entries may take`},
		{"max-memory", "serve --max-memory 0", "error", `--max-memory is 0`},
		{"max-memory", "serve --memory-limit 1GiB --max-memory 900MiB", "warning", `900MiB of the 1024MiB`},
		{"max-memory", "gateway", "", ``},
		{"grace-period", "serve", "", ``},
		{"grace-period", "serve --grace-period 30s", "ok", `within 25s, before .* 30s`},
		{"grace-period", "gateway --grace-period 30s --drain 20s --drain-delay 10s", "error", `up to 30s, but .* after 30s`},
		{"durability", "serve", "warning", `all entries are lost`},
		{"durability", "serve --data-dir " + used, "ok", `even in a power cut`},
		{"durability", "serve --data-dir " + used + " --fsync 2s", "warning", `the last 2s`},
		{"durability", "serve --data-dir " + used + " --fsync never", "warning", `--fsync never`},
		{"durability", "kvservice --store redis://127.0.0.1:1", "warning", `failover of Redis`},
		{"durability", "kvservice --store etcd://127.0.0.1:1", "ok", `etcd`},
		{"data-dir-kind", "serve", "", ``},
		{"data-dir-kind", "serve --data-dir /proc/none/kv", "ok", `/proc/none/kv is not`},
		{"data-dir-space", "serve --max-memory 1000TiB --data-dir " + used, "warning", `less than the 1000.* that entries may take`},
		{"data-dir-space", "serve --data-dir " + heavy, "error", `the next snapshot may not fit`},
		{"data-dir-space", "serve --max-memory 1 --data-dir " + used, "ok", `free`},
		{"data-dir-clock", "serve --data-dir " + filepath.Join(dir, "new"), "", ``},
		{"data-dir-clock", "serve --data-dir " + used, "ok", `after the last write`},
		{"data-dir-clock", "serve --data-dir " + ahead, "error", `the clock is (24h0m0s|23h59m\d+s) behind`},
		{"open-files", "serve --max-connections 64", "ok", `enough for 64 connections`},
		{"open-files", "serve --max-connections 2000000000", "error", `--max-connections is 2000000000`},
		{"open-files", "serve --max-connections 0", "warning", `without a limit`},
		{"keys-file", "serve --api-keys-file " + keys, "ok", `other users have no access to the keys file`},
		{"keys-file", "gateway --api-keys-file " + open, "error", `has mode 0644, which gives access to others`},
		{"tls-certificate", "serve", "", ``},
		{"tls-certificate", "serve --tls-cert " + cert + " --tls-key " + certKey, "ok", `the certificate of --tls-cert is valid until`},
		{"tls-certificate", "kvservice --tls-cert " + past + " --tls-key " + pastKey, "error", `the certificate of --tls-cert expired on`},
		{"tls-certificate", "serve --tls-cert " + cert, "error", `--tls-cert and --tls-key must be set together`},
		{"service-certificate", "serve", "", ``},
		{"service-certificate", "gateway --service-cert " + past + " --service-key " + pastKey, "error", `the certificate of --service-cert expired on`},
		{"value-size", "gateway", "", ``},
		{"value-size", "gateway --kvservice-env " + file("same.env", "# none\nKV_API=1\n", 0o600), "ok", `both`},
		{"value-size", "gateway --kvservice-env " + file("less.env", "KV_MAX_VALUE_BYTES=\"1000\"\n", 0o600), "error", `its kvservice of up to 1000`},
		{"value-size", "gateway --kvservice-env " + file("none.env", "KV_MAX_VALUE_BYTES=1k\n", 0o600), "error", `is "1k"`},
	}
}

func TestDoctorExaminesSettings(t *testing.T) {
	t.Parallel()
	if freeBytes("/") < 0 {
		t.Skip("only Linux tells what these checks need")
	}
	tested := map[string]bool{"collector": true} // by TestDoctorExaminesCollectors
	for _, test := range doctorSettings(t) {
		all, got := doctor(t, nil, strings.Fields(test.line)...)
		wantFinding(t, all, test.id, test.severity, test.pattern)
		tested[test.id] = tested[test.id] || test.severity == "error" || test.severity == "warning"
		if code := worst(all); got.code != code {
			t.Errorf("kv doctor %s = code %d, want %d: %s", test.line, got.code, code, got.out)
		}
	}
	if dir, err := os.MkdirTemp("/dev/shm", "kv-doctor-"); err != nil {
		t.Log("SKIPPED: there is no tmpfs at /dev/shm to find")
		tested["data-dir-kind"] = true
	} else {
		defer os.Remove(dir)
		all, _ := doctor(t, nil, "serve", "--data-dir", filepath.Join(dir, "data"))
		wantFinding(t, all, "data-dir-kind", "error", `is on tmpfs, which is memory`)
		tested["data-dir-kind"] = true
	}
	for _, c := range settingChecks {
		if !tested[c.id] {
			t.Errorf("no test has the check %s find something", c.id)
		}
	}
}

// worst returns the exit code that belongs to the worst of all findings.
func worst(all map[string]found) int {
	code := 0
	for _, f := range all {
		switch f.Severity {
		case "error":
			return 1
		case "warning":
			code = 7
		}
	}
	return code
}

// Settings come from the variables of the server, and what a server rejects is rejected.
func TestDoctorReadsTheSettingsThatServersRead(t *testing.T) {
	t.Parallel()
	all, _ := doctor(t, map[string]string{"KV_DRAIN": "2m"}, "serve", "--grace-period", "1m")
	wantFinding(t, all, "grace-period", "error", `up to 2m0s`)
	check(t, nil, "", "doctor gateway --max-connections 64", wants{out: `(ok +[a-z-]+: [^\n]+\n)+`})
	check(t, nil, "", "doctor serve --grace-period 1s", wants{1, `error +grace-period: [^\n]+\n +→ [^\n]+\n.*`, `kv: errors: \d, warnings: 1\n`})
	check(t, nil, "", "doctor serve --max-value-bytes 0", wants{2, "", `kv: invalid --max-value-bytes 0: .*\n`})
	check(t, nil, "", "doctor serve x", wants{2, "", `kv: .*want kv doctor serve \[flags\]; see kv help doctor serve\n`})
	check(t, nil, "", "doctor gateway --kvservice-env /nope", wants{1, "", `kv: --kvservice-env: .*\n`})
	root := newRoot("test", streams{}, func(string) string { return "" })
	for _, name := range []string{"serve", "kvservice", "gateway"} {
		server, _, _ := root.Find([]string{name})
		examiner, _, _ := root.Find([]string{"doctor", name})
		server.Flags().VisitAll(func(f *pflag.Flag) {
			if same := examiner.Flags().Lookup(f.Name); same == nil || same.Usage != f.Usage {
				t.Errorf("kv doctor %s does not have --%s of kv %s", name, f.Name, name)
			}
		})
	}
}

func TestDoctorVisitsAStore(t *testing.T) {
	t.Parallel()
	env := serving(t, "--max-memory", "1MiB")
	all, got := doctor(t, env)
	wantFinding(t, all, "ready", "ok", `is ready`)
	wantFinding(t, all, "clock", "ok", `agrees`)
	wantFinding(t, all, "api-key", "ok", `default does not expire`)
	wantFinding(t, all, "memory", "ok", `of 1\.0 MiB`)
	wantFinding(t, all, "durability", "warning", `all entries are lost`)
	wantFinding(t, all, "certificate", "", ``)
	if got.code != 7 || got.err != "kv: errors: 0, warnings: 1\n" {
		t.Errorf("kv doctor = %+v, want code 7", got)
	}
	var fill strings.Builder
	for i := range 150 {
		fill.WriteString(`{"set":{"key":"` + benchKey(i) + `","value":"` + strings.Repeat("x", 9000) + `"}}` + "\n")
	}
	kv(t, env, fill.String(), "batch")
	all, _ = doctor(t, env)
	wantFinding(t, all, "memory", "warning", `nearly full`)

	all, _ = doctor(t, serving(t, "--max-memory", "0"))
	wantFinding(t, all, "memory", "warning", `without a limit`)
	durable, _ := durably(t, t.TempDir())
	all, got = doctor(t, durable)
	wantFinding(t, all, "durability", "ok", `even in a power cut`)
	if got.code != 0 {
		t.Errorf("kv doctor = %+v, want code 0", got)
	}

	if _, got := doctor(t, map[string]string{"KV_URL": "http://127.0.0.1:1", "KV_API_KEY": "x"}); got.code != 5 {
		t.Errorf("kv doctor without a store = %+v, want code 5", got)
	}
	all, got = doctor(t, map[string]string{"KV_URL": env["KV_URL"], "KV_API_KEY": "wrong"})
	wantFinding(t, all, "ready", "ok", `is ready`)
	if got.code != 4 {
		t.Errorf("kv doctor with a wrong key = %+v, want code 4", got)
	}
}

func TestDoctorFindsAGatewayWithoutAKVService(t *testing.T) {
	t.Parallel()
	gateway := startKV(t, map[string]string{"KV_API_KEY": "secret", "KV_SERVICE": "http://127.0.0.1:1"}, "gateway")
	all, got := doctor(t, map[string]string{"KV_URL": gateway.url, "KV_API_KEY": "secret"})
	wantFinding(t, all, "ready", "error", `/readyz answers 503`)
	if got.code != 5 {
		t.Errorf("kv doctor = %+v, want code 5", got)
	}
}

func TestDoctorFindsAnExpiredCertificate(t *testing.T) {
	t.Parallel()
	authority := tlstest.NewAuthority(t)
	for severity, leaf := range map[string]tlstest.Leaf{"ok": {}, "error": {Ended: true}} {
		cert, certKey := authority.Files(t, leaf)
		url := secure(startKV(t, key, "serve", "--tls-cert", cert, "--tls-key", certKey).url)
		all, got := doctor(t, map[string]string{"KV_URL": url, "KV_API_KEY": "secret", "KV_CA": authority.File(t)})
		wantFinding(t, all, "certificate", severity, `the certificate of 127\.0\.0\.1:\d+ (is valid until|expired on)`)
		if want := map[string]int{"ok": 7, "error": 5}[severity]; got.code != want {
			t.Errorf("kv doctor = %+v, want code %d", got, want)
		}
	}
}

func TestDoctorFindsAnAPIKeyThatExpiresSoon(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	secrets := map[string]string{}
	for id, life := range map[string]string{"brief": "5d", "long": "90d"} {
		secrets[id] = strings.TrimSpace(kv(t, nil, "", "keys", "create", "--id", id, "--file", file, "--expires", life).out)
	}
	url := startKV(t, nil, "serve", "--api-keys-file", file).url
	for id, severity := range map[string]string{"brief": "warning", "long": "ok"} {
		all, _ := doctor(t, map[string]string{"KV_URL": url, "KV_API_KEY": secrets[id]})
		wantFinding(t, all, "api-key", severity, `the API key `+id+` expires on`)
	}
}

// The store is real; a proxy between changes the header of its answers.
func TestDoctorComparesClocks(t *testing.T) {
	t.Parallel()
	env := serving(t)
	target, err := neturl.Parse(env["KV_URL"])
	if err != nil {
		t.Fatal(err)
	}
	for by, pattern := range map[time.Duration]string{time.Hour: `ahead`, -time.Hour: `behind`} {
		proxy := httptest.NewServer(&httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
			ModifyResponse: func(res *http.Response) error {
				res.Header.Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat))
				return nil
			},
		})
		t.Cleanup(proxy.Close)
		all, _ := doctor(t, map[string]string{"KV_URL": proxy.URL, "KV_API_KEY": "secret"})
		wantFinding(t, all, "clock", "warning", pattern)
	}
}

func TestDoctorWarnsOfAPIKeysThatOthersCanRead(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{"http://kv.example:80": true, "https://kv.example": false, "http://127.0.0.1:1": false, "http://localhost:1": false} {
		u, err := neturl.Parse(url)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&visit{url: u, withKey: true}).encryption(); (got != nil) != want {
			t.Errorf("for %s, doctor finds %+v", url, got)
		}
	}
}

func TestACertificateIsToBeRenewedInTime(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, test := range []struct {
		life, left time.Duration
		want       severity
	}{
		{90 * day, 15 * day, fine}, {90 * day, 13 * day, warning}, {90 * day, -time.Second, failing}, {90 * day, 91 * day, failing},
		{day, 7 * time.Hour, fine}, {day, 5 * time.Hour, warning},
	} {
		cert := &x509.Certificate{NotAfter: now.Add(test.left), NotBefore: now.Add(test.left - test.life)}
		if got := validity("it", cert, now); got.Severity != test.want {
			t.Errorf("with %v left of %v, doctor finds %+v", test.left, test.life, got)
		}
	}
}

// The guide has a row for each check, by which an operator finds what an id means.
func TestTheGuideHasEveryCheckOfDoctor(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/guides/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range settingChecks {
		ids = append(ids, c.id)
	}
	for _, c := range storeChecks {
		ids = append(ids, c.id)
	}
	for _, id := range ids {
		if !bytes.Contains(guide, []byte("\n| `"+id+"` |")) {
			t.Errorf("docs/guides/operations.md has no row for the check %s", id)
		}
	}
}

func TestDoctorExaminesCollectors(t *testing.T) {
	t.Parallel()
	there := httptest.NewServer(http.NotFoundHandler())
	defer there.Close()
	for _, test := range []struct{ endpoint, severity, pattern string }{
		{"", "", ""},
		{there.URL, "ok", "accepts connections at " + there.URL + "/v1/traces and " + there.URL + "/v1/metrics"},
		{"http://127.0.0.1:1", "warning", `http://127.0.0.1:1/v1/traces cannot be reached: .*refused`},
		{"http://user:secret@127.0.0.1:1", "warning", `http://user:xxxxx@127.0.0.1:1/v1/traces cannot be reached`},
		{"http://127.0.0.1:4317", "warning", `the usual port of OTLP over gRPC`},
	} {
		all, _ := doctor(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": test.endpoint}, "serve")
		wantFinding(t, all, "collector", test.severity, test.pattern)
	}
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": there.URL}
	all, _ := doctor(t, env, "serve", "--grace-period", "29s")
	wantFinding(t, all, "grace-period", "warning", `within 25s, but .* after 29s: the last traces and metrics, which may take 5s, can be lost`)
	all, _ = doctor(t, env, "serve", "--grace-period", "30s")
	wantFinding(t, all, "grace-period", "ok", `within 30s`)
	env["OTEL_METRICS_EXPORTER"] = "statsd"
	check(t, env, "", "doctor serve", wants{2, "", `kv: invalid OTEL_METRICS_EXPORTER "statsd": want otlp, prometheus or none\n.*`})
}
