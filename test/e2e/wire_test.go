package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const service = "/keyvalue.v1.KeyValueService/"

// result is the result of an RPC.
type result struct {
	code    string // in lower case, such as "not_found"; "ok" if the call succeeded
	reason  string // ErrorInfo.reason
	message string // of the error
	body    string // the response, in JSON
}

// verdict returns the code and the reason, in the form of the tests' tables.
func (r result) verdict() string { return strings.TrimSpace(r.code + " " + r.reason) }

// wire makes unary calls with messages in JSON. It does not send an empty key.
type wire struct {
	name string
	call func(t *testing.T, base, method, key, message string) result
}

var wires = []wire{
	{"connect", callConnect},
	{"grpc", callGRPC},
	{"grpcweb", callGRPCWeb},
}

var (
	http1 = &http.Client{}
	http2 = &http.Client{Transport: &http.Transport{Protocols: unencryptedHTTP2()}}
)

func unencryptedHTTP2() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return p
}

func post(t *testing.T, client *http.Client, url, key, contentType string, body []byte) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Te", "trailers")
	if key != "" {
		req.Header.Set("X-Api-Key", key)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, answer
}

func callConnect(t *testing.T, base, method, key, message string) result {
	t.Helper()
	res, body := post(t, http1, base+service+method, key, "application/json", []byte(message))
	if res.StatusCode == http.StatusOK {
		return result{code: "ok", body: string(body)}
	}
	var failure struct {
		Code, Message string
		Details       []struct{ Debug struct{ Reason string } }
	}
	if err := json.Unmarshal(body, &failure); err != nil {
		t.Fatalf("%d %s: %v", res.StatusCode, body, err)
	}
	r := result{code: failure.Code, message: failure.Message}
	for _, detail := range failure.Details {
		r.reason = detail.Debug.Reason
	}
	return r
}

func callGRPC(t *testing.T, base, method, key, message string) result {
	t.Helper()
	res, body := post(t, http2, base+service+method, key, "application/grpc+json", frame(message))
	trailer := res.Trailer
	if trailer.Get("Grpc-Status") == "" { // a response without a message has its trailers in the header
		trailer = res.Header
	}
	r := verdictOf(t, trailer)
	if len(body) != 0 {
		r.body = unframe(t, body)[0].payload
	}
	return r
}

func callGRPCWeb(t *testing.T, base, method, key, message string) result {
	t.Helper()
	res, body := post(t, http1, base+service+method, key, "application/grpc-web+json", frame(message))
	if len(body) == 0 {
		return verdictOf(t, res.Header)
	}
	var r result
	var response string
	for _, f := range unframe(t, body) {
		if f.flags&0x80 == 0 {
			response = f.payload
			continue
		}
		r = verdictOf(t, parseTrailer(f.payload))
	}
	r.body = response
	return r
}

// frame returns a message with gRPC's prefix.
func frame(message string) []byte {
	prefix := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return append(prefix, message...)
}

type grpcFrame struct {
	flags   byte
	payload string
}

func unframe(t *testing.T, body []byte) []grpcFrame {
	t.Helper()
	var frames []grpcFrame
	for len(body) > 0 {
		if len(body) < 5 || len(body) < 5+int(binary.BigEndian.Uint32(body[1:])) {
			t.Fatalf("a truncated frame: %q", body)
		}
		end := 5 + int(binary.BigEndian.Uint32(body[1:]))
		frames = append(frames, grpcFrame{body[0], string(body[5:end])})
		body = body[end:]
	}
	return frames
}

func parseTrailer(block string) http.Header {
	trailer := http.Header{}
	for line := range strings.SplitSeq(strings.TrimSpace(block), "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		trailer.Add(textproto.CanonicalMIMEHeaderKey(name), strings.TrimSpace(value))
	}
	return trailer
}

// grpcCodes are the names of gRPC's status codes in Connect's spelling, by number.
var grpcCodes = strings.Fields(`ok canceled unknown invalid_argument deadline_exceeded not_found already_exists
	permission_denied resource_exhausted failed_precondition aborted out_of_range unimplemented internal unavailable
	data_loss unauthenticated`)

// aReason finds ErrorInfo.reason in an encoded google.rpc.Status: a length and that many capital letters, after the end
// of the type's URL, the length of the value and the tag of the field.
var aReason = regexp.MustCompile(`(?s)google\.rpc\.ErrorInfo\x12.{1,2}?\x0a.([A-Z_]+)`)

func verdictOf(t *testing.T, trailer http.Header) result {
	t.Helper()
	var number int
	if _, err := fmt.Sscan(trailer.Get("Grpc-Status"), &number); err != nil || number >= len(grpcCodes) {
		t.Fatalf("no status in %v", trailer)
	}
	message, err := url.PathUnescape(trailer.Get("Grpc-Message"))
	if err != nil {
		t.Fatal(err)
	}
	r := result{code: grpcCodes[number], message: message}
	details, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(trailer.Get("Grpc-Status-Details-Bin"), "="))
	if err != nil {
		t.Fatal(err)
	}
	if found := aReason.FindSubmatch(details); found != nil {
		r.reason = string(found[1])
	}
	return r
}
