// Package tlsfiles configures TLS with certificates, keys and authorities from files. When the files change, new
// connections use their new contents; open connections stay as they are. Package follow says when a change is used.
package tlsfiles

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"key-value/internal/follow"
)

// Pair is a certificate and its key.
type Pair struct{ *follow.Files[tls.Certificate] }

// OpenPair reads a certificate and its key, both as PEM. Intermediate certificates follow the certificate in its file.
// The certificate may be expired or not yet valid: see [Pair.Check].
func OpenPair(certFile, keyFile string) (Pair, error) {
	files, err := follow.Open(follow.Config[tls.Certificate]{
		Paths: []string{certFile, keyFile},
		Parse: func(contents [][]byte) (*tls.Certificate, error) {
			pair, err := tls.X509KeyPair(contents[0], contents[1])
			if err != nil {
				return nil, fmt.Errorf("%s and %s: %w", certFile, keyFile, err)
			}
			return &pair, nil
		},
		Check: check,
	})
	return Pair{files}, err
}

// Check returns an error unless the certificate is valid now.
func (p Pair) Check() error { return check(p.Load()) }

func check(pair *tls.Certificate) error {
	switch now, leaf := time.Now(), pair.Leaf; {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("the certificate expired on %v", leaf.NotAfter)
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("the certificate is not valid before %v", leaf.NotBefore)
	}
	return nil
}

// Authorities are the certificate authorities that may issue the certificates of peers.
type Authorities struct{ *follow.Files[x509.CertPool] }

// OpenAuthorities reads the certificates of authorities, as PEM.
func OpenAuthorities(file string) (Authorities, error) {
	files, err := follow.Open(follow.Config[x509.CertPool]{
		Paths: []string{file},
		Parse: func(contents [][]byte) (*x509.CertPool, error) {
			pool := x509.NewCertPool()
			if !pool.AppendCertsFromPEM(contents[0]) {
				return nil, fmt.Errorf("%s: no certificate in PEM", file)
			}
			return pool, nil
		},
	})
	return Authorities{files}, err
}

// Server returns the configuration of a server of HTTP/2 and HTTP/1.1 with the certificate pair. If clients is not nil,
// the server rejects clients without a certificate from one of these authorities.
func Server(pair Pair, clients *Authorities) *tls.Config {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The suites of TLS 1.2 that HTTP/2 allows. Those of TLS 1.3 are not configurable.
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return pair.Load(), nil
		},
	}
	if clients == nil {
		return config
	}
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.SessionTicketsDisabled = true // a resumed session would skip the check of the client's certificate
	template := config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		config := template.Clone()
		config.ClientCAs = clients.Load()
		return config, nil
	}
	return config
}

// Client returns the configuration of a client of host. The server's certificate must be from one of authorities; nil
// means those of the system. If the server asks for a certificate, the client sends pair unless that is nil.
func Client(host string, authorities *Authorities, pair *Pair) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if authorities != nil {
		// RootCAs could not change later, so the verification that crypto/tls skips here is done in verify.
		config.InsecureSkipVerify = true
		config.VerifyConnection = func(state tls.ConnectionState) error {
			return verify(state, host, authorities.Load())
		}
	}
	if pair != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return pair.Load(), nil
		}
	}
	return config
}

var errNoHost = errors.New("no host to verify the server's certificate for")

// verify verifies a server's certificate as crypto/tls does. The state has the server's name only if that is not an IP
// address, so host is needed too.
func verify(state tls.ConnectionState, host string, authorities *x509.CertPool) error {
	options := x509.VerifyOptions{
		Roots: authorities, Intermediates: x509.NewCertPool(), DNSName: cmp.Or(state.ServerName, host),
	}
	if options.DNSName == "" { // would match any host
		return errNoHost
	}
	for _, cert := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(cert)
	}
	if _, err := state.PeerCertificates[0].Verify(options); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
	}
	return nil
}
