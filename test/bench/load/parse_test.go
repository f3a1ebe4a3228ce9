package load

import (
	"strings"
	"testing"
)

const wrkOutput = `prepared
Running 10m test @ http://127.0.0.1:7379
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   409.59us  693.81us   8.85ms   92.28%
    Req/Sec     7.76k     1.66k   10.01k    68.75%
  12333 requests in 1.60s, 4.18MB read
FAILURES
Requests/sec:   7706.68
Transfer/sec:      2.61MB
`

const h2loadOutput = `starting benchmark...
Main benchmark duration is over for thread #0. Stopping all clients.

finished in 4.00s, 95123.50 req/s, 10.33MB/s
requests: 380494 total, 380558 started, 380494 done, 380494 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 380494 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 39.00MB (40894464) total, 2.00MB (2097152) headers (space savings 90.00%), 30.00MB (31457280) data
`

const redisOutput = `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"GET","554016.62","2.390","0.504","2.143","5.015","7.223","8.703"
`

func TestResultsAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		parse func(string) (Result, error)
		out   string
		want  Result
	}{
		"wrk":             {parseWrk, strings.Replace(wrkOutput, "FAILURES\n", "", 1), Result{7706.68, 12333}},
		"h2load":          {h2loadResult, h2loadOutput, Result{95123.5, 380494}},
		"redis-benchmark": {redisResult, redisOutput, Result{PerSecond: 554016.62}},
		"redis-benchmark of a cluster": {
			redisResult, "Cluster has 1 master nodes:\n\nMaster 0: 8caf 127.0.0.1:29929\n\n" + redisOutput, Result{PerSecond: 554016.62},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := c.parse(c.out); err != nil || got != c.want {
				t.Errorf("result = %v, %v; want %v", got, err, c.want)
			}
		})
	}
}

// h2loadResult parses the output for responses of as many bytes as its have.
func h2loadResult(out string) (Result, error) { return parseH2Load(out, 31457280/380494) }

func redisResult(out string) (Result, error) {
	perSecond, err := parseRedis(out)
	return Result{PerSecond: perSecond}, err
}

func TestARunWithFailuresHasNoRate(t *testing.T) {
	fail := func(line string) string { return strings.Replace(wrkOutput, "FAILURES", line, 1) }
	replaced := func(old, with string) string { return strings.Replace(h2loadOutput, old, with, 1) }
	for name, c := range map[string]struct {
		parse func(string) (Result, error)
		out   string
	}{
		"wrk: an error status":         {parseWrk, fail("  Non-2xx or 3xx responses: 3")},
		"wrk: broken connections":      {parseWrk, fail("  Socket errors: connect 0, read 1, write 0, timeout 0")},
		"wrk: no response":             {parseWrk, "  0 requests in 1.60s, 0B read\nRequests/sec:      0.00\n"},
		"wrk: no count":                {parseWrk, "Requests/sec:   7706.68\n"},
		"wrk: other output":            {parseWrk, "unable to connect\n"},
		"h2load: an error status":      {h2loadResult, replaced("0 5xx", "7 5xx")},
		"h2load: failed calls":         {h2loadResult, replaced("0 failed", "2 failed")},
		"h2load: broken connections":   {h2loadResult, replaced("0 errored", "2 errored")},
		"h2load: no response":          {h2loadResult, replaced("95123.50 req/s", "0.00 req/s")},
		"h2load: no output":            {h2loadResult, ""},
		"h2load: empty responses":      {h2loadResult, replaced("(31457280) data", "(21457280) data")},
		"redis-benchmark: no commands": {redisResult, strings.Replace(redisOutput, "554016.62", "0.00", 1)},
		"redis-benchmark: no number":   {redisResult, strings.Replace(redisOutput, "554016.62", "nan", 1)},
		"redis-benchmark: no table":    {redisResult, "Could not connect to Redis\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := c.parse(c.out); err == nil {
				t.Errorf("rate = %v, want an error", got)
			}
		})
	}
}
