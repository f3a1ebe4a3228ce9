package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/hop"
	"key-value/internal/observe/requestid"
)

// hopFlags are the flags for the connection from a gateway to its kvservice.
type hopFlags struct {
	service string // its URL
	trust   trust
}

func (h *hopFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&h.service, "service", "http://127.0.0.1:50051", "URL of the kvservice; https:// for TLS")
	h.trust.flags(cmd, "service-", "service-")
}

// dial returns a client of the kvservice. Stop closes its connections and waits for its goroutines.
func (s *daemon) dial(
	h *hopFlags, limiter *admission.Limiter,
) (client keyvaluev1connect.KeyValueServiceClient, stop func(), err error) {
	if h.trust.isSet() && !strings.HasPrefix(h.service, "https://") {
		return nil, nil, usageError{errors.New("--service-ca, --service-cert and --service-key require a --service at https://…")}
	}
	u, err := serviceURL(h.service)
	if err != nil {
		return nil, nil, fmt.Errorf("--service: %w", err)
	}
	config, err := h.trust.open(u)
	if err != nil {
		return nil, nil, err
	}
	s.follow(h.trust.followed...)
	service, err := hop.HTTP(u.String(), hop.HTTPConfig{TLS: config, MaxValueBytes: s.valueSize})
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("--service: %w", err)}
	}
	explainer := hop.NewExplainer(u, config, s.log)
	cfg := hop.Config{
		Log:        s.log,
		Limiter:    limiter,
		Retry:      true,
		Breaker:    true,
		Batch:      true,
		Gather:     s.gather,
		RequestID:  requestid.Pass,
		Explain:    explainer.Layer,
		Credential: hop.Bearer(s.getenv("KV_SERVICE_TOKEN")),
	}
	if s.metrics != nil {
		s.metrics.ForHop()
		cfg.Measure = s.metrics.Hop
	}
	if s.tracing != nil {
		cfg.Trace = s.tracing.Hop
	}
	return hop.NewClient(service, cfg), func() { service.CloseIdleConnections(); explainer.Wait() }, nil
}
