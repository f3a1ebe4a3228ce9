package plainlane

import (
	"bytes"
	"net/textproto"
	"net/url"
	"strings"
)

const (
	// maxHead is the largest size of a plain request line and its headers, and maxBody that of a body, in bytes.
	maxHead = 4 << 10
	maxBody = 64 << 10
)

// head is the request line and the headers of a plain request.
type head struct {
	method, target, host string
	url                  *url.URL // the target
	fields               []field  // without Host
	length               int      // the Content-Length, 0 if there is none
}

// field is a header with its canonical name.
type field struct{ name, value string }

// verdict says what the beginning of a request is.
type verdict int

const (
	incomplete verdict = iota // plain so far
	plain
	other // for net/http to serve or to refuse
)

// version ends every request line.
const version = " HTTP/1.1"

// methods are those of plain requests.
var methods = []string{"GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS"}

// read reads the head of the request that begins with data, and returns its size. The head does not refer to data.
//
// It takes only what every reader of HTTP/1.1 understands in the same way (RFC 9112): one line after another, each ended
// by CR LF; an origin-form target of visible ASCII; each header once, on one line; one Host; a body, if there is one,
// whose length is stated, and small. Whatever else the request is, valid or not, is for net/http.
func (h *head) read(data []byte) (size int, v verdict) {
	size, v = examine(data)
	if v != plain {
		return 0, v
	}
	lines := string(data[:size-len("\r\n")]) // what is kept of the head refers to this copy
	line, lines, _ := strings.Cut(lines, "\r\n")
	h.method, line, _ = strings.Cut(line, " ")
	h.method = known(methods, h.method)
	h.target = strings.TrimSuffix(line, version)
	h.url, h.fields, h.host, h.length = parseTarget(h.target), h.fields[:0], "", 0
	for lines != "" {
		line, lines, _ = strings.Cut(lines, "\r\n")
		name, value, _ := strings.Cut(line, ":")
		if !h.add(field{canonical(name), strings.Trim(value, " \t")}) {
			return 0, other
		}
	}
	if h.method == "" || h.url == nil || h.host == "" {
		return 0, other
	}
	return size, plain
}

// examine returns the size of the head with which data begins, if each of its lines has the form of a plain one.
func examine(data []byte) (size int, v verdict) {
	for first := true; ; first = false {
		n := bytes.IndexByte(data[size:], '\n')
		if n < 0 {
			return 0, incomplete
		}
		line := data[size : size+n]
		size += n + 1
		if n == 0 || line[n-1] != '\r' {
			return 0, other
		}
		switch line = line[:n-1]; {
		case first && !isRequestLine(line):
			return 0, other
		case first:
		case len(line) == 0:
			return size, plain
		case !isHeaderLine(line):
			return 0, other
		}
	}
}

// isRequestLine reports whether line is METHOD /target HTTP/1.1, with one space between each.
func isRequestLine(line []byte) bool {
	space := bytes.IndexByte(line, ' ')
	if space < 0 || !bytes.HasSuffix(line, []byte(version)) || space+1 >= len(line)-len(version) {
		return false
	}
	target := line[space+1 : len(line)-len(version)]
	for _, c := range target {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return target[0] == '/'
}

// isHeaderLine reports whether line is Name: value, of a token and of visible ASCII, spaces and tabs.
func isHeaderLine(line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return false
	}
	for _, c := range line[:colon] {
		if !isToken[c] {
			return false
		}
	}
	for _, c := range line[colon+1:] {
		if (c < ' ' && c != '\t') || c >= 0x7f {
			return false
		}
	}
	return true
}

// isToken tells which bytes may be in the name of a header (RFC 9110, section 5.6.2).
var isToken = func() (is [256]bool) {
	for c := range is {
		is[c] = '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' ||
			strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0 && c < 0x80
	}
	return is
}()

// add adds a header. It returns false if a request with it is not plain.
func (h *head) add(f field) bool {
	switch f.name {
	case "Host":
		if h.host != "" || !isHost(f.value) {
			return false
		}
		h.host = f.value
		return true
	case "Content-Length":
		n, ok := smallLength(f.value)
		if !ok {
			return false
		}
		h.length = n
	case "Connection":
		if !strings.EqualFold(f.value, "keep-alive") {
			return false
		}
	case "Content-Type":
		if isGRPC(f.value) {
			return false
		}
	case "Transfer-Encoding", "Expect", "Upgrade", "Http2-Settings", "Trailer", "Te", "Pragma": // net/http rewrites Pragma
		return false
	}
	for i := range h.fields {
		if h.fields[i].name == f.name {
			return false
		}
	}
	h.fields = append(h.fields, f)
	return true
}

// isGRPC reports whether a content type is that of gRPC, whose responses have trailers. Those of gRPC-Web have none.
func isGRPC(contentType string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(contentType), "application/grpc")
	return ok && !strings.HasPrefix(rest, "-web")
}

// isHost reports whether value is a host name or address, perhaps with a port.
func isHost(value string) bool {
	for _, c := range []byte(value) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte(".:-_[]", c) >= 0) {
			return false
		}
	}
	return value != ""
}

// smallLength returns the value of a Content-Length of at most maxBody.
func smallLength(value string) (n int, ok bool) {
	if value == "" || len(value) > 1 && value[0] == '0' || len(value) > len("65536") {
		return 0, false
	}
	for _, c := range []byte(value) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, n <= maxBody
}

// known returns the string of list that equals s, so that s need not be kept, or "".
func known(list []string, s string) string {
	for _, one := range list {
		if one == s {
			return one
		}
	}
	return ""
}

// canonical returns the canonical form of the name of a header.
func canonical(name string) string {
	if known, ok := canonicalNames[name]; ok {
		return known
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

// canonicalNames has the canonical form of headers that requests often have, as they write them.
var canonicalNames = func() map[string]string {
	names := map[string]string{}
	for _, name := range []string{
		"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Connect-Protocol-Version",
		"Connect-Timeout-Ms", "Connection", "Content-Length", "Content-Type", "Cookie", "Forwarded", "Host", "If-Match",
		"If-None-Match", "Last-Event-Id", "Origin", "Prefer", "Referer", "Traceparent", "Tracestate", "User-Agent", "Via",
		"X-Api-Key", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "X-Request-Id",
	} {
		names[name], names[strings.ToLower(name)] = name, name
	}
	return names
}()
