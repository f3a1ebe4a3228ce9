package memlimit_test

import (
	"os"
	"testing"
	"testing/fstest"

	"key-value/internal/server/memlimit"
)

const (
	meminfo = "MemTotal:       16384 kB\nMemFree:         1024 kB\n"
	mebi    = 1 << 20
)

func TestFind(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		files  map[string]string
		want   int64
		source string
	}{
		{"nothing is known", nil, 0, ""},
		{"no control groups", map[string]string{"proc/meminfo": meminfo}, 16 * mebi, "machine"},
		{"a container", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "8388608\n",
		}, 8 * mebi, "cgroup"},
		{"a limit without a machine", map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "8388608\n",
		}, 8 * mebi, "cgroup"},
		{"no limit", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/user/a\n", "sys/fs/cgroup/user/a/memory.max": "max\n",
		}, 16 * mebi, "machine"},
		{"the limit of a group around it", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/user/a\n",
			"sys/fs/cgroup/user/a/memory.max": "8388608\n", "sys/fs/cgroup/user/memory.max": "4194304\n",
		}, 4 * mebi, "cgroup"},
		{"memory.high", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "8388608\n", "sys/fs/cgroup/a/memory.high": "2097152\n",
		}, 2 * mebi, "cgroup"},
		{"more than the machine has", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n",
		}, 16 * mebi, "machine"},
		{"version 1", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/1234\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "8388608\n",
		}, 8 * mebi, "cgroup"},
		{"version 1 without a limit", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 16 * mebi, "machine"},
		{"broken files", map[string]string{
			"proc/meminfo": "MemTotal: much\n", "proc/self/cgroup": "nonsense\n0:/\n", "sys/fs/cgroup/memory.max": "\n",
		}, 0, ""},
		{"a group that leads out of the mount", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/../../..\n", "memory.max": "1048576\n",
		}, 16 * mebi, "machine"},
	} {
		root := fstest.MapFS{}
		for name, text := range test.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, source := memlimit.FindIn(root); got != test.want || source != test.source {
			t.Errorf("%s: limit %d of %q, want %d of %q", test.name, got, source, test.want, test.source)
		}
	}
}

func TestFindOnThisMachine(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/meminfo"); err != nil {
		t.Skip("only Linux says how much memory there is")
	}
	if limit, source := memlimit.Find(); limit <= 0 || source == "" {
		t.Errorf("limit %d of %q, want a limit", limit, source)
	}
}
