package cli

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

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
