package grpclane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// codec is how the messages of a call are written. Nil is protobuf's binary form, which is read and written
// here without the copies that [connect.Codec] needs.
type codec struct{ connect.Codec }

var (
	binaryCodec = codec{}
	jsonCodec   = codec{StrictJSON()}
)

// StrictJSON returns the codec of messages in JSON that refuses fields which a message does not have. Connect's own
// ignores them; but what people type has mistakes, and a write whose precondition is misspelled must not be made without.
func StrictJSON() connect.Codec {
	strict := connectproto.NewJSONCodec()
	strict.UnmarshalOptions.DiscardUnknown = false
	return strict
}

// codecOf returns the codec for the "json" of application/grpc+json, or false if there is none.
func codecOf(subtype string) (codec, bool) {
	name, _, _ := strings.Cut(subtype, ";")
	switch strings.TrimSpace(name) {
	case "", connect.CodecNameProto:
		return binaryCodec, true
	case connect.CodecNameJSON:
		return jsonCodec, true
	}
	return codec{}, false
}

// Name returns the name of the codec.
func (c codec) Name() string {
	if c.Codec == nil {
		return connect.CodecNameProto
	}
	return c.Codec.Name()
}

// unmarshal reads message from data, which it frees. No data at all is an empty message in every codec.
func unmarshal(ctx context.Context, c codec, data mem.BufferSlice, message any) error {
	defer data.Free()
	if len(data) == 0 {
		return nil
	}
	buffer := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buffer.Free()
	if c.Codec != nil {
		return c.UnmarshalRead(ctx, bytes.NewReader(buffer.ReadOnlyData()), message)
	}
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is not a protobuf message", message)
	}
	return proto.Unmarshal(buffer.ReadOnlyData(), m)
}

// outgoing is a message on its way through grpc-go.
type outgoing struct {
	ctx     context.Context //nolint:containedctx // the call's own
	codec   codec
	message any
	size    int // set when it was marshalled
}

func (o *outgoing) marshal() (mem.BufferSlice, error) {
	if o.codec.Codec != nil {
		var buffer bytes.Buffer
		err := o.codec.MarshalWrite(o.ctx, &buffer, o.message)
		o.size = buffer.Len()
		return mem.BufferSlice{mem.SliceBuffer(buffer.Bytes())}, err
	}
	message, ok := o.message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is not a protobuf message", o.message)
	}
	o.size = proto.Size(message)
	return marshalBinary(message, o.size)
}

// marshalBinary writes message, whose size was just computed, into a buffer that grpc-go gives back to its
// pool once it is sent. The pool does not take small ones.
func marshalBinary(message proto.Message, size int) (mem.BufferSlice, error) {
	sized := proto.MarshalOptions{UseCachedSize: true}
	if mem.IsBelowBufferPoolingThreshold(size) {
		data, err := sized.MarshalAppend(make([]byte, 0, size), message)
		return mem.BufferSlice{mem.SliceBuffer(data)}, err
	}
	pool := mem.DefaultBufferPool()
	buffer := pool.Get(size)
	if _, err := sized.MarshalAppend((*buffer)[:0], message); err != nil {
		pool.Put(buffer)
		return nil, err
	}
	return mem.BufferSlice{mem.NewBuffer(buffer, pool)}, nil
}

// outgoingCodec is what grpc-go calls to marshal.
type outgoingCodec struct{}

func (outgoingCodec) Marshal(message any) (mem.BufferSlice, error) {
	o, ok := message.(*outgoing)
	if !ok {
		return nil, fmt.Errorf("%T was not sent by this package", message)
	}
	return o.marshal()
}

// Unmarshal is never called: messages are read without RecvMsg.
func (outgoingCodec) Unmarshal(mem.BufferSlice, any) error { return errors.ErrUnsupported }

func (outgoingCodec) Name() string { return connect.CodecNameProto }
