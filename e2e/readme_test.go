package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The README's lines that do not come back. TestReadme starts what they start, and runs the others against it.
const (
	serveLine   = "KV_API_KEY=my-secret-key go run ./cmd/kv serve"
	serviceLine = "KV_SERVICE_TOKEN=a-service-token kv kvservice"
	gatewayLine = "KV_SERVICE_TOKEN=a-service-token KV_API_KEY=my-secret-key kv gateway --service http://127.0.0.1:50051"
	composeLine = "docker compose up --build"
)

// testLine is run by .ci/run, with the race detector.
const testLine = "go test ./..."

// TestReadme runs the README's lines to the letter and compares what they print with what it says they print.
func TestReadme(t *testing.T) {
	lines := readme(t)
	for _, special := range []string{serveLine, serviceLine, gatewayLine, composeLine, testLine} {
		if !lines.has(special) {
			t.Errorf("the README does not have the line %q", special)
		}
	}
	t.Run("serve", func(t *testing.T) {
		portsAreFree(t, "8888")
		startCommand(t, nil, "bash", "-c", serveLine)
		lines.run(t)
	})
	t.Run("kvservice and gateway", func(t *testing.T) {
		portsAreFree(t, "8888", "50051")
		if err := command("go", "install", "./cmd/kv"); err != nil { // the README's line before these
			t.Fatal(err)
		}
		startCommand(t, nil, "bash", "-c", serviceLine)
		startCommand(t, nil, "bash", "-c", gatewayLine)
		lines.run(t)
	})
	t.Run("compose", func(t *testing.T) {
		compose := needsDocker(t)
		portsAreFree(t, "8888")
		composition := compose.up(t)
		lines.run(t)
		composition.isHardened(t)
	})
}

func TestTheReadmeShowsTheLinesThatWereAskedFor(t *testing.T) {
	lines := readme(t)
	for _, line := range []string{
		`KV_API_KEY=my-secret-key go run ./cmd/kv serve`,
		`go test ./...`,
		`curl http://localhost:8888/health`,
		`curl -X PUT http://localhost:8888/v1/values -H "Content-Type: application/json" -H "x-api-key: my-secret-key" -d '{"key": "hello", "value": "world"}'`,
		`curl -X GET http://localhost:8888/v1/values/hello -H "x-api-key: my-secret-key"`,
		`curl -X DELETE http://localhost:8888/v1/values/hello -H "x-api-key: my-secret-key"`,
	} {
		if !lines.has(line) {
			t.Errorf("the README does not have the line %s", line)
		}
	}
}

func TestTheReadmeNamesVariablesThatExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var help strings.Builder
	for _, command := range []string{"serve", "kvservice", "gateway", "get", "set", "del", "healthcheck"} {
		help.WriteString(client(t, nil, "", "help", command).out)
	}
	variable := regexp.MustCompile(`\bKV_[A-Z_]+\b`)
	for _, name := range variable.FindAllString(string(text), -1) {
		if !strings.Contains(help.String(), name) {
			t.Errorf("the README has %s, which no command's help has", name)
		}
	}
}

// portsAreFree fails if somebody listens where the README's servers listen.
func portsAreFree(t *testing.T, ports ...string) {
	t.Helper()
	for _, port := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatalf("the README's lines need port %s: %v; stop what listens there and try again", port, err)
		}
		listener.Close()
	}
}

// line is a command of the README and what it prints.
type line struct {
	number  int // in the file, from 1
	command string
	output  string
}

type document []line

// readme returns the commands of the README's console blocks: what follows "$ ", with the output below it.
func readme(t *testing.T) document {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	inside := false
	number := 0
	for text := range strings.SplitSeq(string(text), "\n") {
		number++
		switch command, ok := strings.CutPrefix(text, "$ "); {
		case strings.HasPrefix(text, "```"):
			inside = text == "```console"
		case !inside:
		case ok:
			doc = append(doc, line{number: number, command: command})
		case len(doc) == 0:
			t.Fatalf("README.md:%d: output of no command: %s", number, text)
		default:
			doc[len(doc)-1].output += text + "\n"
		}
	}
	return doc
}

func (d document) has(command string) bool {
	for _, line := range d {
		if line.command == command {
			return true
		}
	}
	return false
}

// run runs all lines that come back in one shell, as a reader would, and compares what they print.
func (d document) run(t *testing.T) {
	t.Helper()
	const mark = "--- end of the line, exit code "
	var script strings.Builder
	var ran document
	for _, line := range d {
		switch line.command {
		case serveLine, serviceLine, gatewayLine, composeLine, testLine:
		default:
			fmt.Fprintf(&script, "%s\nprintf '\\n%s%%d\\n' $?\n", line.command, mark)
			ran = append(ran, line)
		}
	}
	got := shell(t, script.String())
	outputs := strings.Split(got.out, "\n"+mark)
	if len(outputs) != len(ran)+1 {
		t.Fatalf("%d of %d lines came to an end\n%s%s", len(outputs)-1, len(ran), got.out, got.err)
	}
	for i, line := range ran {
		output := outputs[i]
		if i > 0 { // what comes first is the exit code of the line before
			_, output, _ = strings.Cut(output, "\n")
		}
		code, _, _ := strings.Cut(outputs[i+1], "\n")
		if code != "0" || !alike(line.output, output) {
			t.Errorf("README.md:%d: %s\nexit code %s\ngot:\n%s\nwant:\n%s", line.number, line.command, code, output, line.output)
		}
	}
	if t.Failed() {
		t.Logf("standard error:\n%s", got.err)
	}
}

// alike reports whether got is what want says, where … stands for anything within a line. White space in JSON
// and at the end does not count.
func alike(want, got string) bool {
	pattern := regexp.QuoteMeta(normal(want))
	pattern = strings.ReplaceAll(pattern, "…", `[^\n]*?`)
	return regexp.MustCompile(`\A` + pattern + `\z`).MatchString(normal(got))
}

func normal(s string) string {
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(s)); err == nil {
		return compact.String()
	}
	return strings.TrimRight(s, " \n")
}
