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
	authority *tlstest.Authority // made when first needed; guarded by Mutex
}

// authority signs for all servers of this package, so that all its clients can trust them.
func authority(t testing.TB) *tlstest.Authority {
	once.Lock()
	defer once.Unlock()
	if once.authority == nil {
		once.authority = tlstest.NewAuthority(t)
	}
	return once.authority
}

// ServerTLS returns how a server speaks TLS that the clients of this package trust.
func ServerTLS(t testing.TB) *tls.Config {
	t.Helper()
	pair, err := tlsfiles.OpenPair(authority(t).Files(t, tlstest.Leaf{}))
	if err != nil {
		t.Fatal(err)
	}
	return tlsfiles.Server(pair, nil)
}

// ClientTLS returns how a client speaks TLS that trusts the servers of this package.
func ClientTLS(t testing.TB) *tls.Config {
	return &tls.Config{RootCAs: authority(t).Pool(), MinVersion: tls.VersionTLS12}
}
