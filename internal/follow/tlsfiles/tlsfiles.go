// Package tlsfiles speaks TLS with certificates, keys and authorities from files. What a server shows and whom it
// lets in, and what a client shows and whom it trusts, changes with the files while the program runs: new connections
// get what is new, and those that are open stay. If the files hold nothing good, what they held last stays in use.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Pair is a certificate and its key.
type Pair struct{ *followed[tls.Certificate] }

// OpenPair reads a certificate, with those that lead from it to an authority behind it, and its key, both as PEM. It
// may be one that is not valid now: [Pair.Check] says so.
func OpenPair(certFile, keyFile string) (Pair, error) {
	f := &followed[tls.Certificate]{files: []string{certFile, keyFile}, replace: check}
	f.parse = func(contents [][]byte) (*tls.Certificate, error) {
		pair, err := tls.X509KeyPair(contents[0], contents[1])
		if err != nil {
			return nil, fmt.Errorf("%s and %s: %w", certFile, keyFile, err)
		}
		return &pair, nil
	}
	return Pair{f}, f.open()
}

// Check says whether the certificate is valid at this time.
func (p Pair) Check() error { return check(p.current.Load()) }

func check(pair *tls.Certificate) error {
	switch now, leaf := time.Now(), pair.Leaf; {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("the certificate has expired, on %v", leaf.NotAfter)
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("the certificate is not valid before %v", leaf.NotBefore)
	}
	return nil
}

// Authorities are those whose certificates are trusted.
type Authorities struct{ *followed[x509.CertPool] }

// OpenAuthorities reads certificates as PEM.
func OpenAuthorities(file string) (Authorities, error) {
	f := &followed[x509.CertPool]{files: []string{file}}
	f.parse = func(contents [][]byte) (*x509.CertPool, error) {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(contents[0]) {
			return nil, fmt.Errorf("%s: %w", file, errNone)
		}
		return pool, nil
	}
	return Authorities{f}, f.open()
}

var errNone = errors.New("there is no certificate in it")
