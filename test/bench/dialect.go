package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"key-value/gen/keyvalue/v1/keyvaluev1connect"
)

// dialect is the HTTP API of a kind of server.
type dialect struct {
	name  string
	get   func(key string) string        // the request that reads an entry
	set   func(key, value string) string // the request that writes one; nil: the server has one response to all
	holds func(value string) string      // what the response to get contains
}

// ours is the REST API of our store and of asbuilt.
var ours = dialect{
	name: "values",
	get: func(key string) string {
		return request("GET", "/v1/values/"+key, "", "", "X-Api-Key: "+apiKey)
	},
	set: func(key, value string) string {
		return request("PUT", "/v1/values", jsonType, fmt.Sprintf(`{"key":"%s","value":"%s"}`, key, value), "X-Api-Key: "+apiKey)
	},
	holds: func(value string) string { return value },
}

// connectDialect is Connect with JSON.
var connectDialect = dialect{
	name: "connect",
	get: func(key string) string {
		return connectRequest(keyvaluev1connect.KeyValueServiceGetProcedure, fmt.Sprintf(`{"key":"%s"}`, key))
	},
	set: func(key, value string) string {
		return connectRequest(keyvaluev1connect.KeyValueServiceSetProcedure, fmt.Sprintf(`{"key":"%s","value":"%s"}`, key, value))
	},
	holds: ours.holds,
}

// nginxDialect has the requests of ours. The response is always the same.
var nginxDialect = dialect{name: "nginx", get: ours.get, holds: ours.holds}

var webdisDialect = dialect{
	name:  "webdis",
	get:   func(key string) string { return request("GET", "/GET/"+key, "", "") },
	set:   func(key, value string) string { return request("PUT", "/SET/"+key, "text/plain", value) },
	holds: ours.holds,
}

var etcdDialect = dialect{
	name: "etcd",
	get: func(key string) string {
		return request("POST", "/v3/kv/range", jsonType, fmt.Sprintf(`{"key":"%s"}`, base(key)))
	},
	set: func(key, value string) string {
		return request("POST", "/v3/kv/put", jsonType, fmt.Sprintf(`{"key":"%s","value":"%s"}`, base(key), base(value)))
	},
	holds: base,
}

const jsonType = "application/json"

func base(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func connectRequest(procedure, body string) string {
	return request("POST", procedure, jsonType, body, "X-Api-Key: "+apiKey, "Connect-Protocol-Version: 1")
}

func request(method, path, contentType, body string, headers ...string) string {
	headers = append([]string{method + " " + path + " HTTP/1.1", "Host: 127.0.0.1"}, headers...)
	if body != "" {
		headers = append(headers, "Content-Type: "+contentType, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	return strings.Join(headers, "\r\n") + "\r\n\r\n" + body
}

// prepare writes the entries of a test that has some of its own. It returns an error unless the server then carries out a
// set and answers a get with the value.
func (d dialect) prepare(ctx context.Context, url string, t restTest) error {
	c, err := dial(ctx, url)
	if err != nil {
		return err
	}
	defer c.Close()
	first, end := read, read+1
	if t.valueBytes > 0 {
		first, end = 0, t.entries
	}
	for i := first; i < end && d.set != nil; i++ {
		if _, _, err := c.exchange(d.set(t.key(i), t.value(i))); err != nil {
			return err
		}
	}
	_, body, err := c.exchange(d.get(t.key(read)))
	if err == nil && !strings.Contains(body, d.holds(t.value(read))) {
		err = fmt.Errorf("a get returned %.200s", body)
	}
	return err
}
