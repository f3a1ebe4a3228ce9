package wiretest

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
)

// overText calls over gRPC-Web in its text form, which is gRPC-Web in base64.
func overText() func(testing.TB, string) connect.Transport {
	return func(t testing.TB, url string) connect.Transport {
		client := HTTPClient(t)
		return newTransport(&http.Client{Transport: encoding{client.Transport}}, url, []connecthttp.Option{connecthttp.WithGRPCWeb()})
	}
}

// encoding sends requests of gRPC-Web as text, and decodes the responses.
type encoding struct{ http.RoundTripper }

func (e encoding) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = encoded{r.Body}, -1
	r.Header.Set("Content-Type", strings.Replace(r.Header.Get("Content-Type"), "grpc-web", "grpc-web-text", 1))
	res, err := e.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	kind := res.Header.Get("Content-Type")
	if subtype, ok := strings.CutPrefix(kind, "application/grpc-web-text"); ok {
		res.Header.Set("Content-Type", "application/grpc-web"+subtype)
		res.Body = &decoding{ReadCloser: res.Body}
	}
	return res, nil
}

// encoded encodes a body, and pads the result of each read.
type encoded struct{ io.ReadCloser }

func (e encoded) Read(p []byte) (int, error) {
	binary := make([]byte, min(100, len(p)/4*3))
	n, err := e.ReadCloser.Read(binary)
	base64.StdEncoding.Encode(p, binary[:n])
	return base64.StdEncoding.EncodedLen(n), err
}

// decoding decodes four characters at a time.
type decoding struct {
	io.ReadCloser
	out bytes.Buffer
}

func (d *decoding) Read(p []byte) (int, error) {
	if d.out.Len() == 0 {
		var text [4]byte
		if _, err := io.ReadFull(d.ReadCloser, text[:]); err != nil {
			return 0, err
		}
		binary, err := base64.StdEncoding.AppendDecode(nil, text[:])
		if err != nil {
			return 0, err
		}
		d.out.Write(binary)
	}
	return d.out.Read(p)
}
