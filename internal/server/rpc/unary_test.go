package rpc_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/protobuf/proto"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/contract"
	"key-value/internal/server/grpclane"
	"key-value/internal/server/rpc"
)

// odd is a service whose answers have everything that a unary call can have. The key says which.
type odd struct {
	keyvaluev1connect.UnimplementedKeyValueServiceHandler
}

func (odd) Get(ctx context.Context, req *keyvaluev1.GetRequest) (*keyvaluev1.GetResponse, error) {
	info, _ := connect.CallInfoForServerContext(ctx)
	info.ResponseHeader().Set("Asked", info.RequestHeader().Get("Asking")+info.Protocol+info.Codec+info.RequestEncoding)
	info.ResponseHeader().Add("Vary", "Asking")
	info.ResponseTrailer().Set("Last", "one")
	switch req.GetKey() {
	case "missing":
		return nil, contract.KeyNotFound.Errorf("there is no key %q", req.GetKey())
	case "uncoded":
		return nil, errors.New("not for the caller")
	case "remote":
		return nil, connect.NewError(connect.CodeNotFound, "of a peer").WithRemote()
	case "panic":
		panic("a mistake of ours")
	case "late":
		<-ctx.Done()
		return nil, ctx.Err()
	case "invalid":
		return &keyvaluev1.GetResponse{Entry: &keyvaluev1.Entry{Key: "\xff"}}, nil
	case "":
		return &keyvaluev1.GetResponse{}, nil
	}
	return &keyvaluev1.GetResponse{Entry: &keyvaluev1.Entry{
		Key: req.GetKey(), Etag: "1", Content: &keyvaluev1.Entry_Value{Value: strings.Repeat(`"é\`, 5000)},
	}}, nil
}

// broken is a body that cannot be read to its end.
type broken struct {
	io.Reader
	err error
}

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = b.err
	}
	return n, err
}

// Unary calls over Connect are answered as connecthttp answers them, in status, headers and body.
func TestUnaryCallsAreAnsweredAsConnecthttpAnswersThem(t *testing.T) {
	const valueBytes = 1 << 10
	maxBytes := contract.MaxRequestBytes(valueBytes)
	server := rpc.NewServer(odd{}, rpc.Config{
		Ready: func(context.Context) bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	ours, theirs := rpc.Mount(server, valueBytes, http.NotFoundHandler()), http.NewServeMux()
	connecthttp.Mount(theirs, server, connecthttp.WithReadMaxBytes(maxBytes), connecthttp.WithCompressors(),
		connecthttp.WithCodecs(connectproto.NewBinaryCodec(), grpclane.StrictJSON()))
	binary := func(key string) string {
		message, err := proto.Marshal(&keyvaluev1.GetRequest{Key: key})
		if err != nil {
			t.Fatal(err)
		}
		return string(message)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name, contentType, body string
		timeout                 string // Connect-Timeout-Ms
		end                     error  // of the body; nil: it ends where it should
		ctx                     context.Context
	}{
		{name: "an entry, in JSON", contentType: "application/json", body: `{"key":"a"}`},
		{name: "an entry, in protobuf", contentType: "application/proto", body: binary("a")},
		{name: "an empty message in protobuf", contentType: "application/proto"},
		{name: "an empty message in JSON", contentType: "application/json", body: "{}"},
		{name: "no message in JSON", contentType: "application/json"},
		{name: "an error with details", contentType: "application/json", body: `{"key":"missing"}`},
		{name: "an error with details, in protobuf", contentType: "application/proto", body: binary("missing")},
		{name: "an error without a code", contentType: "application/json", body: `{"key":"uncoded"}`},
		{name: "an error of a peer", contentType: "application/json", body: `{"key":"remote"}`},
		{name: "a panic", contentType: "application/json", body: `{"key":"panic"}`},
		{name: "a response that cannot be encoded", contentType: "application/json", body: `{"key":"invalid"}`},
		{name: "an unknown field", contentType: "application/json", body: `{"key":"a","sort":1}`},
		{name: "broken JSON", contentType: "application/json", body: `{"key":`},
		{name: "broken protobuf", contentType: "application/proto", body: binary("a")[:2]},
		{name: "the longest message", contentType: "application/json", body: `{"key":"a"}` + strings.Repeat(" ", maxBytes-11)},
		{name: "a longer message", contentType: "application/json", body: `{"key":"a"}` + strings.Repeat(" ", maxBytes-10)},
		{name: "a timeout", contentType: "application/json", body: `{"key":"late"}`, timeout: "1"},
		{name: "a timeout of nothing", contentType: "application/json", body: `{"key":"late"}`, timeout: "0"},
		{name: "a long timeout", contentType: "application/json", body: `{"key":"a"}`, timeout: "9999999999"},
		{name: "a body that ends too early", contentType: "application/json", body: `{"key":`, end: io.ErrUnexpectedEOF},
		{name: "a body that is refused", contentType: "application/json", end: contract.Overloaded.Errorf("no memory")},
		{name: "a body that takes too long", contentType: "application/json", end: context.DeadlineExceeded},
		{name: "a caller that is gone", contentType: "application/json", body: `{"key":`, end: io.ErrUnexpectedEOF, ctx: gone},
		{name: "a character set", contentType: "application/json; charset=utf-8", body: `{"key":"a"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got [2]*httptest.ResponseRecorder
			for i, handler := range []http.Handler{ours, theirs} {
				r := httptest.NewRequest(http.MethodPost, keyvaluev1connect.KeyValueServiceGetProcedure, strings.NewReader(test.body))
				r.Header = http.Header{"Content-Type": {test.contentType}, "Connect-Protocol-Version": {"1"}, "Asking": {"me"}}
				if test.timeout != "" {
					r.Header.Set("Connect-Timeout-Ms", test.timeout)
				}
				if test.ctx != nil {
					r = r.WithContext(test.ctx)
				}
				if test.end != nil {
					r.Body = io.NopCloser(broken{r.Body, test.end})
				}
				got[i] = httptest.NewRecorder()
				got[i].Header()["Vary"] = []string{"Origin"} // of a middleware
				handler.ServeHTTP(got[i], r)
			}
			ours, theirs := got[0].Result(), got[1].Result()
			same := maps.EqualFunc(ours.Header, theirs.Header, func(a, b []string) bool { return strings.Join(a, "|") == strings.Join(b, "|") })
			if ours.StatusCode != theirs.StatusCode || !same {
				t.Errorf("got %d with %v, connecthttp %d with %v", ours.StatusCode, ours.Header, theirs.StatusCode, theirs.Header)
			}
			if got, want := got[0].Body.String(), got[1].Body.String(); got != want {
				t.Errorf("got %.300s, connecthttp %.300s", got, want)
			}
		})
	}
}

// A unary call whose body is cut off ends, over a real connection too.
func TestAUnaryCallWhoseBodyIsCutEnds(t *testing.T) {
	ended := make(chan error, 1)
	server := rpc.NewServer(odd{}, rpc.Config{
		Ready: func(context.Context) bool { return true }, Log: slog.New(slog.DiscardHandler),
		Interceptors: []connect.ServerInterceptor{func(next connect.ServerFunc) connect.ServerFunc {
			return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
				err := next(ctx, spec, stream)
				ended <- err
				return err
			}
		}},
	})
	port := httptest.NewServer(rpc.Mount(server, 1<<10, http.NotFoundHandler()))
	defer port.Close()
	conn, err := net.Dial("tcp", port.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(conn, "POST "+keyvaluev1connect.KeyValueServiceGetProcedure+" HTTP/1.1\r\nHost: a\r\n"+
		"Content-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"key\":")
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the cut call succeeded")
		}
	case <-time.After(2 * time.Minute):
		t.Error("the cut call did not end")
	}
}
