package main

import (
	"testing"

	"key-value/internal/testkit/proc"
)

func TestTheStoreCanBeBuiltUnbatched(t *testing.T) {
	if _, err := proc.Overlay(t.TempDir(), "../../internal/cli/hop.go", withoutBatching); err != nil {
		t.Error(err)
	}
}
