package rest_test

import "testing"

func TestDeleteRange(t *testing.T) {
	t.Parallel()
	const all = "DELETE /v1/values"
	rows := []exchange{
		{name: "a dry run counts", request: all + "?prefix=hel&dryRun=true", status: 200, answer: `{"deleted":1}` + "\n"},
		{name: "a prefix", request: all + "?prefix=hel", status: 200, answer: `{"deleted":1}` + "\n", wants: []string{"Content-Type: application/json"}},
		{name: "a range", request: all + "?start=m&end=nz", status: 200, answer: `{"deleted":2}` + "\n"},
		{name: "a range without keys", request: all + "?start=x&end=z", status: 200, answer: `{"deleted":0}` + "\n"},
		{name: "everything", request: all + "?all=true", status: 200, answer: `{"deleted":5}` + "\n"},
	}
	for _, query := range []string{"", "?prefix=", "?start=a", "?start=a&end=", "?all=false", "?all=true&prefix=a", "?dryRun=1&prefix=a", "?pageSize=1", "?start=b&end=a", "?prefix=a&start=b&end=a"} {
		rows = append(rows, exchange{name: "refused: " + query, request: all + query, status: 400, reason: "REQUEST_INVALID"})
	}
	rows = append(rows, exchange{name: "a forged token", request: all + "?prefix=a&pageToken=abc", status: 400, reason: "PAGE_TOKEN_INVALID"})
	runReal(t, rows)
}
