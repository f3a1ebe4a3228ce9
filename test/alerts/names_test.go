package alerts_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"key-value/internal/testkit/proc"
)

// names are the names of metrics, and the values of labels, that servers have.
type names struct {
	metrics map[string]bool
	labels  map[string][]string // known values
}

var (
	seriesLine = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? `)
	labelPair  = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

// served returns the names of a gateway and a kvservice with a log, after calls of several kinds.
func served(t *testing.T) names {
	t.Helper()
	kv, err := proc.BuildKV(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var servers proc.Group
	t.Cleanup(servers.Kill)
	inside, outside := proc.FreeAddr(), proc.FreeAddr()
	service, err := servers.Serve(t.Context(), proc.KV(kv, []string{"KV_SERVICE_TOKEN=token"}, "kvservice", "--listen", "127.0.0.1:0",
		"--data-dir", t.TempDir(), "--admin-listen", inside))
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := servers.Serve(t.Context(), proc.KV(kv, []string{"KV_SERVICE_TOKEN=token", "KV_API_KEY=secret", "KV_SERVICE=http://" + service.Addr},
		"gateway", "--listen", "127.0.0.1:0", "--admin-listen", outside))
	if err != nil {
		t.Fatal(err)
	}
	for path, body := range map[string]string{
		"/v1/values/a": "", "/v1/values:batch": `{"operations":[{"get":{"key":"a"}}]}`, "/keyvalue.v1.KeyValueService/Get": `{"key":"a"}`,
	} {
		call(t, "http://"+gateway.Addr+path, body)
	}
	n := names{metrics: map[string]bool{"up": true}, labels: map[string][]string{
		"job": {"gateway", "kvservice", "kv"}, "instance": {"127.0.0.1:9464"},
	}}
	for _, addr := range []string{inside, outside} {
		n.add(call(t, "http://"+addr+"/metrics", ""))
	}
	// Values that no call of the test has.
	for status := 200; status < 600; status++ {
		n.labels["http_response_status_code"] = append(n.labels["http_response_status_code"], strconv.Itoa(status))
	}
	n.labels["rpc_response_status_code"] = append(n.labels["rpc_response_status_code"],
		"UNAUTHENTICATED", "INTERNAL", "UNAVAILABLE", "UNKNOWN", "DEADLINE_EXCEEDED")
	n.labels["rpc_method"] = append(n.labels["rpc_method"], "keyvalue.v1.KeyValueService/Watch")
	n.labels["http_route"] = append(n.labels["http_route"], "/v1/values:watch")
	return n
}

// call returns the body of a response.
func call(t *testing.T, url, body string) string {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", "secret")
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// add adds what a page of metrics has.
func (n names) add(page string) {
	for lines := bufio.NewScanner(strings.NewReader(page)); lines.Scan(); {
		match := seriesLine.FindStringSubmatch(lines.Text())
		if match == nil {
			continue
		}
		n.metrics[match[1]] = true
		for _, pair := range labelPair.FindAllStringSubmatch(match[2], -1) {
			n.labels[pair[1]] = append(n.labels[pair[1]], pair[2])
		}
	}
}

// check returns what expr names and no server has. An expression of a dashboard may contain Grafana's variables.
func (n names) check(expr string) (wrong []string) {
	parsed, err := promQL.ParseExpr(strings.ReplaceAll(expr, "$__rate_interval", "1m"))
	if err != nil {
		return []string{err.Error()}
	}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.VectorSelector:
			for _, m := range node.LabelMatchers {
				wrong = append(wrong, n.checkMatcher(m)...)
			}
		case *parser.AggregateExpr:
			wrong = append(wrong, n.checkLabels(node.Grouping)...)
		case *parser.BinaryExpr:
			if node.VectorMatching != nil {
				wrong = append(wrong, n.checkLabels(slices.Concat(node.VectorMatching.MatchingLabels, node.VectorMatching.Include))...)
			}
		}
		return nil
	})
	return wrong
}

func (n names) checkLabels(used []string) (wrong []string) {
	for _, label := range used {
		if n.labels[label] == nil {
			wrong = append(wrong, "no metric has the label "+label)
		}
	}
	return wrong
}

// checkMatcher returns why a matcher selects nothing of what servers have, or does not exclude anything.
func (n names) checkMatcher(m *labels.Matcher) []string {
	if m.Name == model.MetricNameLabel {
		if !n.metrics[m.Value] {
			return []string{"no metric is named " + m.Value}
		}
		return nil
	}
	if wrong := n.checkLabels([]string{m.Name}); wrong != nil {
		return wrong
	}
	selects := m.Type == labels.MatchEqual || m.Type == labels.MatchRegexp
	if !slices.ContainsFunc(n.labels[m.Name], func(value string) bool { return m.Matches(value) == selects }) {
		return []string{fmt.Sprintf("matcher %s selects no known value: want one of %q", m, n.labels[m.Name])}
	}
	return nil
}

// panel is a part of a dashboard.
type panel struct {
	Title   string
	Type    string
	Targets []struct{ Expr string }
	Panels  []panel // of a row
}

func TestExpressionsNameWhatServersHave(t *testing.T) {
	n := served(t)
	for name, rule := range rules(t) {
		if wrong := n.check(rule.Expr); wrong != nil {
			t.Errorf("%s: %q in %s", name, wrong, rule.Expr)
		}
	}
	dashboards, err := filepath.Glob(filepath.Join(repository, "deploy/grafana/dashboards/*.json"))
	if err != nil || len(dashboards) == 0 {
		t.Fatalf("there are no dashboards: %v", err)
	}
	for _, path := range dashboards {
		var dashboard panel
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &dashboard); err != nil {
			t.Fatal(err)
		}
		if queries := n.checkPanels(t, dashboard.Panels); queries == 0 {
			t.Errorf("%s has no queries", path)
		}
	}
}

// checkPanels returns how many queries the panels have.
func (n names) checkPanels(t *testing.T, panels []panel) (queries int) {
	t.Helper()
	for _, p := range panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %s has no queries", p.Title)
		}
		for _, target := range p.Targets {
			if wrong := n.check(target.Expr); wrong != nil {
				t.Errorf("panel %s: %q in %s", p.Title, wrong, target.Expr)
			}
			queries++
		}
		queries += n.checkPanels(t, p.Panels)
	}
	return queries
}

// Unknown metrics, labels and values are rejected, so the tests above can fail.
func TestWrongNamesAreFound(t *testing.T) {
	n := names{metrics: map[string]bool{"kv_keys": true}, labels: map[string][]string{"job": {"kv"}}}
	for expr, right := range map[string]bool{
		`sum by (job) (kv_keys{job="kv"})`: true, `kv_keys{job!~"kv"}`: true,
		`kv_key`: false, `sum by (jobs) (kv_keys)`: false, `kv_keys{job="gateway"}`: false, `kv_keys{job!="gateway"}`: false,
		`kv_keys + on (node) kv_keys`: false, `kv_keys{`: false,
	} {
		if wrong := n.check(expr); (len(wrong) == 0) != right {
			t.Errorf("%s: found %q, want it to be right: %v", expr, wrong, right)
		}
	}
}
