package cli

import (
	"testing"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"key-value/internal/testkit/wiretest"
)

// Responses of net/http have a date header, those of grpc-go do not.
func TestGRPCIsServedByGRPCGoByDefault(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want bool
	}{
		"kvservice":      {[]string{"kvservice"}, true},
		"kvservice, off": {[]string{"kvservice", "--fast-grpc=false"}, false},
		"serve":          {[]string{"serve"}, true},
		"serve, off":     {[]string{"serve", "--fast-grpc=false"}, false},
		"gateway":        {[]string{"gateway"}, true},
		"gateway, off":   {[]string{"gateway", "--fast-grpc=false"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var header metadata.MD
			conn := wiretest.GRPC(t, startKV(t, key, test.args...).url)
			err := conn.Invoke(t.Context(), healthv1.Health_Check_FullMethodName,
				&healthv1.HealthCheckRequest{}, &healthv1.HealthCheckResponse{}, grpc.Header(&header))
			if err != nil {
				t.Fatal(err)
			}
			if got := len(header.Get("date")) == 0; got != test.want {
				t.Errorf("served by grpc-go: %v, want %v", got, test.want)
			}
		})
	}
}
