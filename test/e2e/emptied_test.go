package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	// Entries of fullEntries times fullValue bytes are stored and removed.
	fullEntries, fullValue = 1000, 120 << 10
	// mostKept is how much more memory than before a process may have afterwards: changes that watches resume from, and
	// what the program needs once it has served requests.
	mostKept = 32 * mebibyte
	// returnTime is how long a process may take to return memory. It takes 50 s: changes are old after 30 s, and it looks
	// every 10 s.
	returnTime = 2 * time.Minute
)

// emptied are ways to remove what was stored, by batches of operations for each key. Fill is what it is stored with.
var emptied = []struct{ name, fill, empty string }{
	{"deleted", `"value":%q`, `{"delete":{"key":%q}}`},
	{"expired", `"ttl":"10s","value":%q`, ""},
	{"overwritten", `"value":%q`, `{"set":{"key":%q,"value":""}}`},
}

func TestMemoryGoesBackToTheSystem(t *testing.T) {
	t.Parallel()
	for _, d := range deployments {
		for _, way := range emptied {
			t.Run(d.name+" "+way.name, func(t *testing.T) {
				t.Parallel()
				store := d.start(t, "KV_MEMORY_LIMIT=8GiB")
				processes := []*process{store.gateway}
				if store.service != nil {
					processes = append(processes, store.service)
				}
				fresh := make([]int64, len(processes))
				for i, p := range processes {
					fresh[i] = resident(t, p, "VmRSS")
				}
				fill := fmt.Sprintf(`{"set":{"key":%%q,`+way.fill+`}}`, strings.Repeat("v", fullValue))
				inBatches(t, store.url, 8, fill)
				if way.empty != "" {
					inBatches(t, store.url, fullEntries, way.empty)
				}
				if grown := resident(t, processes[len(processes)-1], "VmHWM"); grown < fullEntries*fullValue {
					t.Fatalf("%d bytes of values were never in memory: the process had %d", fullEntries*fullValue, grown)
				}
				for i, p := range processes {
					p.returns(t, fresh[i])
				}
			})
		}
	}
}

// inBatches makes an operation for each key, some at a time.
func inBatches(t *testing.T, url string, some int, operation string) {
	t.Helper()
	for first := 0; first < fullEntries; first += some {
		var operations []string
		for i := first; i < min(first+some, fullEntries); i++ {
			operations = append(operations, strings.Replace(operation, "%q", fmt.Sprintf(`"key/%d"`, i), 1))
		}
		body := fmt.Sprintf(`{"operations":[%s]}`, strings.Join(operations, ","))
		res, answer := post(t, http.DefaultClient, url+"/v1/values:batch", apiKey, "application/json", []byte(body))
		if res.StatusCode != http.StatusOK || bytes.Contains(answer, []byte(`"error"`)) {
			t.Fatalf("a batch = %s %.200s", res.Status, answer)
		}
	}
}

// returns waits until p has little more memory than it had when it was fresh.
func (p *process) returns(t *testing.T, fresh int64) {
	t.Helper()
	begin := time.Now()
	for {
		kept := resident(t, p, "VmRSS") - fresh
		if kept <= mostKept {
			t.Logf("%s: %d MiB when fresh, and %d MiB more after %v", p, fresh>>20, kept>>20, time.Since(begin))
			return
		}
		if time.Since(begin) > returnTime {
			t.Fatalf("%s: %d MiB when fresh, and still %d MiB more after %v, want at most %d", p, fresh>>20, kept>>20, returnTime, mostKept>>20)
		}
		time.Sleep(time.Second)
	}
}
