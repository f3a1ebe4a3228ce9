package main

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	aTest        = regexp.MustCompile("`([\\w/]+)\\.((?:Test|Fuzz)\\w+)`")
	aKind        = regexp.MustCompile("`faults: ([^`…]+)`")
	aFailover    = regexp.MustCompile("`failover: ([^`…]+)`")
	anAttack     = regexp.MustCompile("`attack: ([^`…]+)`")
	failoverKind = regexp.MustCompile(`(?m)^\t\w+ += "(.+)"$`)
	aCheck       = regexp.MustCompile("`storetest: ([^`…]+)`")
	aPageTest    = regexp.MustCompile(`((?:clients/typescript/test/)?)\b(\w+\.test\.js)\b`) // of test/e2e/browser if no folder is named
)

// sources returns the text of the Go files in a folder whose names match.
func sources(t *testing.T, folder, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", folder, pattern))
	if err != nil || len(files) == 0 {
		t.Errorf("no tests in %s (%v)", folder, err)
	}
	text := ""
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text += string(content)
	}
	return text
}

func TestWhatReliabilityIsShownByExists(t *testing.T) {
	document, err := os.ReadFile("../../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range aTest.FindAllStringSubmatch(string(document), -1) {
		if !strings.Contains(sources(t, match[1], "*_test.go"), "func "+match[2]+"(") {
			t.Errorf("no test %s in %s", match[2], match[1])
		}
	}
	for _, match := range aKind.FindAllStringSubmatch(string(document), -1) {
		if !slices.ContainsFunc(kinds, func(f fault) bool { return f.name == match[1] }) {
			t.Errorf("no kind of fault %q", match[1])
		}
	}
	attacks := sources(t, "test/hostile", "*.go") + sources(t, "test/attack", "*.go")
	for _, match := range anAttack.FindAllStringSubmatch(string(document), -1) {
		if !strings.Contains(attacks, `"`+match[1]+`"`) {
			t.Errorf("no attack %q", match[1])
		}
	}
	failovers := sources(t, "test/faults/failover", "fault.go")
	for _, match := range aFailover.FindAllStringSubmatch(string(document), -1) {
		if !strings.Contains(failovers, ` = "`+match[1]+`"`) {
			t.Errorf("the failover suite has no kind of fault %q", match[1])
		}
	}
	for _, match := range aPageTest.FindAllStringSubmatch(string(document), -1) {
		sources(t, cmp.Or(match[1], "test/e2e/browser"), match[2])
	}
	checks := sources(t, "kvservice/store/storetest", "*.go")
	for _, match := range aCheck.FindAllStringSubmatch(string(document), -1) {
		if !strings.Contains(checks, `"`+match[1]+`"`) {
			t.Errorf("no check %q", match[1])
		}
	}
}

func TestEveryRowOfReliabilityIsShown(t *testing.T) {
	document, err := os.ReadFile("../../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(document)) {
		if !strings.HasPrefix(line, "| ") || strings.HasSuffix(line, "shown by |\n") || strings.HasPrefix(line, "| stimulus: ") {
			continue
		}
		rows++
		if !aTest.MatchString(line) && !aKind.MatchString(line) && !aFailover.MatchString(line) && !aCheck.MatchString(line) &&
			!anAttack.MatchString(line) && !aPageTest.MatchString(line) {
			t.Errorf("this row names no test: %s", line)
		}
	}
	if rows < 40 {
		t.Errorf("the document has %d rows, want at least 40", rows)
	}
	for _, match := range failoverKind.FindAllStringSubmatch(sources(t, "test/faults/failover", "fault.go"), -1) {
		if !strings.Contains(string(document), "`failover: "+match[1]+"`") {
			t.Errorf("no row names the failover suite's kind of fault %q", match[1])
		}
	}
	for _, f := range kinds {
		if !strings.Contains(string(document), "`faults: "+f.name+"`") {
			t.Errorf("no row names the kind of fault %q", f.name)
		}
	}
}
