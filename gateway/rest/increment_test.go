package rest_test

import "testing"

func TestIncrement(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, body, answer string }{
		{"a number", `{"key":"n","delta":1}`, `{"key":"n","value":"42"}`},
		{"a string", `{"key":"n","delta":"1"}`, `{"key":"n","value":"42"}`},
		{"a negative delta", `{"key":"n","delta":-42}`, `{"key":"n","value":"-1"}`},
		{"zero", `{"key":"n","delta":0}`, `{"key":"n","value":"41"}`},
		{"a new key starts from zero", `{"key":"new","delta":5}`, `{"key":"new","value":"5"}`},
		{"a new key starts from initial", `{"key":"new","delta":5,"initial":"100"}`, `{"key":"new","value":"105"}`},
		{"initial is ignored for an existing key", `{"key":"n","delta":1,"initial":100}`, `{"key":"n","value":"42"}`},
		{"a new key with a TTL", `{"key":"new","delta":1,"ttl":"1m"}`, `{"key":"new","value":"1","expireTime":"<time>","ttl":"<ttl>"}`},
		{"an existing key keeps its TTL", `{"key":"n","delta":1,"ttl":"1m"}`, `{"key":"n","value":"42"}`},
		{"null means absent", `{"key":"n","delta":1,"initial":null,"ttl":null}`, `{"key":"n","value":"42"}`},
		{
			"beyond what a float holds", `{"key":"new","delta":1,"initial":9007199254740993}`,
			`{"key":"new","value":"9007199254740994"}`,
		},
		{"the smallest integer", `{"key":"new","delta":"-9223372036854775808"}`, `{"key":"new","value":"-9223372036854775808"}`},
	}
	exchanges := make([]exchange, 0, len(rows))
	for _, row := range rows {
		exchanges = append(exchanges, exchange{
			name: row.name, request: "POST /v1/values:increment", header: []string{"Content-Type: application/json"},
			body: row.body, status: 200, answer: row.answer + "\n",
		})
	}
	runReal(t, exchanges)
}

func TestIncrementThatCannotBeDone(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name, body string
		status     int
		reason     string
		detail     string
	}{
		{"no delta", `{"key":"n"}`, 400, "REQUEST_INVALID", "Missing delta"},
		{"a delta that is null", `{"key":"n","delta":null}`, 400, "REQUEST_INVALID", "Missing delta"},
		{"a fraction", `{"key":"n","delta":1.5}`, 400, "REQUEST_INVALID", "byte 19, field /delta: want a 64-bit integer"},
		{"a fraction of zero", `{"key":"n","delta":1.0}`, 400, "REQUEST_INVALID", "field /delta: want a 64-bit integer"},
		{"an exponent", `{"key":"n","delta":1e3}`, 400, "REQUEST_INVALID", "field /delta: want a 64-bit integer"},
		{"a word", `{"key":"n","delta":"one"}`, 400, "REQUEST_INVALID", "field /delta: want a 64-bit integer"},
		{"an empty string", `{"key":"n","delta":""}`, 400, "REQUEST_INVALID", "field /delta"},
		{"a boolean", `{"key":"n","delta":true}`, 400, "REQUEST_INVALID", "field /delta"},
		{"an object", `{"key":"n","delta":{"a":1}}`, 400, "REQUEST_INVALID", "field /delta"},
		{"one more than 64 bits hold", `{"key":"n","delta":9223372036854775808}`, 400, "REQUEST_INVALID", "64-bit"},
		{"one more than 64 bits hold, as a string", `{"key":"n","delta":"9223372036854775808"}`, 400, "REQUEST_INVALID", "64-bit"},
		{"an invalid initial", `{"key":"n","delta":1,"initial":"x"}`, 400, "REQUEST_INVALID", "/initial"},
		{"an invalid TTL", `{"key":"n","delta":1,"ttl":"x"}`, 400, "TTL_INVALID", `"x"`},
		{"no key", `{"delta":1}`, 400, "KEY_INVALID", "Empty key"},
		{"an unknown member", `{"key":"n","delta":1,"by":1}`, 400, "REQUEST_INVALID", "/by"},
		{"a value that is text", `{"key":"hello","delta":1}`, 409, "NOT_AN_INTEGER", "hello"},
		{"a sum that overflows", `{"key":"max","delta":1}`, 409, "INTEGER_OVERFLOW", "max"},
		{"initial and delta overflow", `{"key":"new","delta":1,"initial":9223372036854775807}`, 409, "INTEGER_OVERFLOW", ""},
	}
	exchanges := make([]exchange, 0, len(rows))
	for _, row := range rows {
		exchanges = append(exchanges, exchange{
			name: row.name, request: "POST /v1/values:increment", header: []string{"Content-Type: application/json"},
			body: row.body, status: row.status, reason: row.reason, detail: row.detail,
		})
	}
	runReal(t, append(exchanges,
		exchange{
			name: "a condition is not ignored", request: "POST /v1/values:increment", header: []string{`If-Match: "x"`},
			body: `{"key":"n","delta":1}`, status: 400, reason: "REQUEST_INVALID", detail: "If-Match",
		},
		exchange{
			name: "a form", request: "POST /v1/values:increment",
			header: []string{"Content-Type: application/x-www-form-urlencoded"}, body: `{"key":"n","delta":1}`,
			status: 415, reason: "MEDIA_TYPE_UNSUPPORTED", detail: "-H 'Content-Type: application/json'",
		},
	))
}

func TestTheSumIsTheValue(t *testing.T) {
	t.Parallel()
	addr := startReal(t)
	sum := send(t, addr, exchange{request: "POST /v1/values:increment", body: `{"key":"n","delta":1}`})
	get := send(t, addr, exchange{request: "GET /v1/values/n"})
	if sum.text != get.text || sum.Header.Get("ETag") == "" || sum.Header.Get("ETag") != get.Header.Get("ETag") {
		t.Errorf("POST answers %s with ETag %s, GET %s with %s; want the same",
			sum.text, sum.Header.Get("ETag"), get.text, get.Header.Get("ETag"))
	}
}
