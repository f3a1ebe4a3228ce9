package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
	"key-value/test/record"
)

// restPeer is a server with an HTTP API.
type restPeer struct {
	name    string
	server  string // the server to start
	dialect dialect
}

func (b *bench) restPeers() []restPeer {
	if b.before != "" {
		return []restPeer{
			{oneProcess, oneProcess, ours},
			{before(oneProcess), before(oneProcess), ours},
			{twoProcesses, twoProcesses, ours},
			{before(twoProcesses), before(twoProcesses), ours},
		}
	}
	return []restPeer{
		{oneProcess, oneProcess, ours},
		{twoProcesses, twoProcesses, ours},
		{unbatched, unbatched, ours},
		{asBuilt, asBuilt, ours},
		{webdis, webdis, webdisDialect},
		{etcdJSON, etcd, etcdDialect},
	}
}

// rest measures gets and sets over HTTP/1.1, of all entries in random order.
func (b *bench) rest(ctx context.Context) ([]outcome, error) {
	var comparisons []comparison
	for _, scenario := range []string{restGet, restSet} {
		for _, connections := range b.connections {
			c := comparison{scenario: scenario, setting: count(connections, "connection"), unit: "requests/s"}
			for _, peer := range b.restPeers() {
				c.contenders = append(c.contenders, b.restContender(peer.name, peer.server, peer.dialect, scenario, connections))
			}
			comparisons = append(comparisons, c)
		}
	}
	return b.compare(ctx, comparisons)
}

func (b *bench) restContender(name, server string, d dialect, scenario string, connections int) contender {
	return contender{
		name: name,
		prepare: func(ctx context.Context) error {
			if err := load.Installed("wrk"); err != nil {
				return err
			}
			addr, err := b.servers.addr(ctx, server)
			if err != nil {
				return err
			}
			return d.check(ctx, addr)
		},
		measure: func(ctx context.Context, round int, duration time.Duration) (float64, error) {
			addr, err := b.servers.addr(ctx, server)
			if err != nil {
				return 0, err
			}
			requests, err := b.servers.requests(d, scenario, dataset.Entries)
			if err != nil {
				return 0, err
			}
			first := round * dataset.Entries / (b.rounds + 1)
			return load.Wrk(ctx, addr, requests, first, connections, duration)
		},
	}
}

// requests returns a file of requests that read or write a sample of n entries in random order.
func (s *servers) requests(d dialect, scenario string, n int) (load.Requests, error) {
	name := d.name + " " + scenario + " " + record.Thousands(n)
	file := load.NewRequests(s.dir, name)
	_, err := s.do("requests "+name, func() (string, error) {
		one := d.get
		if scenario == restSet {
			one = d.set
		}
		var all []string
		for _, i := range dataset.Sample(dataset.Entries, n) {
			all = append(all, one(i))
		}
		return "", file.Write(all)
	})
	return file, err
}

// dialect is the HTTP API of a kind of server.
type dialect struct {
	name     string
	get, set func(i int) string // the request that reads or writes entry i
	holds    func(i int) string // what the response to get contains
}

// ours is the REST API of our store and of asbuilt.
var ours = dialect{
	name: "values",
	get: func(i int) string {
		return request("GET", "/v1/values/"+dataset.Key(i), "", "", "X-Api-Key: "+apiKey)
	},
	set: func(i int) string {
		body := fmt.Sprintf(`{"key":"%s","value":"%s"}`, dataset.Key(i), dataset.Value(i))
		return request("PUT", "/v1/values", "application/json", body, "X-Api-Key: "+apiKey)
	},
	holds: dataset.Value,
}

var webdisDialect = dialect{
	name:  "webdis",
	get:   func(i int) string { return request("GET", "/GET/"+dataset.Key(i), "", "") },
	set:   func(i int) string { return request("PUT", "/SET/"+dataset.Key(i), "text/plain", dataset.Value(i)) },
	holds: dataset.Value,
}

var etcdDialect = dialect{
	name: "etcd",
	get: func(i int) string {
		return request("POST", "/v3/kv/range", "application/json", fmt.Sprintf(`{"key":"%s"}`, base(dataset.Key(i))))
	},
	set: func(i int) string {
		body := fmt.Sprintf(`{"key":"%s","value":"%s"}`, base(dataset.Key(i)), base(dataset.Value(i)))
		return request("POST", "/v3/kv/put", "application/json", body)
	},
	holds: func(i int) string { return base(dataset.Value(i)) },
}

func base(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func request(method, path, contentType, body string, headers ...string) string {
	headers = append([]string{method + " " + path + " HTTP/1.1", "Host: 127.0.0.1"}, headers...)
	if body != "" {
		headers = append(headers, "Content-Type: "+contentType, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	return strings.Join(headers, "\r\n") + "\r\n\r\n" + body
}

// check returns an error unless the server at addr carries out a set and answers a get with the value.
func (d dialect) check(ctx context.Context, addr string) error {
	const entry = dataset.Entries - 1
	if _, err := exchange(ctx, addr, d.set(entry)); err != nil {
		return err
	}
	body, err := exchange(ctx, addr, d.get(entry))
	if err != nil {
		return err
	}
	if !strings.Contains(body, d.holds(entry)) {
		return fmt.Errorf("a get returned %s", body)
	}
	return nil
}

// exchange sends a request and returns the body of the response, whose status must be 2xx.
func exchange(ctx context.Context, addr, request string) (string, error) {
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, request); err != nil {
		return "", err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	return string(body), err
}
