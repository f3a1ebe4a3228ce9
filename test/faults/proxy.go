package main

import (
	"context"
	"fmt"
	"net"
	"strings"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// proxy stands on a way between two processes, and spoils it.
type proxy struct {
	*toxiproxy.Proxy
}

// newProxy passes on from a free port of listen, which is an IP address, to upstream.
func newProxy(name, listen, upstream string) (*proxy, error) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics have a logger of their own
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &proxy{toxiproxy.NewProxy(server, name, net.JoinHostPort(listen, "0"), upstream)}
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("proxy %s: %w", name, err)
	}
	return p, nil
}

// poison adds a toxic to both directions. Attributes are those of toxiproxy, in JSON.
func (p *proxy) poison(kind, attributes string) error {
	for _, stream := range []string{"upstream", "downstream"} {
		toxic := fmt.Sprintf(`{"type":%q,"stream":%q,"attributes":%s}`, kind, stream, attributes)
		if _, err := p.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			return fmt.Errorf("proxy %s: %s: %w", p.Name, kind, err)
		}
	}
	return nil
}

// heal takes all toxics off.
func (p *proxy) heal() { p.Toxics.ResetToxics(context.Background()) }
