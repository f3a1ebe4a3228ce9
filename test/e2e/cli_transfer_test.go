package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// transferred is the number of entries that are imported and exported.
const transferred = 20_000

// TestAnInterruptedTransferLosesNothing imports entries with processes that are ended halfway, exports them likewise,
// and compares the result with the original.
func TestAnInterruptedTransferLosesNothing(t *testing.T) {
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			url := d.start(t).url
			env := []string{"KV_URL=" + url, "KV_API_KEY=" + apiKey}
			lines := transferLines()
			importCut(t, env, url, lines)
			exported := exportCut(t, env)
			got := strings.SplitAfter(strings.TrimSuffix(exported, "\n"), "\n")
			if len(got) != len(lines) {
				t.Fatalf("%d entries were exported, want %d", len(got), len(lines))
			}
			for i, line := range lines {
				if err := sameEntry(line, got[i]); err != nil {
					t.Fatalf("line %d: %v\nimported %sexported %s", i+1, err, line, got[i])
				}
			}
		})
	}
}

// transferLines returns entries in the order of their keys, of which some are binary and some expire.
func transferLines() []string {
	expires := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339Nano)
	lines := make([]string, transferred)
	for i := range lines {
		content := fmt.Sprintf(`"value":"text %d, \"ä\n"`, i)
		if i%3 == 0 {
			data := fmt.Appendf([]byte{0xff, 0}, "bytes %d", i)
			content = `"data":"` + base64.StdEncoding.EncodeToString(data) + `"`
		}
		if i%7 == 0 {
			content += `,"expireTime":"` + expires + `"`
		}
		lines[i] = fmt.Sprintf("{\"key\":\"entry/%06d\",%s}\n", i, content)
	}
	return lines
}

// importCut imports lines with a process that is killed, one that is interrupted, and one that continues from there.
func importCut(t *testing.T, env []string, url string, lines []string) {
	t.Helper()
	all := strings.Join(lines, "")
	killed := startPiped(t, env, "import", "-")
	killed.write(t, strings.Join(lines[:transferred/4], ""))
	waitForKeys(t, url, transferred/5)
	killed.end(t, syscall.SIGKILL)

	interrupted := startPiped(t, env, "import", "-")
	interrupted.write(t, strings.Join(lines[:transferred/2], "")+lines[transferred/2][:20])
	waitForKeys(t, url, transferred/2-500)
	if code := interrupted.end(t, syscall.SIGINT); code != 130 {
		t.Errorf("an interrupted import exited with %d, want 130", code)
	}
	done := regexp.MustCompile(`to continue: kv import - --skip (\d+)\n`).FindStringSubmatch(interrupted.Log.String())
	if done == nil {
		t.Fatalf("the interrupted import wrote %s", interrupted.Log)
	}
	if got := client(t, env, all, "import", "--skip", done[1]); got.Code != 0 || !strings.Contains(got.Err, "entries written") {
		t.Fatalf("kv import --skip %s = %+v", done[1], got)
	}
}

// exportCut exports with a process that is killed in the middle of a line, and one that continues from there.
func exportCut(t *testing.T, env []string) string {
	t.Helper()
	cut := startPiped(t, env, "export")
	part := make([]byte, 300_000)
	if _, err := io.ReadFull(cut.stdout, part); err != nil {
		t.Fatal(err)
	}
	cut.end(t, syscall.SIGKILL)
	if bytes.HasSuffix(part, []byte("\n")) { // cut within a line
		part = part[:len(part)-1]
	}
	file := filepath.Join(t.TempDir(), "export.ndjson")
	if err := os.WriteFile(file, part, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := client(t, env, "", "export", "--file", file, "--resume"); got.Code != 0 || got.Out != "" {
		t.Fatalf("kv export --resume = %+v", got)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// waitForKeys waits until the store has n keys.
func waitForKeys(t *testing.T, url string, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("the store has %d keys", n), func() bool {
		var stats struct{ Keys string }
		if err := json.Unmarshal([]byte(callConnect(t, url, "GetStats", apiKey, `{}`).body), &stats); err != nil {
			t.Fatal(err)
		}
		keys, _ := strconv.Atoi(stats.Keys) // protobuf's JSON omits a zero
		return keys >= n
	})
}

// An import into a store that loses its data meanwhile must not look complete.
func TestAnImportNoticesThatTheStoreWasRestarted(t *testing.T) {
	d := twoProcesses(t)
	env := []string{"KV_URL=" + d.url, "KV_API_KEY=" + apiKey}
	lines := transferLines()
	half := transferred / 2
	p := startPiped(t, env, "import")
	p.write(t, strings.Join(lines[:half], ""))
	waitForKeys(t, d.url, half)
	d.service.stop(t)
	startService(t, d.service.Addr)
	eventually(t, "the service is back", func() bool { return status(t, d.url+"/readyz") == http.StatusOK })
	p.write(t, strings.Join(lines[half:], ""))
	p.Stdin.Close()
	if code := p.wait(t); code != 1 || !strings.Contains(p.Log.String(), "restarted during the import") {
		t.Errorf("an import into a restarted store exited with %d and wrote %s", code, p.Log)
	}
}

// sameEntry compares two lines. The imported entry may expire a little later than the original.
func sameEntry(want, got string) error {
	var a, b struct {
		Key, Value string
		Data       []byte
		ExpireTime time.Time
	}
	if err := json.Unmarshal([]byte(want), &a); err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(got), &b); err != nil {
		return err
	}
	later := b.ExpireTime.Sub(a.ExpireTime)
	if a.Key != b.Key || a.Value != b.Value || !bytes.Equal(a.Data, b.Data) || later < 0 || later > time.Minute {
		return fmt.Errorf("the entries differ")
	}
	return nil
}
