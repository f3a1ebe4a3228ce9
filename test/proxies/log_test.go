package proxies_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A ticket is in the URL of a watch, which proxies log by default, and so are headers by one of them.
func TestProxiesDoNotLogSecrets(t *testing.T) {
	behindEach(t, nil, func(t *testing.T, s *stage) {
		client := clientFrom(t, "127.0.0.1", false)
		created := ask(t.Context(), t, client, http.MethodPost, s.url+"/v1/tickets", `{"prefix":""}`, "Content-Type", "application/json")
		var answer struct{ Ticket string }
		if err := json.NewDecoder(created.Body).Decode(&answer); err != nil || len(answer.Ticket) < 60 {
			t.Fatalf("POST of a ticket = %s, %+v, %v", created.Status, answer, err)
		}
		paths := []string{"/v1/values:watch?ticket=" + answer.Ticket, "/kv/v1/values:watch?snapshot=true&ticket=" + answer.Ticket}
		for _, path := range paths {
			res := ask(t.Context(), t, client, http.MethodGet, s.url+path, "")
			if _, err := io.ReadFull(res.Body, make([]byte, 10)); err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("GET %s = %s, %v", path, res.Status, err)
			}
			_ = res.Body.Close()
		}
		if err := s.store.Kill(); err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			res := ask(t.Context(), t, client, http.MethodGet, s.url+path, "")
			if res.StatusCode < 500 {
				t.Errorf("GET %s without a store = %s", path, res.Status)
			}
		}
		s.waitLogged(t, `\b200\b.*/v1/values:watch|/v1/values:watch.*\b200\b`)
		s.waitLogged(t, `\b50[23]\b.*/v1/values:watch|/v1/values:watch.*\b50[23]\b`)
		for _, secret := range []string{answer.Ticket[len(answer.Ticket)-20:], apiKey} {
			if logs := s.logs(t); strings.Contains(logs, secret) {
				t.Errorf("the logs contain %q:\n%s", secret, logs)
			}
		}
	})
}

// waitLogged waits until the proxy has logged what matches pattern.
func (s *stage) waitLogged(t *testing.T, pattern string) {
	t.Helper()
	find := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); !find.MatchString(s.logs(t)); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the proxy does not log %s:\n%s", pattern, s.logs(t))
		}
	}
}

// logs returns all that the proxy has logged.
func (s *stage) logs(t *testing.T) string {
	t.Helper()
	logs := s.proxy.Out.String() + s.proxy.Log.String()
	files, err := filepath.Glob(filepath.Join(s.dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		logs += string(text)
	}
	return logs
}
