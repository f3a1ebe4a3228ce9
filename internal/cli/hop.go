package cli

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"connectrpc.com/connect/v2"
	"github.com/spf13/cobra"

	"key-value/client"
	"key-value/internal/hop"
)

// hopFlags are how a gateway reaches its kvservice.
type hopFlags struct {
	service string // its URL
	trust   trust
}

func (h *hopFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&h.service, "service", "http://127.0.0.1:50051", "where the kvservice is; with https it is reached by TLS")
	h.trust.flags(cmd, "service-", "service-")
}

// dial returns a transport to the kvservice.
func (s *daemon) dial(h *hopFlags) (connect.Transport, error) {
	if h.trust.isSet() && !strings.HasPrefix(h.service, "https://") {
		return nil, usageError{errors.New("--service-ca, --service-cert and --service-key are for a --service at https://…")}
	}
	u, err := url.Parse(h.service)
	if err != nil {
		return nil, usageError{fmt.Errorf("--service: %w", err)}
	}
	config, err := h.trust.open(u)
	if err != nil {
		return nil, err
	}
	s.follow(h.trust.followed...)
	explainer := hop.NewExplainer(s.log, &s.background, u, config)
	options := []client.Option{
		client.WithMaxValueBytes(s.valueSize),
		client.WithRequests(func(next connect.Transport) connect.Transport { return s.hop(explainer.Over(next)) }),
		client.WithGather(s.gather),
		client.WithBreaker(),
		client.WithOverloadPassedOn(), // whoever calls the gateway can wait, and is told for how long
		client.WithTLS(config),
	}
	if token := s.getenv("KV_SERVICE_TOKEN"); token != "" {
		options = append(options, client.WithBearer(token))
	}
	transport, err := client.NewTransport(h.service, options...)
	if err != nil {
		return nil, usageError{fmt.Errorf("--service: %w", err)}
	}
	return transport, nil
}
