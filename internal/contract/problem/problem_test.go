package problem_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"key-value/internal/contract/problem"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name    string
		method  string
		problem problem.Problem
		want    string
	}{
		{
			"without a reason", http.MethodGet, problem.Problem{Status: 503, Detail: "Not ready."},
			`{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"Not ready."}` + "\n",
		},
		{
			"with a reason and metadata", http.MethodGet,
			problem.Problem{
				Status: 404, Title: "Key not found", Detail: "No \"k\".", Reason: "KEY_NOT_FOUND",
				Metadata: map[string]string{"operation": "3", "key": `a"b`},
			},
			`{"type":"urn:keyvalue:reason:KEY_NOT_FOUND","title":"Key not found","status":404,"detail":"No \"k\".",` +
				`"reason":"KEY_NOT_FOUND","metadata":{"key":"a\"b","operation":"3"}}` + "\n",
		},
		{
			"bytes that are not UTF-8", http.MethodGet, problem.Problem{Status: 400, Detail: "\xff"},
			`{"type":"about:blank","title":"Bad Request","status":400,"detail":"` + "\ufffd" + `"}` + "\n",
		},
		{"HEAD", http.MethodHead, problem.Problem{Status: 503, Detail: "Not ready."}, ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			row.problem.Write(w, httptest.NewRequest(row.method, "/", nil))
			if got := w.Body.String(); got != row.want || w.Code != row.problem.Status {
				t.Errorf("Write = %d %q, want %d %q", w.Code, got, row.problem.Status, row.want)
			}
			for name, want := range map[string]string{
				"Content-Type": problem.ContentType, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("Write sets %s: %q, want %q", name, got, want)
				}
			}
			if w.Header().Get("Content-Length") == "" {
				t.Error("Write sets no Content-Length")
			}
		})
	}
}
