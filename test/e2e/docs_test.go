package e2e_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"key-value/internal/testkit/etcdcluster"
	"key-value/internal/testkit/proc"
)

// documents returns the paths of this project's Markdown files below dir.
func documents(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(repository, dir), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if err == nil && filepath.Ext(path) == ".md" {
			path, err = filepath.Rel(repository, path)
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) == 0 {
		t.Fatalf("no documents in %s: %v", dir, err)
	}
	return paths
}

// scaling has commands that need redis-server.
var scaling = filepath.Join("docs", "scaling.md")

// etcdGuide has commands that need etcd and etcdctl.
var etcdGuide = filepath.Join("docs", "guides", "etcd.md")

// TestGuides runs the commands of every guide verbatim, each guide on a store of its own.
func TestGuides(t *testing.T) {
	for _, path := range append(documents(t, "docs/guides"), scaling) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			if path == scaling {
				needsRedis(t, "the commands of "+scaling)
				portsAreFree(t, "6399", "8889")
			}
			if filepath.Base(path) == "python.md" {
				needsPython(t, "the commands of "+path)
			}
			if path == etcdGuide {
				needsEtcd(t, "the commands of "+etcdGuide)
				portsAreFree(t, "2379", "2380", "8889")
			}
			if filepath.Base(path) == "kubernetes.md" {
				needsHelm(t, "the commands of "+path)
			}
			doc := readDocument(t, path)
			if len(doc.lines) == 0 {
				t.Skip("the guide has no commands")
			}
			portsAreFree(t, "8888", "50051", "5173", "4318")
			doc.run(t)
		})
	}
}

// needsRedis skips the test of what if redis-server is not installed, unless KV_REQUIRE_REDIS is set.
func needsRedis(t *testing.T, what string) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("KV_REQUIRE_REDIS") == "1" {
			t.Fatal(err)
		}
		skipLoudly(t, what, err.Error())
	}
}

// needsEtcd puts etcd and etcdctl first in the PATH. Where they cannot be built it skips the test of what, unless
// KV_REQUIRE_ETCD is set.
func needsEtcd(t *testing.T, what string) {
	t.Helper()
	for _, name := range []string{"etcd", "etcdctl"} {
		program, err := etcdcluster.Program(t.Context(), name)
		switch {
		case err == nil:
			t.Setenv("PATH", filepath.Dir(program)+string(os.PathListSeparator)+os.Getenv("PATH"))
		case os.Getenv("KV_REQUIRE_ETCD") == "1":
			t.Fatal(err)
		default:
			skipLoudly(t, what, err.Error())
		}
	}
}

// needsHelm puts helm first in the PATH. Where it cannot be built it skips the test of what, unless KV_REQUIRE_HELM is set.
func needsHelm(t *testing.T, what string) {
	t.Helper()
	program, err := proc.Tool(t.Context(), filepath.Join(repository, "tools", "kubernetes"), "helm", "helm.sh/helm/v4/cmd/helm")
	switch {
	case err == nil:
		t.Setenv("PATH", filepath.Dir(program)+string(os.PathListSeparator)+os.Getenv("PATH"))
	case os.Getenv("KV_REQUIRE_HELM") == "1":
		t.Fatal(err)
	default:
		skipLoudly(t, what, err.Error())
	}
}

// needsPython puts a Python with gRPC's tools first in the PATH, which may be Debian's beside another. Without one it skips the
// test of what, unless KV_REQUIRE_CLIENTS is set.
func needsPython(t *testing.T, what string) {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import grpc, grpc_tools").Run() == nil {
			if filepath.IsAbs(python) {
				t.Setenv("PATH", filepath.Dir(python)+string(os.PathListSeparator)+os.Getenv("PATH"))
			}
			return
		}
	}
	const missing = "no python3 has gRPC's tools: apt install python3-grpcio python3-grpc-tools"
	if os.Getenv("KV_REQUIRE_CLIENTS") == "1" {
		t.Fatal(missing)
	}
	skipLoudly(t, what, missing)
}

// TestEveryConsoleIsRun finds console blocks that no test runs.
func TestEveryConsoleIsRun(t *testing.T) {
	for _, path := range documents(t, ".") {
		if path == "README.md" || path == scaling || filepath.Dir(path) == filepath.Join("docs", "guides") {
			continue
		}
		for _, line := range readDocument(t, path).lines {
			t.Errorf("%s: nothing runs %s", line.place, line.command)
		}
	}
}

func TestQuotedCodeMatchesItsFile(t *testing.T) {
	for _, path := range documents(t, ".") {
		for _, fence := range readDocument(t, path).fences {
			if fence.source == "" {
				continue
			}
			source, err := os.ReadFile(filepath.Join(repository, fence.source))
			if err != nil {
				t.Errorf("%s: %v", fence.place, err)
			} else if !strings.Contains(unindented(string(source)), unindented(fence.text)) {
				t.Errorf("%s: %s does not have these lines", fence.place, fence.source)
			}
		}
	}
}

// unindented removes the indentation that all lines share, so that code can be compared with an excerpt.
func unindented(code string) string {
	return regexp.MustCompile(`(?m)^[ \t]+`).ReplaceAllString(code, "")
}

func TestDocumentsNameVariablesThatExist(t *testing.T) {
	commands := regexp.MustCompile(`(?m)^  ([a-z]+) {2,}`)
	help := client(t, nil, "", "help").Out
	for _, command := range commands.FindAllStringSubmatch(help, -1) {
		help += client(t, nil, "", "help", command[1]).Out
	}
	script, err := os.ReadFile(filepath.Join(repository, "tools/release/install.sh"))
	if err != nil {
		t.Fatal(err)
	}
	help += string(script)
	variable := regexp.MustCompile(`\bKV_[A-Z_]+\b`)
	for _, path := range append(documents(t, "docs/guides"), "README.md", scaling) {
		text, err := os.ReadFile(filepath.Join(repository, path))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range variable.FindAllString(string(text), -1) {
			if !strings.Contains(help, name) {
				t.Errorf("%s names %s, which is neither in the help of a command nor in install.sh", path, name)
			}
		}
	}
}

// TestLinksLeadSomewhere checks links between documents, and to headings in them.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, path := range documents(t, ".") {
		text, err := os.ReadFile(filepath.Join(repository, path))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(withoutCode(string(text)), -1) {
			target, heading, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			to := path
			if target != "" {
				to = filepath.Join(filepath.Dir(path), target)
			}
			page, err := os.ReadFile(filepath.Join(repository, to))
			if _, statErr := os.Stat(filepath.Join(repository, to)); statErr != nil {
				t.Errorf("%s links to %s: %v", path, found[1], statErr)
			} else if heading != "" && (err != nil || !hasHeading(string(page), heading)) {
				t.Errorf("%s links to %s, which has no such heading", path, found[1])
			}
		}
	}
}

// withoutCode returns text without code blocks and code spans.
func withoutCode(text string) string {
	return regexp.MustCompile("(?s)```.*?```|`[^`\n]*`").ReplaceAllString(text, "")
}

// hasHeading reports whether page has a heading with this anchor on GitHub.
func hasHeading(page, anchor string) bool {
	heading := regexp.MustCompile(`(?m)^#+ +(.*)$`)
	dropped := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, found := range heading.FindAllStringSubmatch(page, -1) {
		made := dropped.ReplaceAllString(strings.ToLower(found[1]), "")
		if strings.ReplaceAll(made, " ", "-") == anchor {
			return true
		}
	}
	return false
}
