package wiretest

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"key-value/internal/contract"
)

// GRPC returns a connection to url of grpc-go's client.
func GRPC(t testing.TB, url string) *grpc.ClientConn {
	t.Helper()
	trust := insecure.NewCredentials()
	addr, secure := strings.CutPrefix(url, "https://")
	if secure {
		trust = credentials.NewTLS(ClientTLS(t))
	}
	conn, err := grpc.NewClient("passthrough:///"+strings.TrimPrefix(addr, "http://"),
		grpc.WithTransportCredentials(trust),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(contract.MaxResponseBytes(contract.DefaultValueBytes))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func dialGRPC(t testing.TB, url string) connect.Transport { return OverGRPC(GRPC(t, url)) }

// OverGRPC returns a transport over a connection of grpc-go's client.
func OverGRPC(conn *grpc.ClientConn) connect.Transport { return grpcTransport{conn} }

// grpcTransport is a transport over grpc-go's client.
type grpcTransport struct{ conn *grpc.ClientConn }

func (g grpcTransport) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	ctx, cancel := context.WithCancel(ctx)
	info, _ := connect.CallInfoForClientContext(ctx)
	for name, values := range info.RequestHeader().All() {
		for _, value := range values {
			ctx = metadata.AppendToOutgoingContext(ctx, name, value)
		}
	}
	stream, err := g.conn.NewStream(ctx, &grpc.StreamDesc{
		ClientStreams: spec.StreamType&connect.StreamTypeClient != 0,
		ServerStreams: spec.StreamType&connect.StreamTypeServer != 0,
	}, spec.Procedure)
	if err != nil {
		cancel()
		return nil, remote(err)
	}
	return grpcStream{stream, cancel}, nil
}

type grpcStream struct {
	stream grpc.ClientStream
	cancel context.CancelFunc
}

func (s grpcStream) SendHeaders() error        { return nil }
func (s grpcStream) CloseSend() error          { return s.stream.CloseSend() }
func (s grpcStream) Receive(message any) error { return remote(s.stream.RecvMsg(message)) }

// Send reports nothing when the stream is over: Receive returns why.
func (s grpcStream) Send(message any) error {
	if err := s.stream.SendMsg(message); !errors.Is(err, io.EOF) {
		return remote(err)
	}
	return nil
}

func (s grpcStream) Close() error {
	s.cancel()
	return nil
}

// remote returns err as an error of connect.
func remote(err error) error {
	s, ok := status.FromError(err)
	if err == nil || !ok {
		return err
	}
	e := connect.NewError(connect.Code(s.Code()), s.Message()).WithRemote()
	for _, any := range s.Proto().GetDetails() {
		detail, err := connectproto.NewErrorDetail(any)
		if err != nil {
			return err
		}
		e = e.WithDetail(detail)
	}
	return e
}
