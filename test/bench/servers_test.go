package main

import (
	"os"
	"strings"
	"testing"
)

func TestTheStoreCanBeBuiltUnbatched(t *testing.T) {
	source, err := os.ReadFile("../../internal/cli/hop.go")
	if err != nil {
		t.Fatal(err)
	}
	changed, err := withoutBatching(string(source))
	if err != nil || !strings.Contains(changed, "Batch:      false,") {
		t.Errorf("withoutBatching: %v", err)
	}
	if _, err := withoutBatching("package main"); err == nil {
		t.Error("a source without the line was accepted")
	}
}
