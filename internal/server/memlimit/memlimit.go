// Package memlimit finds out how much memory a program may use.
package memlimit

import (
	"bytes"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// Find returns how much memory this process may use, in bytes, and what says so: "cgroup" or "machine". It returns zero if
// it cannot tell.
func Find() (limit int64, source string) { return find(system()) }

// find looks in root, which is the root of the file system. A nil root has nothing.
func find(root fs.FS) (limit int64, source string) {
	if root == nil {
		return 0, ""
	}
	machine := machineMemory(root)
	if group := cgroupLimit(root); group > 0 && (machine == 0 || group < machine) {
		return group, "cgroup"
	}
	if machine > 0 {
		return machine, "machine"
	}
	return 0, ""
}

// machineMemory returns the size of the machine's memory, zero if it is not known.
func machineMemory(root fs.FS) int64 {
	text, _ := fs.ReadFile(root, "proc/meminfo")
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}

// cgroupLimit returns the least limit of the process's control group and those that it is in, zero if there is none.
func cgroupLimit(root fs.FS) int64 {
	text, _ := fs.ReadFile(root, "proc/self/cgroup")
	least := int64(math.MaxInt64)
	for line := range strings.Lines(string(text)) {
		// A line is the number of the hierarchy, its controllers, and the group in it.
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(fields) != 3:
		case fields[0] == "0": // version 2
			least = min(least, leastLimit(root, "sys/fs/cgroup", fields[2], "memory.max", "memory.high"))
		case strings.Contains(","+fields[1]+",", ",memory,"): // version 1
			least = min(least, leastLimit(root, "sys/fs/cgroup/memory", fields[2], "memory.limit_in_bytes"))
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}

// leastLimit returns the least number in files called names, in the directories from that of group up to mount. Within a
// container, group may be its path on the host, of which only mount is there.
func leastLimit(root fs.FS, mount, group string, names ...string) int64 {
	least := int64(math.MaxInt64)
	for dir := path.Join(mount, path.Join("/", group)); ; dir = path.Dir(dir) {
		for _, name := range names {
			text, err := fs.ReadFile(root, path.Join(dir, name))
			if err != nil {
				continue
			}
			// A limit that does not fit is none, such as "max", or what version 1 says instead.
			if n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64); err == nil && n > 0 {
				least = min(least, n)
			}
		}
		if dir == mount {
			return least
		}
	}
}
