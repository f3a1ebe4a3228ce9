package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"key-value/internal/testkit/proc"
)

// buildPatience is how long building the image may take, with all downloads.
const buildPatience = 8 * time.Minute

// containers is what is not tested without Docker.
const containers = "the image and the composed services"

// compose is the command that runs compose files, in a project of its own.
type compose struct {
	command []string
	line    string   // the README's command
	env     []string // selects the project and the file
}

// needsDocker returns what runs the README's command. Without Docker it skips the test and prints why.
func needsDocker(t *testing.T, line string) compose {
	t.Helper()
	env := []string{fmt.Sprintf("COMPOSE_PROJECT_NAME=kv-e2e-%d", os.Getpid())}
	if _, file, ok := strings.Cut(line, " -f "); ok {
		env = append(env, "COMPOSE_FILE="+strings.Fields(file)[0])
	}
	if out, err := exec.Command("docker", "info").CombinedOutput(); err != nil {
		skipLoudly(t, containers, fmt.Sprintf("there is no Docker engine: docker info: %v: %.200s", err, out))
	}
	if command := composeCommand(); command != nil {
		return compose{command, line, env}
	}
	skipLoudly(t, containers, "neither docker compose nor docker-compose is installed")
	return compose{}
}

// composeCommand returns the command that runs compose files, or nil if there is none.
func composeCommand() []string {
	for _, command := range [][]string{{"docker", "compose"}, {"docker-compose"}} {
		if exec.Command(command[0], append(command[1:], "version")...).Run() == nil {
			return command
		}
	}
	return nil
}

// skipLoudly prints the reason itself, because go test shows skipped tests only with -v.
func skipLoudly(t *testing.T, what, reason string) {
	t.Helper()
	fmt.Printf("\nNOT TESTED: %s, because %s\n\n", what, reason)
	t.SkipNow()
}

// needsImages skips the test if an image of others cannot be pulled.
func (c compose) needsImages(t *testing.T, images ...string) {
	t.Helper()
	for _, image := range images {
		if exec.Command("docker", "image", "inspect", image).Run() == nil {
			continue
		}
		if out, err := exec.Command("docker", "pull", image).CombinedOutput(); err != nil {
			skipLoudly(t, "the composed cluster", fmt.Sprintf("image %s is not available: docker pull: %v: %.200s", image, err, out))
		}
	}
}

// composition is the services in their containers.
type composition struct {
	compose
	server *process
}

// up runs the README's command, or the same with docker-compose, and waits until the gateway is ready.
func (c compose) up(t *testing.T) composition {
	t.Helper()
	line := strings.Replace(c.line, "docker compose", strings.Join(c.command, " "), 1)
	t.Cleanup(func() {
		if out, err := c.run("down", "--volumes", "--timeout", "30"); err != nil {
			t.Errorf("docker compose down: %v\n%s", err, out)
		}
	})
	server := launch(t, c.env, "bash", "-c", line)
	deadline := time.After(buildPatience)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		if res, err := http.Get("http://localhost:8888/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return composition{c, server}
			}
		}
		select {
		case <-tick.C:
		case <-server.Exited():
			t.Fatalf("%s has ended", line)
		case <-deadline:
			t.Fatalf("%s: not ready within %v", line, buildPatience)
		}
	}
}

func (c compose) run(args ...string) (string, error) {
	command := proc.Command{Path: c.command[0], Args: append(c.command[1:], args...), Env: c.env, Dir: repository}
	out, err := command.Output(context.Background())
	return strings.TrimSpace(out), err
}

// container is a container as docker inspect describes it.
type container struct {
	Name  string
	State struct {
		Status string
		Health struct{ Status string }
	}
	Config     struct{ User string }
	HostConfig struct {
		ReadonlyRootfs    bool
		CapDrop           []string
		SecurityOpt       []string
		Memory, PidsLimit int64
		PortBindings      map[string][]struct{ HostIP, HostPort string }
		RestartPolicy     struct{ Name string }
	}
}

// survives kills a node, such as the primary of a third of all keys, and waits until all can be written again.
func (c composition) survives(t *testing.T, node string) {
	t.Helper()
	if out, err := c.run("kill", node); err != nil {
		t.Fatalf("docker compose kill: %v\n%s", err, out)
	}
	eventually(t, "all keys can be written", func() bool { return calls(t, http.MethodPut, "http://localhost:8888") == 100 })
}

// confined reports whether a container can write only to its volumes, has no rights, and is limited in memory and threads.
func (c container) confined() bool {
	return c.HostConfig.ReadonlyRootfs && slices.Equal(c.HostConfig.CapDrop, []string{"ALL"}) &&
		slices.Contains(c.HostConfig.SecurityOpt, "no-new-privileges:true") &&
		c.HostConfig.Memory > 0 && c.HostConfig.PidsLimit > 0
}

// isHardened checks the running containers as Docker describes them, and how many ports each container of our image publishes,
// and stops all.
func (c composition) isHardened(t *testing.T, ports map[string]int) {
	t.Helper()
	running, err := c.run("ps", "-q")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range strings.Fields(running) {
		if got := inspect(t, id); !got.confined() {
			t.Errorf("container %s is not confined: %+v", got.Name, got)
		}
	}
	ids := map[string]string{}
	for service, want := range ports {
		id, err := c.run("ps", "-q", service)
		if err != nil {
			t.Fatal(err)
		}
		ids[service] = id
		eventually(t, service+" is healthy", func() bool { return inspect(t, id).State.Health.Status == "healthy" })
		got := inspect(t, id)
		if got.Config.User != "65532:65532" || got.HostConfig.RestartPolicy.Name != "unless-stopped" {
			t.Errorf("%s has more rights than it needs: %+v", service, got)
		}
		if published := len(got.HostConfig.PortBindings); published != want {
			t.Errorf("%s publishes %d ports, want %d: %+v", service, published, want, got.HostConfig.PortBindings)
		}
	}
	if out, err := c.run("stop"); err != nil {
		t.Fatalf("docker compose stop: %v\n%s", err, out)
	}
	for service, id := range ids {
		out, err := exec.Command("docker", "inspect", "--format", "{{.State.ExitCode}}", id).Output()
		if code := strings.TrimSpace(string(out)); err != nil || code != "0" {
			t.Errorf("%s ended with exit code %s, %v; want 0", service, code, err)
		}
	}
}

func inspect(t *testing.T, id string) container {
	t.Helper()
	out, err := exec.Command("docker", "inspect", id).Output()
	if err != nil {
		t.Fatal(err)
	}
	var containers []container
	if err := json.Unmarshal(out, &containers); err != nil || len(containers) != 1 {
		t.Fatalf("docker inspect %s: %v\n%s", id, err, out)
	}
	return containers[0]
}
