package proxies_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"key-value/internal/testkit/proc"
)

var kv string // the program

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "kv-proxies-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if kv, err = proc.BuildKV(context.Background(), dir); err != nil {
		return 0, err
	}
	return m.Run(), nil
}
