package gateway_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain runs more tests at a time than there are processors, because most of them wait: for retries, for the delay of
// wrong keys, or for the next poll of a keys file.
func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "16") // go test -parallel takes precedence
	os.Exit(m.Run())
}
