package wiretest

import (
	"crypto/tls"
	"sync"
	"testing"

	"key-value/internal/follow/tlsfiles"
	"key-value/internal/testkit/tlstest"
)

var once struct {
	sync.Mutex
	authority *tlstest.Authority // made on first use; guarded by Mutex
}

// authority signs the certificates of all servers of this package, and all its clients trust it.
func authority(t testing.TB) *tlstest.Authority {
	once.Lock()
	defer once.Unlock()
	if once.authority == nil {
		once.authority = tlstest.NewAuthority(t)
	}
	return once.authority
}

// ServerTLS returns a server configuration whose certificate the clients of this package trust.
func ServerTLS(t testing.TB) *tls.Config {
	t.Helper()
	pair, err := tlsfiles.OpenPair(authority(t).Files(t, tlstest.Leaf{}))
	if err != nil {
		t.Fatal(err)
	}
	return tlsfiles.Server(pair, nil)
}

// ClientTLS returns a client configuration that trusts the servers of this package.
func ClientTLS(t testing.TB) *tls.Config {
	return &tls.Config{RootCAs: authority(t).Pool(), MinVersion: tls.VersionTLS12}
}
