package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
)

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
			return pair.current.Load(), nil
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
		config.ClientCAs = clients.current.Load()
		return config, nil
	}
	return config
}

// Client returns how to call a server over TLS whose certificate is from one of authorities; nil are those of the
// system. It shows pair, unless that is nil, to a server that asks for a certificate.
func Client(authorities *x509.CertPool, pair *Pair) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities}
	if pair != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return pair.current.Load(), nil
		}
	}
	return config
}
