package cli

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// exposition holds the names of the series and labels in the output of /metrics.
type exposition struct{ series, labels map[string]bool }

// exposed returns the metrics of the server commands after calls of all kinds.
func exposed(t *testing.T) exposition {
	t.Helper()
	gateway, service := startObservedPair(t)
	use(t, gateway.url)
	e := exposition{map[string]bool{}, map[string]bool{}}
	series, label := regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? `), regexp.MustCompile(`(\w+)="`)
	for _, url := range []string{gateway.admin, service.admin} {
		_, scraped := fetch(t, url+"/metrics")
		for _, line := range strings.Split(scraped, "\n") {
			match := series.FindStringSubmatch(line)
			if match == nil {
				continue
			}
			e.series[match[1]] = true
			for _, l := range label.FindAllStringSubmatch(match[2], -1) {
				e.labels[l[1]] = true
			}
		}
	}
	// Prometheus adds these.
	e.series["up"], e.labels["job"], e.labels["instance"] = true, true, true
	return e
}

var (
	literal  = regexp.MustCompile(`"[^"]*"`)
	rangeOf  = regexp.MustCompile(`\[[^\]]*\]`)
	matchers = regexp.MustCompile(`\{([^}]*)\}`)
	grouping = regexp.MustCompile(`\b(?:by|without) \(([^)]*)\)`)
	name     = regexp.MustCompile(`[a-z][a-z_]+`)
	function = regexp.MustCompile(`[a-z_]+\(`)
)

// check reports names in expr, a PromQL query, that no metric has.
func (e exposition) check(t *testing.T, expr string) {
	t.Helper()
	bare := rangeOf.ReplaceAllString(literal.ReplaceAllString(expr, ""), "")
	for _, kind := range []*regexp.Regexp{matchers, grouping} {
		for _, found := range kind.FindAllStringSubmatch(bare, -1) {
			for _, label := range name.FindAllString(found[1], -1) {
				if !e.labels[label] {
					t.Errorf("no metric has the label %s: %s", label, expr)
				}
			}
		}
		bare = kind.ReplaceAllString(bare, "")
	}
	bare = strings.ReplaceAll(bare, "sum (", "sum(")
	for _, series := range name.FindAllString(function.ReplaceAllString(bare, "("), -1) {
		if !e.series[series] && !slices.Contains([]string{"or", "and", "sum"}, series) {
			t.Errorf("no metric is named %s: %s", series, expr)
		}
	}
	if strings.Count(bare, "(") != strings.Count(bare, ")") {
		t.Errorf("unbalanced parentheses: %s", expr)
	}
}

func TestTheDashboardUsesExistingMetrics(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "../../deploy/grafana/dashboards/key-value.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	e, queries := exposed(t), 0
	for _, panel := range dashboard.Panels {
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("panel %s has no queries", panel.Title)
		}
		for _, target := range panel.Targets {
			e.check(t, target.Expr)
			queries++
		}
	}
	if queries == 0 {
		t.Error("the dashboard has no queries")
	}
}

func TestAlertsUseExistingMetrics(t *testing.T) {
	t.Parallel()
	rules, guide := read(t, "../../deploy/prometheus/alerts.yaml"), read(t, "../../docs/guides/operations.md")
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)\n +expr: (.+)$`).FindAllStringSubmatch(rules, -1)
	if n := strings.Count(rules, "- alert:"); n == 0 || len(alerts) != n {
		t.Fatalf("parsed %d of %d alerts", len(alerts), n)
	}
	e := exposed(t)
	for _, alert := range alerts {
		e.check(t, alert[2])
		if !strings.Contains(guide, "`"+alert[1]+"`") {
			t.Errorf("the guide does not explain %s", alert[1])
		}
	}
}

// The guide lists all metrics of the servers, and no others.
func TestTheGuideListsEveryMetric(t *testing.T) {
	t.Parallel()
	var want []string
	gateway, service := startObservedPair(t)
	use(t, gateway.url)
	for _, url := range []string{gateway.admin, service.admin} {
		_, scraped := fetch(t, url+"/metrics")
		for _, m := range regexp.MustCompile(`(?m)^# TYPE ((?:kv|rpc|http)_\w+) `).FindAllStringSubmatch(scraped, -1) {
			want = append(want, m[1])
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	var got []string
	_, section, _ := strings.Cut(read(t, "../../docs/guides/observability.md"), "\n## Metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)`").FindAllStringSubmatch(section, -1) {
		got = append(got, m[1])
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the guide lists\n%q, want\n%q", got, want)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTheSettingsOfPackagesExist checks the file of settings that packages install: each is one of kv serve, and shows the
// default, or is introduced as an example.
func TestTheSettingsOfPackagesExist(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/packages/kv.env")
	if err != nil {
		t.Fatal(err)
	}
	cmd := newRoot("test", streams{}, func(string) string { return "" })
	serve, _, err := cmd.Find([]string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{} // :: variable → default
	serve.Flags().VisitAll(func(f *pflag.Flag) { defaults[Variable(f)] = f.DefValue })
	// The unit sets these.
	defaults["KV_DATA_DIR"], defaults["KV_API_KEYS_FILE"] = "/var/lib/key-value", "/etc/key-value/api-keys.json"
	example, settings := false, 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "#"), "=")
		switch {
		case line == "", line == "# Example:":
			example = line != ""
		case !strings.HasPrefix(line, "#"):
			t.Errorf("%q is set by default: comment it out", line)
		case strings.HasPrefix(line, "# "), line == "#":
		case !ok:
			t.Errorf("%q is neither text nor a setting", line)
		default:
			settings++
			byDefault, known := defaults[name]
			if !known && !strings.Contains(serve.Long, name) && !strings.HasPrefix(name, "OTEL_") {
				t.Errorf("kv serve has no setting %s", name)
			}
			if !example && value != byDefault {
				t.Errorf("%s is shown as %q, but its default is %q", name, value, byDefault)
			}
		}
	}
	if settings < 25 {
		t.Errorf("the file has %d settings, want at least 25", settings)
	}
}
