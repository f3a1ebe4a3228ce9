// Package internal_test checks the import rules of docs/architecture.md.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rule says what packages of this repository some packages may import. Patterns are those of the go command, relative to the
// root: "x" is one package, "x/..." also all below it. Of several rules that match a package, the most specific one holds.
type rule struct {
	packages string
	imports  []string
	why      string
}

var rules = []rule{
	{
		"gen/...", []string{"gen/..."},
		"Generated code depends only on itself.",
	},
	{
		"client", []string{"gen/...", "internal/contract", "internal/hop", "internal/observe/calls"},
		"The public library is the contract and the hop, without a server or an engine.",
	},
	{
		"client/cache", []string{"client"},
		"A cache uses only what any program can: a client and its watch.",
	},
	{
		"client/clienttest", []string{
			"client", "gateway", "internal/auth", "internal/hop", "internal/server", "internal/server/rpc",
			"internal/testkit/memnet", "kvservice", "kvservice/store/memory",
		},
		"Tests of other modules get the whole store in their process.",
	},
	{
		"client/election", []string{"client", "client/lock"},
		"An election is a lock whose holder others know. It uses only what another module can import.",
	},
	{
		"client/lock", []string{"client"},
		"A lock uses only what another module can import.",
	},
	{
		"cmd/kv", []string{"internal/cli"},
		"Command kv only calls package cli.",
	},
	{
		"examples/...", []string{"client/..."},
		"Examples use only what another module can import.",
	},
	{
		"gateway", []string{
			"gateway/console", "gateway/rest", "gen/...", "internal/admission", "internal/auth", "internal/contract",
			"internal/callctx", "internal/observe/requestid", "internal/server", "internal/server/rpc",
		},
		"The gateway knows the service only as a generated client, never kvservice or an engine.",
	},
	{
		"gateway/console", []string{"gateway/rest"},
		"The console is static files that call the REST routes.",
	},
	{
		"gateway/rest", []string{
			"gen/...", "internal/admission", "internal/auth", "internal/callctx", "internal/contract/...",
			"internal/observe/requestid",
		},
		"REST is a translation: it knows neither the port nor the gateway around it.",
	},
	{
		"kvservice", []string{
			"gen/...", "internal/admission", "internal/contract", "internal/contract/messagejson", "internal/observe/requestid",
			"kvservice/keystats", "kvservice/store",
		},
		"The service knows its engine only through the interface in kvservice/store.",
	},
	{
		"kvservice/keystats", nil,
		"Recording what is hot, big and slow depends on nothing of ours.",
	},
	{
		"kvservice/store", []string{"internal/keyrange"},
		"The interface of engines depends on nothing of ours but ranges of keys.",
	},
	{
		"kvservice/store/clock", nil,
		"Measuring time depends on nothing of ours.",
	},
	{
		"kvservice/store/memory/...", []string{
			"internal/keyrange", "internal/lazyctx", "kvservice/store", "kvservice/store/clock", "kvservice/store/memory/...",
		},
		"An engine knows the interface of engines, not the service or the wire.",
	},
	{
		"kvservice/store/redis", []string{
			"internal/follow/tlsfiles", "kvservice/store", "kvservice/store/clock", "kvservice/store/inbox",
		},
		"An engine knows the interface of engines, not the service or the wire.",
	},
	{
		"kvservice/store/etcd", []string{
			"internal/follow/tlsfiles", "internal/keyrange", "kvservice/store", "kvservice/store/inbox",
		},
		"An engine knows the interface of engines, not the service or the wire.",
	},
	{
		"kvservice/store/inbox", []string{"kvservice/store"},
		"Delivering changes depends on nothing of ours but the interface of engines.",
	},
	{
		"kvservice/store/storetest", []string{"kvservice/store"},
		"The suite tests an engine through the interface of engines.",
	},
	{
		"internal", nil,
		"The directory has only the test that checks these rules.",
	},
	{
		"internal/admission", []string{
			"internal/admission/share", "internal/auth", "internal/contract", "internal/contract/messagejson", "internal/server/lane",
			"internal/server/netpoll",
		},
		"Admission depends on who calls, and on the contract's table of operations. It tells a connection of its caller.",
	},
	{
		"internal/admission/share", nil,
		"A key carries what it holds, so package auth imports this.",
	},
	{
		"internal/atomicfile", nil,
		"Replacing files depends on nothing of ours.",
	},
	{
		"internal/auth", []string{
			"gen/...", "internal/admission/share", "internal/atomicfile", "internal/contract/...", "internal/follow",
			"internal/keyrange",
		},
		"Authentication follows a file of keys, and takes rights from the contract's table of operations.",
	},
	{
		"internal/cli", []string{
			"client", "client/election", "client/lock", "gateway", "gateway/rest", "gen/...", "internal/admission", "internal/atomicfile", "internal/auth",
			"internal/contract/...", "internal/follow/...", "internal/hop", "internal/observe/...", "internal/sdnotify", "internal/server/...", "kvservice",
			"kvservice/keystats", "kvservice/store", "kvservice/store/etcd", "kvservice/store/memory", "kvservice/store/memory/wal/...", "kvservice/store/redis",
		},
		"The commands put everything together. Only they and clienttest import an engine, or both services.",
	},
	{
		"internal/contract", []string{"gen/...", "internal/keyrange"},
		"The contract depends on nothing of ours but the generated code and ranges of keys.",
	},
	{
		"internal/contract/...", []string{"gen/...", "internal/contract/..."},
		"The contract depends on nothing of ours but the generated code.",
	},
	{
		"internal/follow/...", []string{"internal/follow/..."},
		"Following files depends on nothing of ours.",
	},
	{
		"internal/hop/...", []string{
			"gen/...", "internal/admission", "internal/auth", "internal/contract", "internal/follow/tlsfiles", "internal/hop/...",
			"internal/lazyctx",
		},
		"The hop is what lies between a caller and the service. Both ends can use it, and it knows neither.",
	},
	{
		"internal/keyrange", nil,
		"Ranges of keys depend on nothing of ours.",
	},
	{
		"internal/observe/...", []string{"gen/...", "internal/contract", "internal/observe/...", "kvservice/store"},
		"Metrics and traces describe calls and stores. The commands put them in their places.",
	},
	{
		"internal/observe/calls", []string{"internal/contract"},
		"Package client uses this, so it has neither an SDK nor an exporter.",
	},
	{
		"internal/callctx", []string{"internal/lazyctx"},
		"The context of a call depends on nothing of ours but contexts.",
	},
	{
		"internal/lazyctx", nil,
		"Contexts depend on nothing of ours.",
	},
	{
		"internal/sdnotify", nil,
		"Telling the service manager depends on nothing of ours.",
	},
	{
		"internal/server/...", []string{"internal/contract/...", "internal/lazyctx", "internal/server/..."},
		"A port serves any http.Handler and connect.Server, and knows neither service.",
	},
	{
		"internal/server/rpc", []string{"gen/...", "internal/admission", "internal/contract/...", "internal/lazyctx", "internal/server/grpclane"},
		"What the RPC servers of both services have in common.",
	},
	{
		"internal/testkit/...", []string{
			"gen/...", "internal/contract", "internal/follow/tlsfiles", "internal/server", "internal/testkit/...", "kvservice/store",
		},
		"Test helpers know what they help to test. Only tests, clienttest, test/ and deploy/cluster import them.",
	},
	{
		"internal/testkit/proc", nil,
		"The launcher knows programs only from outside.",
	},
	{
		"deploy/cluster", []string{
			"internal/auth", "internal/testkit/balancer", "internal/testkit/etcdcluster", "internal/testkit/proc",
			"internal/testkit/rediscluster",
		},
		"The local cluster consists of processes.",
	},
	{
		"test/...", []string{"client", "gen/...", "internal/testkit/...", "test/..."},
		"Suites and benchmarks use the client against processes.",
	},
	{
		"test/faults", []string{
			"client", "gen/...", "internal/testkit/...", "kvservice/store", "kvservice/store/memory", "kvservice/store/storetest",
			"test/record",
		},
		"This suite checks histories of processes as storetest checks those of engines.",
	},
	{
		"test/faults/failover", []string{
			"client", "gen/...", "internal/testkit/...", "kvservice/store", "kvservice/store/storetest", "test/record",
		},
		"This suite checks histories of processes as storetest checks those of engines.",
	},
	{
		"test/bench/memory", []string{
			"internal/server/gctune", "internal/testkit/proc", "kvservice/store", "kvservice/store/memory",
		},
		"This benchmark measures the engine alone, in its own process.",
	},
	{
		"test/conformance/...", []string{"internal/server/...", "test/conformance/..."},
		"The conformance server puts another service on our port.",
	},
	{
		"test/e2e", []string{"internal/testkit/etcdcluster", "internal/testkit/proc"},
		"The end-to-end tests know the program only as its users do.",
	},
	{
		"tools/...", nil,
		"Tools read files and run programs.",
	},
	{
		"tools/release", []string{"internal/cli"},
		"Manual pages and completion scripts come from the commands.",
	},
	{
		"tools/reference", []string{"gateway/rest", "gen/...", "internal/cli"},
		"The reference is written from the contract, openapi.json and the help of the commands.",
	},
}

// testsToo matches packages whose tests keep to the rule as well. Other tests may import anything.
var testsToo = []string{"examples/...", "test/...", "tools/..."}

// confined are modules that only a few packages may import, tests apart, so that each can be replaced in one place.
var confined = []struct {
	module   string // or the beginning of several
	packages []string
}{
	{"github.com/prometheus/", []string{"internal/observe/..."}},
	{"go.etcd.io/etcd/", []string{"internal/testkit/etcdcluster", "kvservice/store/etcd", "test/..."}},
	{"github.com/redis/rueidis", []string{"internal/testkit/rediscluster", "kvservice/store/redis", "test/..."}},
	{"github.com/spf13/", []string{"internal/cli", "tools/reference"}},
	{"go.opentelemetry.io/", []string{"client", "examples/collector", "internal/observe/..."}},
	{"golang.org/x/net/", []string{"internal/server/...", "internal/testkit/...", "test/..."}},
	{"google.golang.org/grpc", []string{"kvservice/store/etcd", "internal/server/...", "internal/testkit/...", "test/..."}},
}

func TestPackagesImportOnlyWhatTheirRuleAllows(t *testing.T) {
	module, files := modulePath(t), importsOf(t)
	used := map[string]map[string]bool{} // :: pattern of a rule → those of its imports that are needed
	for file, imports := range files {
		pkg := path.Dir(file)
		r := ruleOf(pkg)
		if r == nil {
			t.Errorf("%s: no rule says what it may import", pkg)
			continue
		}
		if used[r.packages] == nil {
			used[r.packages] = map[string]bool{}
		}
		if strings.HasSuffix(file, "_test.go") && !matchesAny(pkg, testsToo) {
			continue
		}
		for _, imported := range imports {
			imported, ours := strings.CutPrefix(imported, module+"/")
			if !ours || imported == pkg { // a test's own package
				continue
			}
			i := slices.IndexFunc(r.imports, func(pattern string) bool { return matches(imported, pattern) })
			if i < 0 {
				t.Errorf("%s imports %s, which the rule for %s does not allow: %s", file, imported, r.packages, r.why)
				continue
			}
			used[r.packages][r.imports[i]] = true
		}
	}
	for _, r := range rules {
		if used[r.packages] == nil {
			t.Errorf("no package matches the rule for %s", r.packages)
		}
		for _, pattern := range r.imports {
			if !used[r.packages][pattern] && pattern != r.packages {
				t.Errorf("the rule for %s allows %s, which nothing needs", r.packages, pattern)
			}
		}
	}
}

func TestModulesAreImportedOnlyWhereTheyBelong(t *testing.T) {
	for file, imports := range importsOf(t) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, imported := range imports {
			for _, c := range confined {
				if strings.HasPrefix(imported, c.module) && !matchesAny(path.Dir(file), c.packages) {
					t.Errorf("%s imports %s, which only %v may", file, imported, c.packages)
				}
			}
		}
	}
}

// unlinked are packages that no command needs, and the beginnings of others. Each would bring a tree of its own, or make the
// linker keep more of the rest.
var unlinked = []string{
	"github.com/cncf/", "github.com/envoyproxy/", "github.com/google/cel-go", "google.golang.org/grpc/xds", "k8s.io/",
	"golang.org/x/net/trace", "html/template", "testing", "go.yaml.in/", modulePrefix + "internal/testkit",
}

// modulePrefix stands for the path of the module.
const modulePrefix = "./"

// TestTheProgramLinksOnlyWhatItNeeds lists packages with the build tag that releases and images are built with. What is
// linked from text/template, which cobra imports, is tested in tools/release.
func TestTheProgramLinksOnlyWhatItNeeds(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-tags", "grpcnotrace", "./cmd/kv")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(strings.ReplaceAll(string(out), modulePath(t)+"/", modulePrefix))
	for _, pkg := range packages {
		for _, prefix := range unlinked {
			if strings.HasPrefix(pkg, prefix) {
				t.Errorf("kv is linked with %s: find out what imports it with: go list -tags grpcnotrace -deps -f '{{.ImportPath}}: {{.Imports}}' ./cmd/kv", pkg)
			}
		}
	}
}

// The conformance server and the benchmarks must be built with what the program is built with.
func TestTheTestModuleSelectsTheVersionsOfTheMainModule(t *testing.T) {
	main, test := versions(t, "go.mod"), versions(t, "test/go.mod")
	if len(main) == 0 {
		t.Fatal("go.mod requires nothing")
	}
	for module, version := range main {
		if other, ok := test[module]; ok && other != version {
			t.Errorf("go.mod requires %s %s, and test/go.mod %s", module, version, other)
		}
	}
}

var requirement = regexp.MustCompile(`(?m)^(?:require |\t)(\S+) (v\S+)`)

// versions returns the versions that a go.mod requires, by module.
func versions(t *testing.T, file string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, match := range requirement.FindAllStringSubmatch(read(t, file), -1) {
		all[match[1]] = match[2]
	}
	return all
}

func modulePath(t *testing.T) string {
	t.Helper()
	first, _, _ := strings.Cut(read(t, "go.mod"), "\n")
	return strings.TrimPrefix(first, "module ")
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// importsOf returns what each Go file of the repository imports, whatever its build tags say. Files are relative to the root.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	files := map[string][]string{}
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "testdata" || entry.Name() == ".git"):
			return fs.SkipDir
		case entry.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files[name] = nil
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			files[name] = append(files[name], imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// ruleOf returns the rule for a package, or nil.
func ruleOf(pkg string) *rule {
	var longest *rule
	for i, r := range rules {
		if matches(pkg, r.packages) && (longest == nil || r.precedence() > longest.precedence()) {
			longest = &rules[i]
		}
	}
	return longest
}

// precedence is higher for the more specific of two rules that match a package.
func (r rule) precedence() int {
	dir, below := strings.CutSuffix(r.packages, "/...")
	if below {
		return 2 * len(dir)
	}
	return 2*len(dir) + 1
}

func matches(pkg, pattern string) bool {
	dir, below := strings.CutSuffix(pattern, "/...")
	return pkg == dir || below && strings.HasPrefix(pkg, dir+"/")
}

func matchesAny(pkg string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pkg, pattern) })
}
