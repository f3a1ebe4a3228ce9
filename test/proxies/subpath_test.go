package proxies_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// Proxies remove the sub-path, so the store does not know of it.
func TestReferencesLeadBackBelowASubPath(t *testing.T) {
	behindEach(t, nil, func(t *testing.T, s *stage) {
		client := clientFrom(t, "127.0.0.1", false)
		fetch := func(t *testing.T, url string) (*http.Response, string) {
			t.Helper()
			res := ask(t.Context(), t, client, http.MethodGet, url, "", "Accept", "*/*")
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("GET %s = %s, %v", url, res.Status, err)
			}
			return res, string(body)
		}
		for i, path := range []string{"a", "a/b", "a%2Fc", "a//d"} {
			put := ask(t.Context(), t, client, http.MethodPut, s.url+"/kv/v1/values/"+path, fmt.Sprint("value ", i))
			there, err := put.Location()
			if err != nil || put.StatusCode != http.StatusCreated {
				t.Fatalf("PUT %s = %s, Location: %v", path, put.Status, err)
			}
			if _, body := fetch(t, there.String()); !strings.HasPrefix(there.Path, "/kv/") || !strings.Contains(body, fmt.Sprint("value ", i)) {
				t.Errorf("the Location of %s leads to %s: %s", path, there, body)
			}
		}
		t.Run("Link", func(t *testing.T) {
			var seen string
			for here := s.url + "/kv/v1/values?view=keys&pageSize=3"; here != ""; {
				res, body := fetch(t, here)
				seen += body
				here = ""
				if link := res.Header.Get("Link"); link != "" {
					next, err := res.Request.URL.Parse(regexp.MustCompile(`<(.*)>`).FindStringSubmatch(link)[1])
					if err != nil {
						t.Fatal(err)
					}
					here = next.String()
				}
			}
			if strings.Count(seen, `"key"`) != 4 {
				t.Errorf("the pages list %s, want four keys", seen)
			}
		})
		t.Run("console", func(t *testing.T) {
			page, body := fetch(t, s.url+"/kv/")
			files := regexp.MustCompile(`(?:src|href)="([^"#]+)"`).FindAllStringSubmatch(body, -1)
			if len(files) == 0 {
				t.Errorf("the page refers to no file: %s", body)
			}
			for _, file := range files {
				url, err := page.Request.URL.Parse(file[1])
				if err != nil {
					t.Fatal(err)
				}
				if fetch(t, url.String()); !strings.HasPrefix(url.Path, "/kv/") {
					t.Errorf("the page refers to %s", url)
				}
			}
		})
	})
}
