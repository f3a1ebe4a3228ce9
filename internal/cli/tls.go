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

// pairFlags name the files of a certificate and its key. Empty: there is none.
type pairFlags struct {
	certName, keyName string // of the flags
	cert, key         string // the files
}

func (p *pairFlags) flags(cmd *cobra.Command, certName, certUsage, keyName, keyUsage string) {
	p.certName, p.keyName = certName, keyName
	cmd.Flags().StringVar(&p.cert, certName, "", certUsage)
	cmd.Flags().StringVar(&p.key, keyName, "", keyUsage)
}

// open returns the pair, or nil if there is none.
func (p *pairFlags) open() (*tlsfiles.Pair, error) {
	switch {
	case p.cert == "" && p.key == "":
		return nil, nil
	case p.cert == "" || p.key == "":
		return nil, usageError{fmt.Errorf("--%s and --%s go together", p.certName, p.keyName)}
	}
	pair, err := tlsfiles.OpenPair(p.cert, p.key)
	if err != nil {
		return nil, fmt.Errorf("--%s, --%s: %w", p.certName, p.keyName, err)
	}
	return &pair, nil
}

// openTLS reads what the server needs to speak TLS, if it is to.
func (s *daemon) openTLS() error {
	pair, err := s.pair.open()
	switch {
	case err != nil:
		return err
	case pair == nil && s.clientCA != "":
		return usageError{errors.New("--tls-client-ca is of no use without --tls-cert and --tls-key")}
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

// follow looks after files while the server runs.
func (s *daemon) follow(followed ...follow.Reloader) {
	for _, f := range followed {
		if pair, ok := f.(*tlsfiles.Pair); ok {
			if err := pair.Check(); err != nil {
				s.log.Warn("clients and servers will refuse this certificate", "error", err)
			}
		}
	}
	s.followed = append(s.followed, followed...)
}

// trust is whom a client believes, and what it shows.
type trust struct {
	caName string // of the flag
	ca     string // file of the authorities; empty: the system's
	pair   pairFlags

	followed []follow.Reloader // what was opened
}

// flags adds flags, whose names begin with prefixes.
func (t *trust) flags(cmd *cobra.Command, caPrefix, pairPrefix string) {
	t.caName = caPrefix + "ca"
	cmd.Flags().StringVar(&t.ca, t.caName, "", "file with the authorities to trust behind https, in PEM; empty: the system's")
	t.pair.flags(cmd, pairPrefix+"cert", "file with the certificate to show where one is asked for, in PEM",
		pairPrefix+"key", "file with that certificate's key, in PEM")
}

// isSet reports whether any of the flags is.
func (t *trust) isSet() bool { return t.ca != "" || t.pair.cert != "" || t.pair.key != "" }

// open returns how to speak TLS with the host of a URL.
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

// follow looks after the files that were opened until the function that it returns is called. A command that ends
// with an answer does without: its connection outlasts it.
func (t *trust) follow(log io.Writer) (stop func()) {
	return follow.Start(slog.New(slog.NewTextHandler(log, nil)), t.followed...)
}
