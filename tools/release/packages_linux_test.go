package main

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// packagesOf returns a directory with the packages of the release and of a later version, which have the same files, and their
// names in a container by format and version.
func packagesOf(t *testing.T, later string) (dir string, names map[string]string) {
	t.Helper()
	b := whole(t)
	dir = t.TempDir()
	if said, err := exec.Command("tar", "-xzf", filepath.Join(b.out, b.name+".tar.gz"), "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	names = map[string]string{}
	for _, v := range []string{version, later} {
		r, err := begin(t.Context(), v, dir, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(r.work)
		unpacked := filepath.Join(dir, b.name)
		if err := r.packages("linux/"+b.arch, filepath.Join(unpacked, "kv"), unpacked); err != nil {
			t.Fatal(err)
		}
		for _, file := range r.files {
			if strings.Contains(file, "~") {
				t.Errorf("%s has a name that GitHub changes", file)
			}
			names[strings.TrimPrefix(filepath.Ext(file), ".")+" "+v] = filepath.Join("/packages", filepath.Base(file))
		}
	}
	return dir, names
}

// later is a version after that of the release that tests look at.
const later = "v9.9.0-rc.1"

// TestPackages installs the packages as an administrator does, in a container with its own systemd: they are started, upgraded,
// removed and purged.
func TestPackages(t *testing.T) {
	dir, names := packagesOf(t, later)
	c := boot(t, dir)
	t.Run("deb", func(t *testing.T) { testDeb(t, c, names) })
	t.Run("rpm", func(t *testing.T) { testRPM(t, c, names) })
}

func testDeb(t *testing.T, c *container, names map[string]string) {
	c.run(t, "dpkg", "--install", names["deb "+version])
	runsSafely(t, c)
	keysApplyAtOnce(t, c)
	c.sh(t, `KV_API_KEY=$(cat /etc/key-value/admin.key) kv set greeting hello`)

	before := c.sh(t, "systemctl show --value --property MainPID key-value")
	c.run(t, "kill", "-9", before)
	eventually(t, c, `[ $(systemctl show --value --property MainPID key-value) != `+before+` ] && systemctl is-active --quiet key-value`)
	hasData(t, c, "8888")

	waitsForItsStore(t, c)

	c.sh(t, "echo KV_LISTEN=127.0.0.1:9999 >>/etc/key-value/kv.env && systemctl restart key-value")
	hasData(t, c, "9999")
	before = c.sh(t, "systemctl show --value --property MainPID key-value")
	c.run(t, "dpkg", "--install", names["deb "+later])
	if now := c.sh(t, "systemctl show --value --property MainPID key-value"); now == before {
		t.Error("the upgrade did not restart the service")
	}
	if got := c.sh(t, "dpkg-query --show --showformat '${Version}' key-value"); got != "9.9.0~rc.1" {
		t.Errorf("after the upgrade, the version is %s", got)
	}
	hasData(t, c, "9999")

	c.run(t, "dpkg", "--remove", "key-value")
	stoppedAndGone(t, c)
	c.run(t, "dpkg", "--install", names["deb "+later])
	hasData(t, c, "9999")

	c.run(t, "systemctl", "disable", "--now", "key-value")
	c.run(t, "dpkg", "--install", names["deb "+version])
	if said, _ := c.fails(t, "systemctl", "is-active", "key-value"); strings.TrimSpace(said) != "inactive" {
		t.Errorf("an upgrade of a disabled service made it %s", said)
	}

	c.run(t, "dpkg", "--purge", "key-value")
	stoppedAndGone(t, c)
	nothingLeft(t, c)

	said := followsGuide(t, c, names, "Debian and Ubuntu", "The service", "Upgrade", "Remove")
	for _, want := range []string{"active (running)", "Serving http://127.0.0.1:8888", "world", `{"status":"ok"}`, "read 'reports/*'"} {
		if !strings.Contains(said, want) {
			t.Errorf("the commands of the guide print no %s: %s", want, said)
		}
	}
	nothingLeft(t, c)
}

// waitsForItsStore checks that systemd keeps starting the service while its store is down, beyond its usual limit of five starts.
func waitsForItsStore(t *testing.T, c *container) {
	t.Helper()
	c.sh(t, "cp /etc/key-value/kv.env /tmp/kv.env && printf 'KV_DATA_DIR=\nKV_STORE=redis://127.0.0.1:1\n' >>/etc/key-value/kv.env")
	c.fails(t, "systemctl", "restart", "key-value")
	eventually(t, c, "[ $(systemctl show --value --property NRestarts key-value) -gt 5 ]")
	c.sh(t, "cp /tmp/kv.env /etc/key-value/kv.env && systemctl restart key-value")
	hasData(t, c, "8888")
}

// followsGuide runs the commands in sections of the guide, in which packages have the names of their formats' examples, and
// returns their output.
func followsGuide(t *testing.T, c *container, names map[string]string, sections ...string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/guides/packages.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	inside, command := false, false
	for line := range strings.Lines(string(text)) {
		title, isTitle := strings.CutPrefix(strings.TrimSpace(line), "## ")
		switch {
		case isTitle:
			inside = slices.Contains(sections, title)
		case strings.HasPrefix(line, "```"):
			command = inside && line == "```sh\n"
		case command:
			script.WriteString(line)
		}
	}
	commands := strings.NewReplacer(
		"sudo ", "", "rpm --install ", "rpm --install --nodeps ", // the database of rpm knows nothing that dpkg installed
		"key-value_1.2.3_amd64.deb", names["deb "+version], "key-value_1.3.0_amd64.deb", names["deb "+later],
		"key-value-1.2.3-1.x86_64.rpm", names["rpm "+version],
	).Replace(script.String())
	if commands == "" {
		t.Fatalf("the guide has no commands in the sections %v", sections)
	}
	return c.run(t, "sh", "-exc", commands)
}

func testRPM(t *testing.T, c *container, names map[string]string) {
	followsGuide(t, c, names, "Fedora, Red Hat and SUSE")
	runsSafely(t, c)
	c.sh(t, `KV_API_KEY=$(cat /etc/key-value/admin.key) kv set greeting hello`)
	c.sh(t, "echo KV_LISTEN=127.0.0.1:9999 >>/etc/key-value/kv.env")
	c.run(t, "rpm", "--upgrade", "--nodeps", names["rpm "+later])
	hasData(t, c, "9999")
	c.run(t, "rpm", "--verify", "--nodeps", "--noconfig", "key-value")
	c.run(t, "rpm", "--erase", "key-value")
	stoppedAndGone(t, c)
	c.run(t, "test", "-s", "/etc/key-value/kv.env.rpmsave", "-a", "-s", "/etc/key-value/api-keys.json", "-a", "-d", "/var/lib/private/key-value")
}

// runsSafely checks that the service runs as a user of no rights, reachable from this machine alone, with a key of its own.
func runsSafely(t *testing.T, c *container) {
	t.Helper()
	pid := c.sh(t, "systemctl is-active --quiet key-value && systemctl show --value --property MainPID key-value")
	status := c.run(t, "cat", "/proc/"+pid+"/status")
	for _, want := range []string{`Uid:\t6\d{4}\t`, `NoNewPrivs:\t1`, `Seccomp:\t2`, `CapEff:\t0+\n`, `CapBnd:\t0+\n`, `CapPrm:\t0+\n`} {
		if !regexp.MustCompile(want).MatchString(status) {
			t.Errorf("the process has no %s: %s", want, status)
		}
	}
	// The system may allow fewer than the unit asks for.
	most := c.sh(t, "ulimit -H -n")
	if got := c.sh(t, "awk '/^Max open files/ { print $4 }' /proc/"+pid+"/limits"); got != "65536" && got != most {
		t.Errorf("the process may open %s files, want 65536, or the most possible here, which is %s", got, most)
	}
	if got := c.sh(t, `systemctl show --value --property StatusText key-value`); got != "Serving http://127.0.0.1:8888" {
		t.Errorf("the status is %q", got)
	}
	// Address 0100007F is 127.0.0.1, and state 0A is listening.
	listening := c.sh(t, `awk '$4 == "0A" { print $2 }' /proc/net/tcp /proc/net/tcp6`)
	if listening != "0100007F:22B8" {
		t.Errorf("what listens is %q, want 127.0.0.1:8888 alone", listening)
	}
	if said, code := c.fails(t, "kv", "get", "greeting"); code != 4 {
		t.Errorf("without an API key: exit code %d, want 4: %s", code, said)
	}
	modes := c.sh(t, `stat --format '%n %a %U %G' /etc/key-value/* /etc/key-value`)
	const want = "/etc/key-value/admin.key 600 root root\n/etc/key-value/api-keys.json 640 root key-value-config\n" +
		"/etc/key-value/kv.env 640 root root\n/etc/key-value 755 root root"
	if modes != want {
		t.Errorf("the configuration has modes\n%s\nwant\n%s", modes, want)
	}
	if got := c.sh(t, `stat --format %a /var/lib/private/key-value`); got != "700" {
		t.Errorf("the data has mode %s, want 700", got)
	}
	if said := c.sh(t, "systemd-analyze verify --man=yes /usr/lib/systemd/system/key-value.service"); said != "" {
		t.Errorf("systemd-analyze verify says: %s", said)
	}
	// An exposure of 1.5, of 10. Services that are not restricted have more than 9.
	c.run(t, "systemd-analyze", "security", "--threshold=15", "key-value.service")
	c.sh(t, "zcat /usr/share/man/man1/kv-serve.1.gz | grep -q KV_DATA_DIR")
	c.sh(t, "bash -n /usr/share/bash-completion/completions/kv && ls /usr/share/zsh/*/_kv /usr/share/fish/vendor_completions.d/kv.fish")
}

// keysApplyAtOnce checks that a key that root creates is accepted without a restart.
func keysApplyAtOnce(t *testing.T, c *container) {
	t.Helper()
	key := c.sh(t, "kv keys create --file /etc/key-value/api-keys.json --id reader --ops read 2>/dev/null")
	eventually(t, c, "KV_API_KEY="+key+" kv ls")
	if got := c.sh(t, `stat --format '%a %U %G' /etc/key-value/api-keys.json`); got != "640 root key-value-config" {
		t.Errorf("afterwards the keys file has mode %s", got)
	}
}

// hasData checks that the store on a port has what was written first.
func hasData(t *testing.T, c *container, port string) {
	t.Helper()
	if got := c.sh(t, "KV_API_KEY=$(cat /etc/key-value/admin.key) KV_URL=http://127.0.0.1:"+port+" kv get greeting"); got != "hello" {
		t.Errorf("the store has %q, want hello", got)
	}
}

// stoppedAndGone checks that the service does not run, and that its program and unit are not there.
func stoppedAndGone(t *testing.T, c *container) {
	t.Helper()
	c.fails(t, "systemctl", "is-active", "key-value")
	c.fails(t, "sh", "-c", "ls /usr/bin/kv || ls /usr/lib/systemd/system/key-value.service || pgrep --exact kv")
}

// nothingLeft checks that no file has the name of the package or the command, except in logs and caches.
func nothingLeft(t *testing.T, c *container) {
	t.Helper()
	c.fails(t, "getent", "group", "key-value-config")
	ours := regexp.MustCompile(`key-value|^_?kv\b`)
	root := filepath.Join("/proc", strconv.Itoa(c.nspawn.Process.Pid), "root", c.upper)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		below := strings.TrimPrefix(path, root)
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(below, "/var/log/"), strings.HasPrefix(below, "/var/cache/"), strings.HasPrefix(below, "/tmp/"):
			return fs.SkipDir
		}
		// A file that was deleted is a device.
		if info, err := entry.Info(); err == nil && info.Mode()&os.ModeDevice == 0 && ours.MatchString(entry.Name()) {
			t.Errorf("purging left %s", below)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// eventually waits until a line of the shell succeeds in the container.
func eventually(t *testing.T, c *container, line string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		said, err := c.try("sh", "-c", line)
		if err == nil {
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%s: %v: %s\n%s", line, err, said, c.journal())
		}
	}
}
