package grpclane_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect/v2"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/internal/server/grpclane"
	"key-value/internal/server/lane"
	"key-value/internal/testkit/wiretest"
)

// limit is the largest request message in these tests.
const limit = 1 << 10

// Procedures, each named for its kind.
const (
	unary  = "/test.v1.Test/Unary"
	client = "/test.v1.Test/Client"
	server = "/test.v1.Test/Server"
	bidi   = "/test.v1.Test/Bidi"
)

var kinds = map[string]connect.StreamType{
	unary: connect.StreamTypeUnary, client: connect.StreamTypeClient,
	server: connect.StreamTypeServer, bidi: connect.StreamTypeBidi,
}

// serve serves handler as each of the procedures, by the gRPC lane, and returns its URL.
func serve(t *testing.T, handler connect.ServerFunc) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := connect.NewServer()
	for procedure, kind := range kinds {
		s.Register(connect.Method{Spec: connect.Spec{Procedure: procedure, StreamType: kind}, Handler: handler})
	}
	bounds := lane.Bounds{MessageBytes: limit}.WithDefaults()
	grpcServer := grpclane.New(s, bounds, lane.NewLimiter(bounds), new(atomic.Int64))
	done := make(chan error, 1)
	go func() { done <- grpcServer.Serve(listener) }()
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = grpcServer.Stop(now)
		<-done
	})
	return "http://" + listener.Addr().String()
}

func echo(_ context.Context, _ connect.Spec, stream connect.ServerStream) error {
	for {
		var req keyvaluev1.GetRequest
		if err := stream.Receive(&req); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.Send(&keyvaluev1.GetRequest{Key: req.GetKey()}); err != nil {
			return err
		}
	}
}

// invoke makes a unary call.
func invoke(ctx context.Context, t *testing.T, url string, options ...grpc.CallOption) (string, error) {
	t.Helper()
	var res keyvaluev1.GetRequest
	err := wiretest.GRPC(t, url).Invoke(ctx, unary, &keyvaluev1.GetRequest{Key: "a"}, &res, options...)
	return res.GetKey(), err
}

func TestMessagesGoBothWays(t *testing.T) {
	url := serve(t, echo)
	if got, err := invoke(t.Context(), t, url); got != "a" || err != nil {
		t.Errorf("unary = %q, %v; want the message back", got, err)
	}
	stream, err := wiretest.GRPC(t, url).NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, bidi)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "", strings.Repeat("x", limit-10)} {
		if err := stream.SendMsg(&keyvaluev1.GetRequest{Key: key}); err != nil {
			t.Fatal(err)
		}
		var res keyvaluev1.GetRequest
		if err := stream.RecvMsg(&res); err != nil || res.GetKey() != key {
			t.Errorf("bidi = %q, %v; want %q back", res.GetKey(), err, key)
		}
	}
	_ = stream.CloseSend()
	if err := stream.RecvMsg(&keyvaluev1.GetRequest{}); !errors.Is(err, io.EOF) {
		t.Errorf("the end of the stream = %v, want EOF", err)
	}
}

func TestMetadataGoesBothWays(t *testing.T) {
	var seen *connect.CallInfo
	url := serve(t, func(ctx context.Context, _ connect.Spec, stream connect.ServerStream) error {
		seen, _ = connect.CallInfoForServerContext(ctx)
		seen.ResponseHeader().Set("X-Head", "h")
		seen.ResponseHeader().Set("X-Bytes-Bin", connect.EncodeBinaryHeader([]byte{0, 1, 255}))
		seen.ResponseHeader().Set("Grpc-Status", "5") // reserved for the protocol
		seen.ResponseHeader().Set("X-Unprintable", "\x00")
		seen.ResponseTrailer().SetValues("X-Tail", []string{"1", "2"})
		return echo(ctx, seen.Spec, stream)
	})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-one", "1", "x-one", "2", "x-bytes-bin", "\x00\x01\xff")
	var header, trailer metadata.MD
	if _, err := invoke(ctx, t, url, grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
		t.Fatal(err)
	}
	in := seen.RequestHeader()
	if got := in.Values("X-One"); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("X-One = %q", got)
	}
	if got, err := connect.DecodeBinaryHeader(in.Get("X-Bytes-Bin")); string(got) != "\x00\x01\xff" || err != nil {
		t.Errorf("X-Bytes-Bin = %q, %v", got, err)
	}
	if in.Get("Host") == "" || !strings.HasPrefix(in.Get("User-Agent"), "grpc-go/") {
		t.Errorf("Host and User-Agent = %q, %q", in.Get("Host"), in.Get("User-Agent"))
	}
	if seen.Protocol != connect.ProtocolNameGRPC || seen.Codec != connect.CodecNameProto || seen.PeerAddr == "" ||
		seen.Spec.Procedure != unary || seen.ReceiveStats.Size == 0 || seen.SendStats.Size == 0 {
		t.Errorf("the call = %+v", seen)
	}
	if got := header.Get("x-bytes-bin"); len(got) != 1 || got[0] != "\x00\x01\xff" {
		t.Errorf("x-bytes-bin = %q", got)
	}
	if got := header.Get("x-head"); !slices.Equal(got, []string{"h"}) {
		t.Errorf("x-head = %q", got)
	}
	if len(header.Get("x-unprintable")) != 0 || len(header.Get("grpc-status")) != 0 {
		t.Errorf("the header %v has values that must not be sent", header)
	}
	if got := trailer.Get("x-tail"); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("x-tail = %q", got)
	}
}

func TestOnlyErrorsForTheCallerAreSent(t *testing.T) {
	for name, test := range map[string]struct {
		err     error
		code    codes.Code
		message string
		reason  contract.Reason
	}{
		"with a reason":          {contract.KeyNotFound.Errorf("no %q", "ä"), codes.NotFound, `no "ä"`, contract.KeyNotFound},
		"without":                {connect.NewError(connect.CodeAborted, "100% ä\n"), codes.Aborted, "100% ä\n", ""},
		"from a remote peer":     {connect.NewError(connect.CodeAborted, "secret").WithRemote(), codes.Internal, "", ""},
		"not of connect":         {errors.New("secret"), codes.Unknown, "", ""},
		"of the context":         {context.DeadlineExceeded, codes.DeadlineExceeded, "", ""},
		"a message not in UTF-8": {contract.KeyInvalid.Errorf("\xff"), codes.InvalidArgument, "\uFFFD", contract.KeyInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(ctx context.Context, _ connect.Spec, _ connect.ServerStream) error {
				info, _ := connect.CallInfoForServerContext(ctx)
				info.ResponseHeader().Set("X-Head", "h")
				info.ResponseTrailer().Set("X-Tail", "t")
				return test.err
			})
			var header, trailer metadata.MD
			_, err := invoke(t.Context(), t, url, grpc.Header(&header), grpc.Trailer(&trailer))
			got := status.Convert(err)
			if got.Code() != test.code || got.Message() != test.message {
				t.Errorf("error = %v %q, want %v %q", got.Code(), got.Message(), test.code, test.message)
			}
			why := ""
			for _, detail := range got.Details() {
				if info, ok := detail.(*errdetails.ErrorInfo); ok {
					why = info.GetReason()
				}
			}
			if why != string(test.reason) {
				t.Errorf("reason = %q, want %q", why, test.reason)
			}
			if !slices.Equal(header.Get("x-head"), []string{"h"}) || !slices.Equal(trailer.Get("x-tail"), []string{"t"}) {
				t.Errorf("metadata of an error = %v, %v; want x-head and x-tail", header, trailer)
			}
		})
	}
}

func TestDeadlinesAndCancellationReachTheHandler(t *testing.T) {
	ended := make(chan error, 1)
	deadlines := make(chan bool, 1)
	url := serve(t, func(ctx context.Context, _ connect.Spec, _ connect.ServerStream) error {
		_, ok := ctx.Deadline()
		deadlines <- ok
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50_000_000)
	defer cancel()
	if _, err := invoke(ctx, t, url); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a call that takes too long = %v, want deadline_exceeded", err)
	}
	if ok, err := <-deadlines, <-ended; !ok || err == nil {
		t.Errorf("the handler has a deadline: %v; it ended with %v", ok, err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	go func() {
		if <-deadlines {
			t.Error("a call without a deadline has one")
		}
		cancel()
	}()
	if _, err := invoke(ctx, t, url); status.Code(err) != codes.Canceled {
		t.Errorf("a canceled call = %v, want canceled", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the handler ended with %v, want canceled", err)
	}
}
