package rpc

import (
	"context"
	"errors"
	"io"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectinprocess"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// InProcess returns a transport that calls server in this process, without a network. Messages are shared, not copied: a
// sender must not modify a message, or what it points to, after sending it.
//
// A unary call runs in the goroutine that receives its response, so a panic that server does not recover, as those of
// [NewServer] do, is one of the caller.
func InProcess(server *connect.Server) connect.Transport {
	return inProcess{server, connectinprocess.New(server, connectinprocess.WithCopyFunc(share))}
}

type inProcess struct {
	server  *connect.Server
	streams connect.Transport // carries the calls that are not unary
}

func (t inProcess) NewClientStream(ctx context.Context, spec connect.Spec) (connect.ClientStream, error) {
	if spec.StreamType != connect.StreamTypeUnary {
		return t.streams.NewClientStream(ctx, spec)
	}
	c := &unaryCall{Context: ctx, server: t.server}
	c.info.Spec = spec
	if c.client, _ = connect.CallInfoForClientContext(ctx); c.client != nil {
		c.client.Spec = spec
	}
	return c, nil
}

// unaryCall is a unary call in this process, in one allocation: the stream of the client, the metadata and the context of
// the server, and, as served, the stream of the server.
type unaryCall struct {
	context.Context // the client's

	server *connect.Server
	client *connect.CallInfo // nil: the client has no metadata
	info   connect.CallInfo  // the server's

	request  any // until the server has received it
	response any
	sent     bool
	ran      bool
}

// Value implements [context.Context]. The server does not see the metadata of the client.
func (c *unaryCall) Value(key any) any {
	value := c.Context.Value(key)
	if info, ok := value.(*connect.CallInfo); ok && info == c.client {
		return nil
	}
	return value
}

// SendHeaders does nothing: the server sees the headers with the message.
func (*unaryCall) SendHeaders() error { return nil }

func (c *unaryCall) Send(message any) error {
	if c.sent {
		return errors.New("a unary call has one request message")
	}
	c.request, c.sent = message, true
	return nil
}

// CloseSend does nothing: the only message ends the request.
func (*unaryCall) CloseSend() error { return nil }

// Close does nothing: the call has ended, or has not begun.
func (*unaryCall) Close() error { return nil }

// Receive runs the call and copies its response to message.
func (c *unaryCall) Receive(message any) error {
	if c.ran {
		return io.EOF
	}
	c.ran = true
	if c.client != nil {
		copyHeader(c.info.RequestHeader(), c.client.RequestHeader())
	}
	err := c.server.Call(c, c.info.Spec.Procedure, &c.info, (*served)(c))
	if c.client != nil {
		copyHeader(c.client.ResponseHeader(), c.info.ResponseHeader())
		copyHeader(c.client.ResponseTrailer(), c.info.ResponseTrailer())
	}
	switch {
	case err != nil:
		return fromPeer(err)
	case c.response == nil:
		return connect.NewError(connect.CodeUnimplemented, "the call has no response message").WithRemote()
	}
	return share(message, c.response)
}

func copyHeader(dst, src *connect.Header) {
	if src.Len() == 0 {
		return
	}
	for name, values := range src.All() {
		dst.SetValues(name, values)
	}
}

// fromPeer returns what a client sees of err, with which a server ended a call, as if it had come over a network.
func fromPeer(err error) error {
	if e, ok := errors.AsType[*connect.Error](err); ok && !e.IsRemote() {
		return e.WithRemote()
	}
	return connect.NewError(connect.CodeInternal, "").WithCause(err).WithRemote()
}

// served is a unaryCall as the server sees it.
type served unaryCall

// SendHeaders does nothing: the client sees the headers with the response.
func (*served) SendHeaders() error { return nil }

func (s *served) Receive(message any) error {
	if s.request == nil {
		return io.EOF
	}
	request := s.request
	s.request = nil
	return share(message, request)
}

func (s *served) Send(message any) error {
	s.response = message
	return nil
}

// share copies the fields of messages that are common or large, and all other messages in depth. A deep copy of the
// messages of one read costs about as much as the read itself, and that of a page a quarter of the whole call.
func share(dst, src any) error {
	switch from := src.(type) {
	case *keyvaluev1.GetRequest:
		if to, ok := dst.(*keyvaluev1.GetRequest); ok {
			to.Key, to.Uncounted, to.AllowMissing = from.Key, from.Uncounted, from.AllowMissing
			return nil
		}
	case *keyvaluev1.GetResponse:
		if to, ok := dst.(*keyvaluev1.GetResponse); ok {
			to.Entry = from.Entry
			return nil
		}
	case *keyvaluev1.SetRequest:
		if to, ok := dst.(*keyvaluev1.SetRequest); ok {
			to.Key, to.Content, to.Ttl, to.KeepTtl, to.Precondition = from.Key, from.Content, from.Ttl, from.KeepTtl, from.Precondition
			return nil
		}
	case *keyvaluev1.SetResponse:
		if to, ok := dst.(*keyvaluev1.SetResponse); ok {
			to.Entry, to.Created = from.Entry, from.Created
			return nil
		}
	case *keyvaluev1.BatchRequest:
		if to, ok := dst.(*keyvaluev1.BatchRequest); ok {
			to.Operations, to.Atomic, to.MaxContentBytes = from.Operations, from.Atomic, from.MaxContentBytes
			return nil
		}
	case *keyvaluev1.BatchResponse:
		if to, ok := dst.(*keyvaluev1.BatchResponse); ok {
			to.Results = from.Results
			return nil
		}
	case *keyvaluev1.ListResponse:
		if to, ok := dst.(*keyvaluev1.ListResponse); ok {
			to.Entries, to.Prefixes, to.NextPageToken = from.Entries, from.Prefixes, from.NextPageToken
			return nil
		}
	case *keyvaluev1.WatchResponse:
		if to, ok := dst.(*keyvaluev1.WatchResponse); ok {
			to.Event, to.ResumeToken = from.Event, from.ResumeToken
			return nil
		}
	}
	return connectinprocess.ProtoCopy(dst, src)
}
