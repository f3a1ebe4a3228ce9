package rpc

import (
	"context"

	"connectrpc.com/connect/v2"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
)

const healthService = "grpc.health.v1.Health"

// healthMethods are gRPC's health service, which is served here rather than by grpc-go so that every wire
// has it. It knows the service by name, and the server as a whole by the empty name. Watch is left out, as
// the protocol allows.
func healthMethods(ready func(context.Context) bool) []connect.Method {
	schema := healthv1.File_grpc_health_v1_health_proto.Services().ByName("Health").Methods()
	return []connect.Method{{
		Spec: connect.Spec{
			StreamType:       connect.StreamTypeUnary,
			IdempotencyLevel: connect.IdempotencyNoSideEffects,
			Procedure:        healthv1.Health_Check_FullMethodName,
			Schema:           schema.ByName("Check"),
		},
		Handler: func(ctx context.Context, _ connect.Spec, stream connect.ServerStream) error {
			var request healthv1.HealthCheckRequest
			if err := stream.Receive(&request); err != nil {
				return err
			}
			if name := request.GetService(); name != "" && name != keyvaluev1connect.KeyValueServiceName {
				return connect.Errorf(connect.CodeNotFound, "no service %q here", name)
			}
			status := healthv1.HealthCheckResponse_NOT_SERVING
			if ready(ctx) {
				status = healthv1.HealthCheckResponse_SERVING
			}
			return stream.Send(&healthv1.HealthCheckResponse{Status: status})
		},
	}}
}
