// Package tlstest issues certificates for tests.
package tlstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority is a certificate authority.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Leaf describes a certificate.
type Leaf struct {
	// Name is the subject's common name. Empty: "test".
	Name string
	// Hosts are the server's names and addresses. None: localhost and the loopback addresses.
	Hosts []string
	// Ended makes a certificate that has expired.
	Ended bool
	// Usages are what the certificate is for. None: servers and clients.
	Usages []x509.ExtKeyUsage
}

// NewAuthority returns a new root authority.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{key: newKey(t)}
	template := authorityTemplate("test authority")
	a.cert = sign(t, template, template, a.key, a.key)
	return a
}

// Below returns an intermediate authority, signed by a.
func (a *Authority) Below(t testing.TB) *Authority {
	t.Helper()
	b := &Authority{key: newKey(t)}
	b.cert = sign(t, authorityTemplate("intermediate test authority"), a.cert, b.key, a.key)
	return b
}

// Raw is the authority's certificate in DER.
func (a *Authority) Raw() []byte { return a.cert.Raw }

// Pool returns a pool that contains only the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// File writes the authority's certificate to a file and returns its path.
func (a *Authority) File(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	write(t, path, "CERTIFICATE", a.cert.Raw)
	return path
}

// Issue returns a certificate.
func (a *Authority) Issue(t testing.TB, leaf Leaf) tls.Certificate {
	t.Helper()
	if leaf.Name == "" {
		leaf.Name = "test"
	}
	if leaf.Hosts == nil {
		leaf.Hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	template := template(leaf.Name)
	if template.ExtKeyUsage = leaf.Usages; leaf.Usages == nil {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	for _, host := range leaf.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if leaf.Ended {
		template.NotAfter = time.Now().Add(-time.Minute)
	}
	key := newKey(t)
	cert := sign(t, template, a.cert, key, a.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// Files issues a certificate and returns the paths of the files with it and its key.
func (a *Authority) Files(t testing.TB, leaf Leaf) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	a.Rewrite(t, certFile, keyFile, leaf)
	return certFile, keyFile
}

// Rewrite issues a new certificate into the same files.
func (a *Authority) Rewrite(t testing.TB, certFile, keyFile string, leaf Leaf) {
	t.Helper()
	cert := a.Issue(t, leaf)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, "CERTIFICATE", cert.Certificate[0])
	write(t, keyFile, "PRIVATE KEY", key)
}

func authorityTemplate(name string) *x509.Certificate {
	template := template(name)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	return template
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func write(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
