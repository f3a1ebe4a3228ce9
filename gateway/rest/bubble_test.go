package rest_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"key-value/gateway/rest"
	"key-value/internal/testkit/wiretest"
)

// inBubble runs a test in fake time, with a real server and a real client and no network between them. What
// setUp makes belongs to the bubble. The end of the test waits for every goroutine.
func inBubble(t *testing.T, setUp func(testing.TB) (client, rest.Config), test func(*testing.T, *http.Client, client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		client, cfg := setUp(t)
		test(t, wiretest.ServeInBubble(t, rest.New(client, cfg)), client)
	})
}

// with returns a setUp of a fresh service.
func with(cfg rest.Config) func(testing.TB) (client, rest.Config) {
	return func(t testing.TB) (client, rest.Config) { return newService(t), cfg }
}

const bubbleURL = "http://gateway/v1/values"
