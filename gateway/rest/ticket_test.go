package rest_test

import "testing"

func TestABadRequestForATicketIsExplained(t *testing.T) {
	t.Parallel()
	const post, most = "POST /v1/tickets", `more than 0 and at most "1h"`
	js := []string{"Content-Type: application/json"}
	run(t, []exchange{
		{
			name: "the error for a ttl has the bound of tickets", request: post, header: js, body: `{"prefix":"","ttl":"x"}`,
			status: 400, reason: "TTL_INVALID", detail: most,
		},
		{
			name: "a ttl that no int64 holds", request: post, header: js, body: `{"prefix":"","ttl":"9999999999h"}`,
			status: 400, reason: "TTL_INVALID", detail: most,
		},
	})
}

func TestTheErrorForAFormSaysWhatTheBodyIs(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]string{
		"POST /v1/tickets":          `want JSON such as {"prefix":"news/","ttl":"5m"}`,
		"POST /v1/values:increment": `want JSON such as {"key":"visits","delta":1}`,
		"POST /v1/values:batch":     `want JSON such as {"operations":[{"get":{"key":"a"}}]}`,
		"PUT /v1/values":            `want JSON such as {"key":"a","value":"x"}`,
		"PATCH /v1/values/a":        `want JSON such as {"ttl":"5m"}`,
		"PUT /v1/values/a":          `want a value`,
	} {
		run(t, []exchange{{
			name: request, request: request, header: []string{"Content-Type: application/x-www-form-urlencoded"}, body: "prefix=a",
			status: 415, reason: "MEDIA_TYPE_UNSUPPORTED", detail: "Unexpected form: " + want + "; curl -d",
		}})
	}
}
