package cli

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"

	"github.com/spf13/cobra"

	"key-value/internal/follow"
	"key-value/internal/follow/tlsfiles"
)

// pairFlags are two flags for the files of a certificate and its private key. Both or neither must be set.
type pairFlags struct {
	certName, keyName string // names of the flags
	cert, key         string // file names; "" for none
}

func (p *pairFlags) flags(cmd *cobra.Command, certName, certUsage, keyName, keyUsage string) {
	p.certName, p.keyName = certName, keyName
	cmd.Flags().StringVar(&p.cert, certName, "", certUsage)
	cmd.Flags().StringVar(&p.key, keyName, "", keyUsage)
}

// open reads the pair, and returns nil if the flags are not set.
func (p *pairFlags) open() (*tlsfiles.Pair, error) {
	switch {
	case p.cert == "" && p.key == "":
		return nil, nil
	case p.cert == "" || p.key == "":
		return nil, usageError{fmt.Errorf("--%s and --%s must be set together", p.certName, p.keyName)}
	}
	pair, err := tlsfiles.OpenPair(p.cert, p.key)
	if err != nil {
		return nil, fmt.Errorf("--%s, --%s: %w", p.certName, p.keyName, err)
	}
	return &pair, nil
}

// openTLS reads the certificates of the server, if TLS is enabled.
func (s *daemon) openTLS() error {
	pair, err := s.pair.open()
	switch {
	case err != nil:
		return err
	case pair == nil && s.clientCA != "":
		return usageError{errors.New("--tls-client-ca requires --tls-cert and --tls-key")}
	case pair == nil:
		return nil
	}
	s.follow(pair)
	if s.clientCA == "" {
		s.tls = tlsfiles.Server(*pair, nil)
		return nil
	}
	clients, err := tlsfiles.OpenAuthorities(s.clientCA)
	if err != nil {
		return fmt.Errorf("--tls-client-ca: %w", err)
	}
	s.follow(clients)
	s.tls = tlsfiles.Server(*pair, &clients)
	return nil
}

// follow has files reloaded when they change, while the server runs. It logs certificates that peers will reject.
func (s *daemon) follow(followed ...follow.Reloader) {
	for _, f := range followed {
		if pair, ok := f.(*tlsfiles.Pair); ok {
			if err := pair.Check(); err != nil {
				s.log.Warn("peers will reject this certificate", "error", err)
			}
		}
	}
	s.followed = append(s.followed, followed...)
}

// trust holds the TLS settings of a client: the authorities it trusts and the certificate it presents.
type trust struct {
	caName string // name of the flag
	ca     string // file of trusted authorities; "" for the system's
	pair   pairFlags

	followed []follow.Reloader // the opened files
}

// flags adds the flags, whose names begin with the prefixes.
func (t *trust) flags(cmd *cobra.Command, caPrefix, pairPrefix string) {
	t.caName = caPrefix + "ca"
	cmd.Flags().StringVar(&t.ca, t.caName, "", "PEM `file` with trusted certificate authorities for https; empty: the system's")
	t.pair.flags(cmd, pairPrefix+"cert", "PEM `file` with the certificate to present if the server requests one",
		pairPrefix+"key", "PEM `file` with the private key for --"+pairPrefix+"cert")
}

// isSet reports whether any of the flags is set.
func (t *trust) isSet() bool { return t.ca != "" || t.pair.cert != "" || t.pair.key != "" }

// open returns the TLS configuration for the host of a URL.
func (t *trust) open(url *url.URL) (*tls.Config, error) {
	pair, err := t.pair.open()
	if err != nil {
		return nil, err
	}
	if pair != nil {
		t.followed = append(t.followed, pair)
	}
	if t.ca == "" {
		return tlsfiles.Client(url.Hostname(), nil, pair), nil
	}
	authorities, err := tlsfiles.OpenAuthorities(t.ca)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", t.caName, err)
	}
	t.followed = append(t.followed, authorities)
	return tlsfiles.Client(url.Hostname(), &authorities, pair), nil
}

// follow has the opened files reloaded when they change, until stop is called. Only commands that reconnect need it.
func (t *trust) follow(log io.Writer) (stop func()) {
	return follow.Start(slog.New(slog.NewTextHandler(log, nil)), t.followed...)
}
