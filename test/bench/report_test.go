package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheReportSaysWhatIsMissing(t *testing.T) {
	r := newResults(t.Context(), settings{command: "go run -C test ./bench", rounds: 3}, measured())
	var out bytes.Buffer
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"REST get", "16 connections", "64 connections", "MISSING webdis + Redis: webdis is not installed: apt install webdis",
		"≥ 1.50      2.00      2.000  2.00–3.00       moonshot", "not selected",
		"CPU time of the server for each, µs", "41.5",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report does not contain %q:\n%s", want, &out)
		}
	}
}

func TestResultsAreWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	if err := newResults(t.Context(), settings{}, measured()).write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r results
	if err := json.Unmarshal(text, &r); err != nil || len(r.Outcomes) != 2 || len(r.Targets) != len(goals) {
		t.Errorf("results.json holds %+v, %v", r, err)
	}
	tables, err := os.ReadFile(filepath.Join(dir, "results.txt"))
	if err != nil || !strings.Contains(string(tables), "64 connections") {
		t.Errorf("results.txt is %s, %v", tables, err)
	}
	picture, err := os.ReadFile(filepath.Join(dir, "results.svg"))
	if err != nil || xml.Unmarshal(picture, new(struct{})) != nil {
		t.Errorf("results.svg is %s, %v", picture, err)
	}
}

func TestTheMemoryTableIsRead(t *testing.T) {
	rows := parseMemory(`  entries     who  empty MiB  loaded  at rest  overwritten  counted  longest GC pause  collections
    10000  memory        4.1     300      261          644      140             184µs            9
    10000   redis        9.9     219      219          219        0                0s            0
             ratio               1.37     1.19         2.94
`)
	if rows["memory"]["at rest"] != "261" || rows["redis"]["overwritten"] != "219" {
		t.Errorf("the table was parsed as %v", rows)
	}
}

func TestCommandLines(t *testing.T) {
	s, err := parseSettings([]string{"--quick", "--out", "/somewhere", "--page", "a.md", "--only", "REST get, 64", "--rounds", "7", "--realtime=false"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := "go run -C test ./bench --only 'REST get, 64' --quick --realtime=false --rounds 7"; s.command != want {
		t.Errorf("the command is %q, want %q", s.command, want)
	}
	if s.rounds != 7 {
		t.Errorf("rounds = %d, want 7 from the command line", s.rounds)
	}
	for _, bad := range [][]string{{"--only", "("}, {"--rounds", "0"}, {"--duration", "1ms"}, {"--nonsense"}} {
		if _, err := parseSettings(bad, &bytes.Buffer{}); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
}
