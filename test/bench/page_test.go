package main

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"key-value/test/record"
)

var update = flag.Bool("update", false, "write the tables of docs/benchmarks.md from results.json, without measuring again")

// What a reader sees must be what was measured.
func TestThePagesTablesAreThoseOfTheResults(t *testing.T) {
	const page = "../../docs/benchmarks.md"
	text, err := os.ReadFile("../../docs/benchmarks/results.json")
	if err != nil {
		t.Fatal(err)
	}
	var r results
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := r.writePage(page); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := record.Section(page, writer); err != nil || got != r.markdown() {
		t.Errorf("the tables of %s, %v, are not those of results.json: run task bench, or this test with -update\n%s", page, err, got)
	}
}

func TestThePageShowsRatesWithCPUTimeAndWhatIsMissing(t *testing.T) {
	r := newResults(t.Context(), settings{command: "go run -C test ./bench", rounds: 3}, measured())
	for _, want := range []string{
		"\n    go run -C test ./bench\n", "| REST get, requests/s · µs of CPU time | 16 connections | 64 connections |\n",
		"| " + asBuilt + " |  | 10 · 41.5 |\n", "| " + webdis + " |  | MISSING |\n",
		"| ≥ 1.50 | 2.00 | 2.000 | 2.00–3.00 | moonshot |\n", "\n\n- MISSING webdis + Redis: webdis is not installed: apt install webdis\n",
	} {
		if got := r.markdown(); !strings.Contains(got, want) {
			t.Errorf("the page does not contain %q:\n%s", want, got)
		}
	}
}
