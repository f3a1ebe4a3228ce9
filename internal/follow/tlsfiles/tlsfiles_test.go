package tlsfiles_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"key-value/internal/follow"
	"key-value/internal/follow/tlsfiles"
	"key-value/internal/testkit/tlstest"
)

// shown does a handshake and returns the common name of the server's certificate. Its error has that of the server,
// which tells why the client failed.
func shown(t *testing.T, server, client *tls.Config) (string, error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	for _, end := range []net.Conn{a, b} { // an end may write an alert that the other does not read
		_ = end.SetDeadline(time.Now().Add(time.Second))
	}
	failed := make(chan error, 1)
	go func() { failed <- tls.Server(a, server).HandshakeContext(t.Context()) }()
	conn := tls.Client(b, client)
	clientErr := conn.HandshakeContext(t.Context())
	if clientErr == nil {
		go func() { _, _ = conn.Read(make([]byte, 1)) }() // the server's verdict on the client's certificate
	}
	if err := <-failed; err != nil || clientErr != nil {
		return "", errors.Join(err, clientErr)
	}
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

// wantShown checks that the server sends a certificate for name.
func wantShown(t *testing.T, server, client *tls.Config, name string) {
	t.Helper()
	if got, err := shown(t, server, client); err != nil || got != name {
		t.Errorf("the server's certificate = %q, %v; want %q", got, err, name)
	}
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// take returns what was logged since the last call.
func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.text.Reset()
	return j.text.String()
}

func TestANewPairIsUsedWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		authority := tlstest.NewAuthority(t)
		cert, key := authority.Files(t, tlstest.Leaf{Name: "old"})
		pair, err := tlsfiles.OpenPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		var log journal
		stop := follow.Start(slog.New(slog.NewTextHandler(&log, nil)), pair)
		server, client := tlsfiles.Server(pair, nil), trusting(t, authority, nil)
		pass := func() { time.Sleep(2 * time.Second); synctest.Wait() } // in the bubble
		wantShown(t, server, client, "old")
		good, err := os.ReadFile(key)
		if err != nil {
			t.Fatal(err)
		}
		for name, spoil := range map[string]func() error{
			"half of it": func() error { return os.WriteFile(key, good[:20], 0o600) },
			"the key of another": func() error {
				authority.Rewrite(t, filepath.Join(t.TempDir(), "cert"), key, tlstest.Leaf{})
				return nil
			},
			"an expired certificate": func() error { authority.Rewrite(t, cert, key, tlstest.Leaf{Ended: true}); return nil },
			"no file":                func() error { return os.Remove(key) },
		} {
			log.take()
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			pass()
			pass()
			wantShown(t, server, client, "old")
			logged := log.take()
			if got := strings.Count(logged, "level=ERROR"); got != 1 {
				t.Errorf("%s is logged %d times, want once:\n%s", name, got, logged)
			}
		}
		authority.Rewrite(t, cert, key, tlstest.Leaf{Name: "new"})
		pass()
		wantShown(t, server, client, "new")
		stop()
	})
}

// Kubernetes replaces a directory through a symbolic link, so the time stamps of the new files can be older.
func TestAPairMayBeReplacedThroughALink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		authority := tlstest.NewAuthority(t)
		link := filepath.Join(t.TempDir(), "current")
		point := func(name string) {
			cert, _ := authority.Files(t, tlstest.Leaf{Name: name})
			if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Dir(cert), link); err != nil {
				t.Fatal(err)
			}
		}
		point("old")
		pair, err := tlsfiles.OpenPair(filepath.Join(link, "cert.pem"), filepath.Join(link, "key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		defer follow.Start(slog.New(slog.DiscardHandler), pair)()
		point("new")
		time.Sleep(2 * time.Second) // in the bubble
		synctest.Wait()
		wantShown(t, tlsfiles.Server(pair, nil), trusting(t, authority, nil), "new")
	})
}

func open(t *testing.T, authority *tlstest.Authority, leaf tlstest.Leaf) tlsfiles.Pair {
	t.Helper()
	pair, err := tlsfiles.OpenPair(authority.Files(t, leaf))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// trusting returns a client of localhost that trusts authority and sends pair unless that is nil.
func trusting(t *testing.T, authority *tlstest.Authority, pair *tlsfiles.Pair) *tls.Config {
	t.Helper()
	trusted, err := tlsfiles.OpenAuthorities(authority.File(t))
	if err != nil {
		t.Fatal(err)
	}
	return tlsfiles.Client("localhost", &trusted, pair)
}

func TestFilesWithoutACertificateAreRejected(t *testing.T) {
	t.Parallel()
	authority := tlstest.NewAuthority(t)
	cert, key := authority.Files(t, tlstest.Leaf{})
	_, other := authority.Files(t, tlstest.Leaf{})
	for name, files := range map[string][2]string{
		"no such file": {cert + ".x", key}, "the key of another": {cert, other}, "certificate and key swapped": {key, cert},
	} {
		if _, err := tlsfiles.OpenPair(files[0], files[1]); err == nil || !strings.Contains(err.Error(), ".pem") {
			t.Errorf("%s: %v, want an error that names the file", name, err)
		}
	}
	for _, file := range []string{key, cert + ".x"} {
		if _, err := tlsfiles.OpenAuthorities(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("authorities in %s: %v, want an error that names it", file, err)
		}
	}
}

func TestCheckTellsWhetherACertificateIsValid(t *testing.T) {
	t.Parallel()
	authority := tlstest.NewAuthority(t)
	if err := open(t, authority, tlstest.Leaf{Ended: true}).Check(); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("Check of an expired certificate = %v", err)
	}
	if err := open(t, authority, tlstest.Leaf{}).Check(); err != nil {
		t.Errorf("Check = %v", err)
	}
}
