package e2e_test

import (
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestABodyIsNeverTakenForARequest sends bodies that look like further requests, and that the server rejects without
// reading them to their end. Answering those would let a caller smuggle requests past a proxy.
func TestABodyIsNeverTakenForARequest(t *testing.T) {
	inner := "GET /health HTTP/1.1\r\nHost: inner\r\nConnection: close\r\n\r\n"
	d := twoProcesses(t)
	for _, server := range []struct {
		name string
		addr string
	}{{"gateway", d.gateway.Addr}, {"kvservice", d.service.Addr}} {
		for _, test := range []struct {
			name, request, headers string
		}{
			{"Connect", "POST " + service + "Set", jsonBody},
			{"Connect with a wrong key", "POST " + service + "Set", jsonBody + "\r\nX-Api-Key: wrong"},
			{"Connect with an unknown type", "POST " + service + "Set", "Content-Type: image/png"},
			{"gRPC-Web", "POST " + service + "Set", "Content-Type: application/grpc-web+json"},
			{"unknown RPC", "POST " + service + "Nothing", jsonBody},
			{"REST", "PUT /v1/values/a", textBody},
			{"REST with JSON", "PUT /v1/values", jsonBody},
			{"REST with an unknown type", "PUT /v1/values/a", "Content-Type: image/png"},
			{"REST with a wrong key", "PUT /v1/values/a", textBody + "\r\nX-Api-Key: wrong"},
			{"probe", "GET /readyz", textBody},
			{"nowhere", "POST /nowhere", textBody},
		} {
			for _, length := range []int{len(inner), 300_000, 8 * mebibyte} {
				t.Run(server.name+" "+test.name+" "+strconv.Itoa(length), func(t *testing.T) {
					t.Parallel()
					body := strings.Repeat(" ", length%len(inner)) + strings.Repeat(inner, length/len(inner))
					head := test.request + " HTTP/1.1\r\nHost: outer\r\n" + test.headers + "\r\nContent-Length: " + strconv.Itoa(length) + "\r\n"
					if !strings.Contains(head, "X-Api-Key") {
						head += "X-Api-Key: " + apiKey + "\r\nAuthorization: Bearer " + serviceToken + "\r\n"
					}
					answers := strings.Count(exchangeRaw(t, server.addr, head+"\r\n"+body), "HTTP/1.1 ")
					if answers > 1 {
						t.Errorf("%d responses to one request", answers)
					}
				})
			}
		}
	}
}

// exchangeRaw sends a request and returns everything received until the server closes the connection or is silent for a
// while.
func exchangeRaw(t *testing.T, addr, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The server may close the connection before it has read everything. Then writing fails, which is fine.
	go func() { _, _ = io.WriteString(conn, request) }()
	var answer strings.Builder
	buffer := make([]byte, 1<<16)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buffer)
		answer.Write(buffer[:n])
		if err != nil {
			return answer.String()
		}
	}
}
