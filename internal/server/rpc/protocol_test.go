package rpc_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/testkit/wiretest"
)

// clients speak each version of HTTP.
func clients(t *testing.T) map[string]*http.Client {
	return map[string]*http.Client{"HTTP/1.1": http.DefaultClient, "HTTP/2": wiretest.HTTPClient(t)}
}

// protocols are those that work over HTTP/1.1.
var protocols = map[string][]connecthttp.Option{
	"Connect": nil, "Connect with JSON": {connecthttp.WithSendCodec("json")}, "gRPC-Web": {connecthttp.WithGRPCWeb()},
}

func TestAnUnknownMethodIsUnimplementedOverEachVersionOfHTTP(t *testing.T) {
	t.Parallel()
	url := serve(t, true)
	for _, procedure := range []string{"/keyvalue.v1.KeyValueService/Nope", "/grpc.health.v1.Health/Watch", "/grpc.reflection.v1.ServerReflection/Nope"} {
		for version, client := range clients(t) {
			for protocol, options := range protocols {
				for name, kind := range map[string]connect.StreamType{"unary": connect.StreamTypeUnary, "a server stream": connect.StreamTypeServer} {
					transport := connecthttp.NewTransport(client, url, options...)
					err := receive(t.Context(), transport, connect.Spec{Procedure: procedure, StreamType: kind})
					if connect.CodeOf(err) != connect.CodeUnimplemented || !strings.Contains(err.Error(), procedure) {
						t.Errorf("%s as %s over %s and %s: %v, want unimplemented with its name", procedure, name, protocol, version, err)
					}
				}
			}
		}
	}
}

// receive calls a procedure, and returns the error of its first message.
func receive(ctx context.Context, transport connect.Transport, spec connect.Spec) error {
	ctx, info := connect.NewClientContext(ctx)
	info.RequestHeader().Set("Authorization", "Bearer secret")
	client := connect.NewClient(transport)
	if spec.StreamType == connect.StreamTypeUnary {
		return client.CallUnary(ctx, spec, &keyvaluev1.GetRequest{}, &keyvaluev1.GetResponse{})
	}
	stream, err := client.CallServerStream(ctx, spec, &keyvaluev1.GetRequest{})
	if err != nil {
		return err
	}
	defer stream.Close()
	return stream.Receive(&keyvaluev1.GetResponse{})
}

func post(t *testing.T, url, contentType, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer secret")
	req.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(all)
}

func TestAStreamInBothDirectionsNeedsHTTP2(t *testing.T) {
	t.Parallel()
	url := serve(t, true) + "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
	for _, contentType := range []string{"application/connect+json", "application/grpc-web+proto", "application/grpc-web-text"} {
		res, body := post(t, url, contentType, "")
		if said := res.Header.Get("Grpc-Message") + body; res.StatusCode != http.StatusOK || !strings.Contains(said, "use HTTP/2") {
			t.Errorf("reflection as %s over HTTP/1.1: %s %q, want it to name HTTP/2", contentType, res.Status, said)
		}
	}
}

func TestBase64ThatIsNoneIsInvalid(t *testing.T) {
	t.Parallel()
	url := serve(t, true) + keyvaluev1connect.KeyValueServiceGetProcedure
	for _, body := range []string{"?", "AAAA?AAA", "AAAAAA", "AAAAA===", "A===", "=AAA", "AA=A", "AA\nAA"} {
		res, text := post(t, url, "application/grpc-web-text", body)
		kind, status, said := res.Header.Get("Content-Type"), res.Header.Get("Grpc-Status"), res.Header.Get("Grpc-Message")
		if kind != "application/grpc-web-text" || status != "3" || !strings.Contains(said, "base64") || text != "" {
			t.Errorf("the response to %q is %s, grpc-status %q, %q, want 3 in base64 and its cause", body, kind, status, said)
		}
	}
}
