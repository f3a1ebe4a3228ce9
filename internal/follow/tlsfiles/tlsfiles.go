// Package tlsfiles speaks TLS with certificates, keys and authorities from files. What a server shows and whom it
// lets in, and what a client shows and whom it trusts, changes with the files while the program runs: new connections
// get what is new, and those that are open stay. If the files hold nothing good, what they held last stays in use.
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

// Check says whether the certificate is valid at this time.
func (p Pair) Check() error { return check(p.Load()) }

func check(pair *tls.Certificate) error {
	switch now, leaf := time.Now(), pair.Leaf; {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("the certificate has expired, on %v", leaf.NotAfter)
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("the certificate is not valid before %v", leaf.NotBefore)
	}
	return nil
}

// Authorities are the certificate authorities that a peer's certificate may be from.
type Authorities struct{ *follow.Files[x509.CertPool] }

// OpenAuthorities reads certificates of authorities as PEM.
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

// Server returns how to serve HTTP/2 and HTTP/1.1 over TLS with pair. If clients is not nil, only they are let in who
// show a certificate of one of these authorities.
func Server(pair Pair, clients *Authorities) *tls.Config {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// For TLS 1.2, those that HTTP/2 allows. TLS 1.3 has its own.
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
	config.SessionTicketsDisabled = true // who comes back is looked at anew
	ofTheMoment := config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		config := ofTheMoment.Clone()
		config.ClientCAs = clients.Load()
		return config, nil
	}
	return config
}

// Client returns how to call host over TLS, whose certificate is from one of authorities; nil are those of the system. It
// shows pair, unless that is nil, to a server that asks for a certificate.
func Client(host string, authorities *Authorities, pair *Pair) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if authorities != nil {
		// RootCAs would be those of the beginning for ever. What is skipped here is done below.
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

var errNobody = errors.New("there is no host whose certificate it could be")

// verify checks a server's certificate as crypto/tls does. The state has the server's name, but not if that is an
// address, so host is needed as well.
func verify(state tls.ConnectionState, host string, authorities *x509.CertPool) error {
	options := x509.VerifyOptions{
		Roots: authorities, Intermediates: x509.NewCertPool(), DNSName: cmp.Or(state.ServerName, host),
	}
	if options.DNSName == "" { // which would be any
		return errNobody
	}
	for _, cert := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(cert)
	}
	if _, err := state.PeerCertificates[0].Verify(options); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
	}
	return nil
}
