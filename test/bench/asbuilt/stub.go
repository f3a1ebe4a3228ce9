package main

import (
	"context"

	"google.golang.org/grpc"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
)

// The rest of this file is what protoc-gen-go-grpc generates for the three methods.

type keyValueServer interface {
	Get(ctx context.Context, req *keyvaluev1.GetRequest) (*keyvaluev1.GetResponse, error)
	Set(ctx context.Context, req *keyvaluev1.SetRequest) (*keyvaluev1.SetResponse, error)
	Delete(ctx context.Context, req *keyvaluev1.DeleteRequest) (*keyvaluev1.DeleteResponse, error)
}

var keyValueService = grpc.ServiceDesc{
	ServiceName: keyvaluev1connect.KeyValueServiceName,
	HandlerType: (*keyValueServer)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Get", Handler: getHandler},
		{MethodName: "Set", Handler: setHandler},
		{MethodName: "Delete", Handler: deleteHandler},
	},
	Metadata: "keyvalue/v1/service.proto",
}

func getHandler(
	srv any, ctx context.Context, dec func(any) error, interceptor grpc.UnaryServerInterceptor,
) (any, error) {
	in := new(keyvaluev1.GetRequest)
	if err := dec(in); err != nil {
		return nil, err
	}
	if interceptor == nil {
		return srv.(keyValueServer).Get(ctx, in)
	}
	info := &grpc.UnaryServerInfo{Server: srv, FullMethod: keyvaluev1connect.KeyValueServiceGetProcedure}
	handler := func(ctx context.Context, req any) (any, error) {
		return srv.(keyValueServer).Get(ctx, req.(*keyvaluev1.GetRequest))
	}
	return interceptor(ctx, in, info, handler)
}

func setHandler(
	srv any, ctx context.Context, dec func(any) error, interceptor grpc.UnaryServerInterceptor,
) (any, error) {
	in := new(keyvaluev1.SetRequest)
	if err := dec(in); err != nil {
		return nil, err
	}
	if interceptor == nil {
		return srv.(keyValueServer).Set(ctx, in)
	}
	info := &grpc.UnaryServerInfo{Server: srv, FullMethod: keyvaluev1connect.KeyValueServiceSetProcedure}
	handler := func(ctx context.Context, req any) (any, error) {
		return srv.(keyValueServer).Set(ctx, req.(*keyvaluev1.SetRequest))
	}
	return interceptor(ctx, in, info, handler)
}

func deleteHandler(
	srv any, ctx context.Context, dec func(any) error, interceptor grpc.UnaryServerInterceptor,
) (any, error) {
	in := new(keyvaluev1.DeleteRequest)
	if err := dec(in); err != nil {
		return nil, err
	}
	if interceptor == nil {
		return srv.(keyValueServer).Delete(ctx, in)
	}
	info := &grpc.UnaryServerInfo{Server: srv, FullMethod: keyvaluev1connect.KeyValueServiceDeleteProcedure}
	handler := func(ctx context.Context, req any) (any, error) {
		return srv.(keyValueServer).Delete(ctx, req.(*keyvaluev1.DeleteRequest))
	}
	return interceptor(ctx, in, info, handler)
}

type client struct{ conn grpc.ClientConnInterface }

func (c client) Get(
	ctx context.Context, in *keyvaluev1.GetRequest, opts ...grpc.CallOption,
) (*keyvaluev1.GetResponse, error) {
	out := new(keyvaluev1.GetResponse)
	err := c.conn.Invoke(ctx, keyvaluev1connect.KeyValueServiceGetProcedure, in, out, static(opts)...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (c client) Set(
	ctx context.Context, in *keyvaluev1.SetRequest, opts ...grpc.CallOption,
) (*keyvaluev1.SetResponse, error) {
	out := new(keyvaluev1.SetResponse)
	err := c.conn.Invoke(ctx, keyvaluev1connect.KeyValueServiceSetProcedure, in, out, static(opts)...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (c client) Delete(
	ctx context.Context, in *keyvaluev1.DeleteRequest, opts ...grpc.CallOption,
) (*keyvaluev1.DeleteResponse, error) {
	out := new(keyvaluev1.DeleteResponse)
	err := c.conn.Invoke(ctx, keyvaluev1connect.KeyValueServiceDeleteProcedure, in, out, static(opts)...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func static(opts []grpc.CallOption) []grpc.CallOption {
	return append([]grpc.CallOption{grpc.StaticMethod()}, opts...)
}
