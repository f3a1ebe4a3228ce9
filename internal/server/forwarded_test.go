package server_test

import (
	"fmt"
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
