package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"key-value/internal/server"
	"key-value/internal/server/forwarded"
)

// A lane knows the caller behind a trusted proxy, and believes nobody else.
func TestTheCallerBehindATrustedProxyIsKnown(t *testing.T) {
	t.Parallel()
	eachLane(t, lanes, func(t *testing.T, lane laneCase) {
		for _, test := range []struct {
			proxies string
			header  []string
			want    string // empty: the address of the connection
		}{
			{"127.0.0.1/32", nil, ""},
			{"127.0.0.1/32", []string{"X-Forwarded-For", "198.51.100.9, 192.0.2.1"}, "192.0.2.1"},
			{"127.0.0.1/32", []string{"Forwarded", `for="[2001:db8::1]:4711"`}, "2001:db8::1"},
			{"127.0.0.1/32", []string{"X-Forwarded-For", "192.0.2.1", "Forwarded", "for=198.51.100.9"}, ""},
			{"127.0.0.1/32", []string{"X-Real-Ip", "192.0.2.1"}, ""},
			{"127.0.0.2/32", []string{"X-Forwarded-For", "192.0.2.1"}, ""},
			{"", []string{"X-Forwarded-For", "192.0.2.1"}, ""},
		} {
			t.Run(fmt.Sprint(test.proxies, test.header), func(t *testing.T) {
				var proxies forwarded.Proxies
				if test.proxies != "" {
					proxies = append(proxies, netip.MustParsePrefix(test.proxies))
				}
				transport := lane.transport(t, start(t, server.Config{Proxies: proxies}).url)
				callWho(t, transport) // grpc-go gets only connections that begin without such a header
				stack, caller := callWhoFrom(t, transport, test.header...)
				if stack != lane.server {
					t.Errorf("the call was served by %s, want %s", stack, lane.server)
				}
				if caller != test.want && (test.want != "" || !strings.HasPrefix(caller, "127.0.0.1:")) {
					t.Errorf("the caller is %q, want %q", caller, test.want)
				}
			})
		}
	})
}

// A proxy may add a line of its own to those that its caller sent.
func TestALineOfAProxyCountsAfterThoseOfItsCaller(t *testing.T) {
	t.Parallel()
	s := start(t, server.Config{
		Proxies: forwarded.Proxies{netip.MustParsePrefix("127.0.0.1/32")},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) }),
	})
	conn := dialTCP(t, s.addr)
	answers := bufio.NewReader(conn)
	for lines, want := range map[string]string{
		"X-Forwarded-For: 198.51.100.9\r\nX-Forwarded-For: 192.0.2.1\r\n": "192.0.2.1",
		"x-forwarded-for: 198.51.100.9\r\nX-FORWARDED-FOR: 192.0.2.2\r\n": "192.0.2.2",
		"Forwarded: for=198.51.100.9\r\nForwarded: for=192.0.2.3\r\n":     "192.0.2.3",
		"X-Forwarded-For: 192.0.2.4\r\n":                                  "192.0.2.4",
		"":                                                                conn.LocalAddr().String(),
	} {
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n"+lines+"\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(res.Body); err != nil || string(got) != want {
			t.Errorf("with %q, the caller is %q, %v; want %q", lines, got, err, want)
		}
	}
}
