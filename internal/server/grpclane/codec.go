package grpclane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connectproto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"key-value/internal/contract/messagejson"
)

// codec encodes and decodes the messages of a call. The zero value is protobuf's binary format, without the copies that
// [connect.Codec] needs.
type codec struct{ connect.Codec }

var (
	binaryCodec = codec{}
	jsonCodec   = codec{StrictJSON()}
)

// StrictJSON returns a codec for JSON that decodes with [messagejson.Unmarshal]. Connect's own codec ignores unknown fields,
// and leaves out of responses what is false or zero.
func StrictJSON() connect.Codec {
	explicit := connectproto.NewJSONCodec()
	explicit.MarshalOptions.EmitDefaultValues = true
	return strictJSON{connectproto.NewJSONCodec(), explicit}
}

type strictJSON struct {
	*connectproto.JSONCodec

	explicit *connectproto.JSONCodec // encodes fields that are false, zero or empty too
}

// MarshalWrite implements [connect.Codec]. In responses whose fields are the answer, false and zero are said.
func (c strictJSON) MarshalWrite(ctx context.Context, dst io.Writer, message any) error {
	m, ok := message.(proto.Message)
	if buffer, direct := dst.(*bytes.Buffer); direct && ok {
		if b, ok := messagejson.Append(buffer.AvailableBuffer(), m); ok {
			_, err := buffer.Write(b)
			return err
		}
	}
	if ok && messagejson.SaysDefaults(m) {
		return c.explicit.MarshalWrite(ctx, dst, message)
	}
	return c.JSONCodec.MarshalWrite(ctx, dst, message)
}

// UnmarshalRead implements [connect.Codec].
func (strictJSON) UnmarshalRead(_ context.Context, src io.Reader, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is not a protobuf message", message)
	}
	buffer, ok := src.(*bytes.Buffer) // as both lanes pass it
	if !ok {
		buffer = new(bytes.Buffer)
		if _, err := buffer.ReadFrom(src); err != nil {
			return err
		}
	}
	return messagejson.Unmarshal(buffer.Bytes(), m)
}

// codecOf returns the codec for the subtype of a content type, such as "json" for application/grpc+json, or false if
// there is none.
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

// unmarshal decodes data into message and frees data. Empty data is an empty message in every codec.
func unmarshal(ctx context.Context, c codec, data mem.BufferSlice, message any) error {
	defer data.Free()
	if len(data) == 0 {
		return nil
	}
	buffer := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buffer.Free()
	if c.Codec != nil {
		return c.UnmarshalRead(ctx, bytes.NewBuffer(buffer.ReadOnlyData()), message)
	}
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is not a protobuf message", message)
	}
	return proto.Unmarshal(buffer.ReadOnlyData(), m)
}

// outgoing is a message to be sent, as grpc-go carries it to outgoingCodec.
type outgoing struct {
	ctx     context.Context // of the call
	codec   codec
	message any
	size    int         // in bytes; set by marshal
	sent    func(n int) // called when n bytes of a long message are sent; nil: nobody wants to know
	unsent  *unsent     // keeps the encoded message until it is sent; nil: it is not counted
	account Account     // is charged for it; nil: none
}

func (o *outgoing) marshal() (mem.BufferSlice, error) {
	if o.codec.Codec != nil {
		var buffer bytes.Buffer
		err := o.codec.MarshalWrite(o.ctx, &buffer, o.message)
		o.size = buffer.Len()
		data := buffer.Bytes()
		return o.buffers(&data, nil), err
	}
	message, ok := o.message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is not a protobuf message", o.message)
	}
	o.size = proto.Size(message)
	return o.marshalBinary(message, o.size)
}

// wholeMax is the size of the longest message that is sent as a whole, and pieceBytes that of the pieces of others.
const (
	wholeMax   = 64 << 10
	pieceBytes = 16 << 10
)

// buffers returns data, which is from pool, as grpc-go sends it. The pool is nil if there is none.
func (o *outgoing) buffers(data *[]byte, pool mem.BufferPool) mem.BufferSlice {
	if o.unsent != nil && !mem.IsBelowBufferPoolingThreshold(cap(*data)) {
		pool = o.unsent.keep(cap(*data), pool, o.account)
	}
	if o.sent != nil && len(*data) > wholeMax {
		return inPieces(data, pool, pieceBytes, o.sent)
	}
	return mem.BufferSlice{mem.NewBuffer(data, pool)}
}

// ownMax is the size of the longest message whose buffer is not from a pool. Streams whose readers have stopped keep many
// such messages, so their buffers are no longer than they are.
const ownMax = 4 << 10

// buffers has a buffer for every power of two from twice ownMax to 1 MiB; that of a longer message is as long as it is. The
// pool of grpc-go has none between 32 KiB and 1 MiB.
var buffers = newBuffers()

func newBuffers() mem.BufferPool {
	pool, err := mem.NewBinaryTieredBufferPool(13, 14, 15, 16, 17, 18, 19, 20)
	if err != nil {
		panic(err) // cannot happen: the sizes are constants
	}
	return pool
}

// marshalBinary encodes message, whose size was just computed, into a buffer that grpc-go returns to its pool after
// sending it.
func (o *outgoing) marshalBinary(message proto.Message, size int) (mem.BufferSlice, error) {
	sized := proto.MarshalOptions{UseCachedSize: true}
	if size <= ownMax {
		data, err := sized.MarshalAppend(make([]byte, 0, size), message)
		return o.buffers(&data, nil), err
	}
	pool := buffers
	buffer := pool.Get(size)
	if _, err := sized.MarshalAppend((*buffer)[:0], message); err != nil {
		pool.Put(buffer)
		return nil, err
	}
	return o.buffers(buffer, pool), nil
}

// outgoingCodec is the codec that grpc-go calls.
type outgoingCodec struct{}

func (outgoingCodec) Marshal(message any) (mem.BufferSlice, error) {
	o, ok := message.(*outgoing)
	if !ok {
		return nil, fmt.Errorf("%T is not a message of this package", message)
	}
	return o.marshal()
}

// Unmarshal is not called: messages are read without RecvMsg.
func (outgoingCodec) Unmarshal(mem.BufferSlice, any) error { return errors.ErrUnsupported }

func (outgoingCodec) Name() string { return connect.CodecNameProto }
