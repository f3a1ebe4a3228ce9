package tlsfiles_test

import (
	"crypto/tls"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"key-value/internal/follow"
	"key-value/internal/follow/tlsfiles"
	"key-value/internal/testkit/tlstest"
)

func TestClientsNeedACertificateOfAnAuthority(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		servers, clients, others := tlstest.NewAuthority(t), tlstest.NewAuthority(t), tlstest.NewAuthority(t)
		trusted, err := tlsfiles.OpenAuthorities(clients.File(t))
		if err != nil {
			t.Fatal(err)
		}
		server := tlsfiles.Server(open(t, servers, tlstest.Leaf{Name: "server"}), &trusted)
		known, unknown, ended := open(t, clients, tlstest.Leaf{}), open(t, others, tlstest.Leaf{}), open(t, clients, tlstest.Leaf{Ended: true})
		wantShown(t, server, trusting(t, servers, &known), "server")
		for why, pair := range map[string]*tlsfiles.Pair{
			"didn't provide a certificate": nil, "signed by unknown authority": &unknown, "has expired": &ended,
		} {
			if _, err := shown(t, server, trusting(t, servers, pair)); err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("the handshake = %v, want it to say %q", err, why)
			}
		}
	})
}

func TestTheAuthoritiesOfClientsMayChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		before, after := tlstest.NewAuthority(t), tlstest.NewAuthority(t)
		file, client := before.File(t), open(t, after, tlstest.Leaf{})
		trusted, err := tlsfiles.OpenAuthorities(file)
		if err != nil {
			t.Fatal(err)
		}
		defer follow.Start(slog.New(slog.DiscardHandler), trusted)()
		server := tlsfiles.Server(open(t, before, tlstest.Leaf{Name: "server"}), &trusted)
		if _, err := shown(t, server, trusting(t, before, &client)); err == nil {
			t.Error("a client of another authority is accepted")
		}
		if err := os.Rename(after.File(t), file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second) // in the bubble
		synctest.Wait()
		wantShown(t, server, trusting(t, before, &client), "server")
	})
}

func TestTheAuthoritiesOfServersMayChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		before, after := tlstest.NewAuthority(t), tlstest.NewAuthority(t)
		file := before.File(t)
		trusted, err := tlsfiles.OpenAuthorities(file)
		if err != nil {
			t.Fatal(err)
		}
		var log journal
		defer follow.Start(slog.New(slog.NewTextHandler(&log, nil)), trusted)()
		pass := func() { time.Sleep(2 * time.Second); synctest.Wait() } // in the bubble
		client := tlsfiles.Client("localhost", &trusted, nil)
		old := tlsfiles.Server(open(t, before, tlstest.Leaf{Name: "old"}), nil)
		wantShown(t, old, client, "old")
		if err := os.WriteFile(file, []byte("half of it"), 0o600); err != nil {
			t.Fatal(err)
		}
		pass()
		wantShown(t, old, client, "old")
		if logged := log.take(); strings.Count(logged, "level=ERROR") != 1 {
			t.Errorf("a file without certificates is logged as %q, want one error", logged)
		}
		if err := os.Rename(after.File(t), file); err != nil {
			t.Fatal(err)
		}
		pass()
		wantShown(t, tlsfiles.Server(open(t, after, tlstest.Leaf{Name: "new"}), nil), client, "new")
		if _, err := shown(t, old, client); err == nil || !strings.Contains(err.Error(), "unknown authority") {
			t.Errorf("the handshake with a server of the old authority = %v, want an error", err)
		}
	})
}

func TestAServersCertificateMustNameItsHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		authority := tlstest.NewAuthority(t)
		trusted, err := tlsfiles.OpenAuthorities(authority.File(t))
		if err != nil {
			t.Fatal(err)
		}
		for name, test := range map[string]struct {
			host string
			leaf tlstest.Leaf
			want string // in the error; empty: no error
		}{
			"a name":                 {"a.test", tlstest.Leaf{Hosts: []string{"a.test"}}, ""},
			"another name":           {"a.test", tlstest.Leaf{Hosts: []string{"b.test"}}, "not a.test"},
			"an address":             {"127.0.0.1", tlstest.Leaf{Hosts: []string{"127.0.0.1"}}, ""},
			"another address":        {"127.0.0.1", tlstest.Leaf{Hosts: []string{"127.0.0.2"}}, "not 127.0.0.1"},
			"an IPv6 address":        {"::1", tlstest.Leaf{Hosts: []string{"::1"}}, ""},
			"another IPv6 address":   {"::1", tlstest.Leaf{Hosts: []string{"::2", "a.test"}}, "not ::1"},
			"no host":                {"", tlstest.Leaf{}, "no host"},
			"an expired certificate": {"localhost", tlstest.Leaf{Ended: true}, "expired"},
		} {
			server := tlsfiles.Server(open(t, authority, test.leaf), nil)
			for _, sent := range []string{"", test.host} { // net/http sets it; crypto/tls sends it if it is a name
				client := tlsfiles.Client(test.host, &trusted, nil)
				client.ServerName = sent
				_, err := shown(t, server, client)
				if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s, sent %q: the handshake = %v, want %q", name, sent, err, test.want)
				}
			}
		}
	})
}

func TestAnIntermediateAuthorityIsTrusted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		root := tlstest.NewAuthority(t)
		between := root.Below(t)
		whole := between.Issue(t, tlstest.Leaf{Name: "far"})
		half := whole
		whole.Certificate = append(whole.Certificate, between.Raw())
		client := trusting(t, root, nil)
		wantShown(t, &tls.Config{Certificates: []tls.Certificate{whole}}, client, "far")
		if _, err := shown(t, &tls.Config{Certificates: []tls.Certificate{half}}, client); err == nil {
			t.Error("a certificate without its intermediate is accepted")
		}
	})
}
