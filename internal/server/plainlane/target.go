package plainlane

import (
	"net/url"
	"strings"
)

// unescaped are the bytes of a path, beside letters and digits, that package url never escapes there. A path of these has
// one form only.
const unescaped = "/-_.~$&+,:;=@"

// parseTarget parses an origin-form target. It returns nil for one that net/http refuses.
func parseTarget(target string) *url.URL {
	path, query, asked := strings.Cut(target, "?")
	if !isSimple(path) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return nil
		}
		return u
	}
	return &url.URL{Path: path, RawQuery: query, ForceQuery: asked && query == ""}
}

// isSimple reports whether a path is its own escaped form, and that of no host.
func isSimple(path string) bool {
	if strings.HasPrefix(path, "//") {
		return false
	}
	for _, c := range []byte(path) {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || strings.IndexByte(unescaped, c) >= 0) {
			return false
		}
	}
	return true
}
