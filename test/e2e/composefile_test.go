package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// composeFiles are the compose files of this repository.
var composeFiles = []string{"compose.yaml", "compose.cluster.yaml", "compose.etcd.yaml"}

// composeService is a service of a compose file.
type composeService struct {
	Image       string
	Command     any
	Environment map[string]string
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	MemLimit    string   `yaml:"mem_limit"`
	PidsLimit   int      `yaml:"pids_limit"`
	GracePeriod string   `yaml:"stop_grace_period"`
	Ports       []string
}

func composeServices(t *testing.T, file string) map[string]composeService {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, file))
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct{ Services map[string]composeService }
	if err := yaml.Unmarshal(text, &parsed); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(parsed.Services) == 0 {
		t.Fatalf("%s has no services", file)
	}
	return parsed.Services
}

// TestEveryComposeServiceIsConfined reads the files. What the engine makes of them is checked where there is one.
func TestEveryComposeServiceIsConfined(t *testing.T) {
	for _, file := range composeFiles {
		for name, s := range composeServices(t, file) {
			if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
				t.Errorf("%s: %s needs read_only: true, cap_drop: [ALL] and no-new-privileges:true; got %+v", file, name, s)
			}
			if size(t, s.MemLimit) == 0 || s.PidsLimit == 0 {
				t.Errorf("%s: %s has mem_limit %q and pids_limit %d, want both", file, name, s.MemLimit, s.PidsLimit)
			}
			for _, port := range s.Ports {
				if !strings.HasPrefix(port, "127.0.0.1:") {
					t.Errorf("%s: %s publishes %s, want only this machine to reach it", file, name, port)
				}
			}
		}
	}
}

// The guide says how much memory a process needs for its entries, and how long it may take to stop.
func TestComposeLimitsFollowTheGuide(t *testing.T) {
	const drain = 25 * time.Second // the default of --drain
	for _, file := range composeFiles {
		for name, s := range composeServices(t, file) {
			if entries := size(t, s.Environment["KV_MAX_MEMORY"]); size(t, s.MemLimit) < entries*3/2+200<<20 && entries != 0 {
				t.Errorf("%s: %s has mem_limit %s, want 1.5 times %s and 200 MiB", file, name, s.MemLimit, s.Environment["KV_MAX_MEMORY"])
			}
			if s.Image != "key-value" {
				continue
			}
			if grace, delay := duration(t, s.GracePeriod), duration(t, s.Environment["KV_DRAIN_DELAY"]); grace <= delay+drain {
				t.Errorf("%s: %s is killed after %v, want more than %v, its drain and the delay before it", file, name, grace, delay+drain)
			}
		}
	}
}

// size returns the bytes of a size such as 512m, 1g or 512MiB. That of "" is 0.
func size(t *testing.T, s string) int {
	t.Helper()
	for suffix, unit := range map[string]int{"m": 1 << 20, "MiB": 1 << 20, "g": 1 << 30, "GiB": 1 << 30} {
		if n, err := strconv.Atoi(strings.TrimSuffix(s, suffix)); err == nil {
			return n * unit
		}
	}
	if s != "" {
		t.Errorf("invalid size %q: want one such as 512m or 512MiB", s)
	}
	return 0
}

// duration returns the duration that s says. That of "" is 0.
func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil && s != "" {
		t.Error(err)
	}
	return d
}

// Docker Compose reads what this test's parser may be too lenient for. It needs no engine for that.
func TestComposeAcceptsItsFiles(t *testing.T) {
	command := composeCommand()
	if command == nil {
		skipLoudly(t, "the compose files", "neither docker compose nor docker-compose is installed")
	}
	for _, file := range composeFiles {
		line := exec.Command(command[0], append(command[1:], "-f", file, "--profile", "observe", "config", "--quiet")...)
		line.Dir = repository
		if out, err := line.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
}
