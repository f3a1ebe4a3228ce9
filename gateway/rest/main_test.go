package rest_test

import (
	"testing"

	"go.uber.org/goleak"
)

// No goroutine outlives its request.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
