package e2e_test

import (
	"encoding/base64"
	"fmt"
	"strings"
)

const (
	mebibyte  = 1 << 20
	jsonBody  = "Content-Type: application/json"
	textBody  = "Content-Type: text/plain"
	bytesBody = "Content-Type: application/octet-stream"
)

var longKey = strings.Repeat("k", 1025)

// restSteps reach every route and every reason that REST can return. Later steps rely on what earlier ones wrote.
var restSteps = []restStep{
	{name: "health needs no key", method: "GET", target: "/health", key: "none", want: "200"},
	{name: "livez needs no key", method: "GET", target: "/livez", key: "none", want: "200"},
	{name: "readyz needs no key", method: "GET", target: "/readyz", key: "none", want: "200"},
	{name: "a probe with POST", method: "POST", target: "/readyz", want: "405 "},

	{name: "no key", method: "GET", target: "/v1/values/a", key: "none", want: "401 API_KEY_INVALID"},
	{name: "wrong key", method: "GET", target: "/v1/values/a", key: "wrong", want: "401 API_KEY_INVALID"},
	{
		name: "two keys", method: "GET", target: "/v1/values/a",
		headers: []string{"X-Api-Key: " + apiKey}, want: "401 API_KEY_INVALID",
	},
	{
		name: "a bearer token", method: "GET", target: "/v1/values/a", key: "none",
		headers: []string{"Authorization: Bearer " + apiKey}, want: "404 KEY_NOT_FOUND",
	},
	{name: "an absent key without an API key", method: "GET", target: "/v1/nothing", key: "none", want: "401 API_KEY_INVALID"},
	{name: "unknown route", method: "GET", target: "/v1/nothing", want: "404 ROUTE_NOT_FOUND"},
	{name: "unknown path", method: "GET", target: "/nothing", key: "none", want: "404 ROUTE_NOT_FOUND"},
	{name: "unknown method", method: "POST", target: "/v1/values/a", want: "405 METHOD_NOT_ALLOWED"},
	{name: "options", method: "OPTIONS", target: "/v1/values/a", want: "204"},

	{
		name: "put with the key in the body", method: "PUT", target: "/v1/values", headers: []string{jsonBody},
		body: `{"key": "hello", "value": "world"}`, want: "200",
	},
	{name: "get", method: "GET", target: "/v1/values/hello", want: "200"},
	{name: "head", method: "HEAD", target: "/v1/values/hello", want: "200"},
	{
		name: "get with the current etag", method: "GET", target: "/v1/values/hello",
		headers: []string{"If-None-Match: {etag}"}, want: "304",
	},
	{
		name: "get another version", method: "GET", target: "/v1/values/hello",
		headers: []string{`If-Match: "other"`}, want: "412 ETAG_MISMATCH",
	},
	{
		name: "malformed condition", method: "GET", target: "/v1/values/hello",
		headers: []string{`If-Match: other`}, want: "400 REQUEST_INVALID",
	},
	{
		name: "put with the current etag", method: "PUT", target: "/v1/values/hello",
		headers: []string{textBody, "If-Match: {etag}"}, body: "again", want: "200",
	},
	{
		name: "put another version", method: "PUT", target: "/v1/values/hello",
		headers: []string{textBody, `If-Match: "other"`}, body: "never", want: "412 ETAG_MISMATCH",
	},
	{
		name: "put only if absent", method: "PUT", target: "/v1/values/hello",
		headers: []string{textBody, "If-None-Match: *"}, body: "never", want: "412 KEY_EXISTS",
	},
	{
		name: "put only if present", method: "PUT", target: "/v1/values/absent",
		headers: []string{textBody, "If-Match: *"}, body: "never", want: "412 KEY_ABSENT",
	},
	{
		name: "put one of two versions", method: "PUT", target: "/v1/values/hello",
		headers: []string{textBody, `If-Match: "other", {etag}`}, body: "again", want: "200",
	},
	{
		name: "text alone", method: "GET", target: "/v1/values/hello",
		headers: []string{"Accept: text/plain"}, want: "200",
	},
	{
		name: "an unknown format", method: "GET", target: "/v1/values/hello",
		headers: []string{"Accept: image/png"}, want: "406 NOT_ACCEPTABLE",
	},
	{name: "put a new key", method: "PUT", target: "/v1/values/new", headers: []string{textBody}, body: "value", want: "201"},
	{
		name: "put with a ttl", method: "PUT", target: "/v1/values/new", headers: []string{jsonBody},
		body: `{"value": "value", "ttl": "1h"}`, want: "200",
	},
	{name: "get with a ttl", method: "GET", target: "/v1/values/new", want: "200"},
	{
		name: "put with a ttl in the query", method: "PUT", target: "/v1/values/new?ttl=90s",
		headers: []string{textBody}, body: "value", want: "200",
	},
	{
		name: "put bytes", method: "PUT", target: "/v1/values/bytes",
		headers: []string{bytesBody}, body: "\xff\x00\xfe", want: "201",
	},
	{name: "get bytes as JSON", method: "GET", target: "/v1/values/bytes", want: "200"},
	{
		name: "get only bytes", method: "GET", target: "/v1/values/bytes",
		headers: []string{"Accept: application/octet-stream"}, want: "200",
	},
	{
		name: "get bytes as text", method: "GET", target: "/v1/values/bytes",
		headers: []string{"Accept: text/plain"}, want: "406 NOT_ACCEPTABLE",
	},
	{
		name: "put an empty value", method: "PUT", target: "/v1/values/empty", headers: []string{textBody}, want: "201",
	},
	{name: "put slashes", method: "PUT", target: "/v1/values/a//b", headers: []string{textBody}, body: "1", want: "201"},
	{name: "put one slash", method: "PUT", target: "/v1/values/a/b", headers: []string{textBody}, body: "2", want: "201"},
	{name: "get slashes", method: "GET", target: "/v1/values/a//b", want: "200"},
	{name: "get an encoded slash", method: "GET", target: "/v1/values/a%2Fb", want: "200"},

	{name: "empty key", method: "GET", target: "/v1/values/", want: "400 KEY_INVALID"},
	{name: "long key", method: "GET", target: "/v1/values/" + longKey, want: "400 KEY_INVALID"},
	{name: "control character in a key", method: "GET", target: "/v1/values/a%00b", want: "400 KEY_INVALID"},
	{name: "key that is not UTF-8", method: "GET", target: "/v1/values/%FF", want: "400 KEY_INVALID"},
	{name: "dot segment in a key", method: "GET", target: "/v1/values/a/../b", want: "400 KEY_INVALID"},
	{
		name: "broken JSON", method: "PUT", target: "/v1/values", headers: []string{jsonBody},
		body: `{"key": "hello", "value": `, want: "400 REQUEST_INVALID",
	},
	{
		name: "unknown member", method: "PUT", target: "/v1/values", headers: []string{jsonBody},
		body: `{"key": "hello", "value": "world", "x": 1}`, want: "400 REQUEST_INVALID",
	},
	{
		name: "no value", method: "PUT", target: "/v1/values", headers: []string{jsonBody},
		body: `{"key": "hello"}`, want: "400 VALUE_INVALID",
	},
	{
		name: "ttl in the past", method: "PUT", target: "/v1/values/hello?ttl=-1s",
		headers: []string{textBody}, body: "never", want: "400 TTL_INVALID",
	},
	{
		name: "an invalid ttl", method: "PUT", target: "/v1/values/hello?ttl=soon",
		headers: []string{textBody}, body: "never", want: "400 TTL_INVALID",
	},
	{
		name: "unknown query parameter", method: "GET", target: "/v1/values/hello?x=1", want: "400 REQUEST_INVALID",
	},
	{
		name: "the longest value", method: "PUT", target: "/v1/values/long",
		headers: []string{textBody}, body: strings.Repeat("x", mebibyte), want: "201",
	},
	{
		name: "a value that is too long", method: "PUT", target: "/v1/values/long",
		headers: []string{textBody}, body: strings.Repeat("x", mebibyte+1), want: "413 VALUE_TOO_LARGE",
	},
	{
		name: "a value that is too long, in JSON", method: "PUT", target: "/v1/values/long", headers: []string{jsonBody},
		body: `{"value": "` + strings.Repeat("x", mebibyte+1) + `"}`, want: "413 VALUE_TOO_LARGE",
	},
	{
		name: "a body longer than any value needs", method: "PUT", target: "/v1/values/long", headers: []string{jsonBody},
		body: `{"value": "` + strings.Repeat("x", 7*mebibyte) + `"}`, want: "413 VALUE_TOO_LARGE",
	},
	{
		name: "a form", method: "PUT", target: "/v1/values/hello",
		headers: []string{"Content-Type: application/x-www-form-urlencoded"}, body: "a=b",
		want: "415 MEDIA_TYPE_UNSUPPORTED",
	},
	{
		name: "a compressed body", method: "PUT", target: "/v1/values/hello",
		headers: []string{textBody, "Content-Encoding: gzip"}, body: "?", want: "415 MEDIA_TYPE_UNSUPPORTED",
	},

	{
		name: "delete another version", method: "DELETE", target: "/v1/values/hello",
		headers: []string{`If-Match: "other"`}, want: "412 ETAG_MISMATCH",
	},
	{name: "failures changed nothing", method: "GET", target: "/v1/values/hello", want: "200"},
	{name: "delete", method: "DELETE", target: "/v1/values/hello", want: "204"},
	{name: "delete an absent key", method: "DELETE", target: "/v1/values/hello", want: "204"},
	{name: "get a deleted key", method: "GET", target: "/v1/values/hello", want: "404 KEY_NOT_FOUND"},

	{
		name: "touch", method: "PATCH", target: "/v1/values/new", headers: []string{jsonBody},
		body: `{"ttl": null}`, want: "200",
	},
	{
		name: "touch an absent key", method: "PATCH", target: "/v1/values/hello", headers: []string{jsonBody},
		body: `{"ttl": "5m"}`, want: "404 KEY_NOT_FOUND",
	},
	{
		name: "touch with a ttl of zero", method: "PATCH", target: "/v1/values/new", headers: []string{jsonBody},
		body: `{"ttl": "0s"}`, want: "400 TTL_INVALID",
	},
	{
		name: "count", method: "POST", target: "/v1/values:increment", headers: []string{jsonBody},
		body: `{"key": "n", "delta": 42}`, want: "200",
	},
	{
		name: "increment text", method: "POST", target: "/v1/values:increment", headers: []string{jsonBody},
		body: `{"key": "new", "delta": 1}`, want: "409 NOT_AN_INTEGER",
	},
	{
		name: "increment beyond the range", method: "POST", target: "/v1/values:increment", headers: []string{jsonBody},
		body: `{"key": "n", "delta": "9223372036854775807"}`, want: "409 INTEGER_OVERFLOW",
	},
	{name: "list", method: "GET", target: "/v1/values?prefix=a&pageSize=1", want: "200"},
	{name: "list keys", method: "GET", target: "/v1/values?view=keys", want: "200"},
	{name: "list with an invalid page token", method: "GET", target: "/v1/values?pageToken=forged", want: "400 PAGE_TOKEN_INVALID"},
	{
		name: "batch", method: "POST", target: "/v1/values:batch", headers: []string{jsonBody}, want: "200",
		body: `{"operations":[{"get":{"key":"new"}},{"get":{"key":"hello"}},{"set":{"key":"b","value":"1","ttl":"1h"}},
			{"delete":{"key":"b"}},{"increment":{"key":"n","delta":1}},{"touch":{"key":"n","ttl":"1h"}}]}`,
	},
	{
		name: "an atomic batch that fails", method: "POST", target: "/v1/values:batch", headers: []string{jsonBody},
		body: `{"atomic":true,"operations":[{"set":{"key":"b","value":"1"}},
			{"set":{"key":"new","value":"1","precondition":{"exists":false}}}]}`, want: "412 KEY_EXISTS",
	},
	{name: "the failed batch did nothing", method: "GET", target: "/v1/values/b", want: "404 KEY_NOT_FOUND"},
	{
		name: "long batch", method: "POST", target: "/v1/values:batch", headers: []string{jsonBody},
		body: fmt.Sprintf(`{"operations":[%s{}]}`, strings.Repeat(`{},`, 1000)), want: "413 BATCH_TOO_LARGE",
	},
	{name: "watch nothing", method: "GET", target: "/v1/values:watch", want: "400 REQUEST_INVALID"},
	{
		name: "resume another store's watch", method: "GET", target: "/v1/values:watch?prefix=",
		headers: []string{"Last-Event-ID: 1y2p0ij32e8e7-1-c8f2a06d"}, want: "410 RESUME_TOO_OLD",
	},
	{name: "stats", method: "GET", target: "/v1/stats", want: "200"},
	{name: "stats with a history", method: "GET", target: "/v1/stats?history=true", want: "200"},
	{name: "key stats", method: "GET", target: "/v1/stats/keys?limit=3", want: "200"},
	{name: "key stats of a negative length", method: "GET", target: "/v1/stats/keys?limit=-1", want: "400 REQUEST_INVALID"},
	{name: "stats with a history of some length", method: "GET", target: "/v1/stats?history=15m", want: "400 REQUEST_INVALID"},

	{
		name: "Connect GET", method: "GET", want: "200",
		target: service + "Get?connect=v1&encoding=json&message=%7B%22key%22%3A%22new%22%7D",
	},
	{
		name: "Connect GET with the current etag", method: "GET", headers: []string{"If-None-Match: {etag}"}, want: "304",
		target: service + "Get?connect=v1&encoding=json&message=%7B%22key%22%3A%22new%22%7D",
	},
	{
		name: "Connect GET without a key", method: "GET", key: "none", want: "401",
		target: service + "Get?connect=v1&encoding=json&message=%7B%22key%22%3A%22new%22%7D",
	},
	{name: "an RPC with the wrong method", method: "DELETE", target: service + "Get", want: "405 METHOD_NOT_ALLOWED"},
	{name: "caller", method: "GET", target: "/v1/caller", want: "200"},
	{name: "ticket", method: "POST", target: "/v1/tickets", body: `{"prefix":"a/","ttl":"1h"}`, want: "200"},
	{name: "ticket for too long", method: "POST", target: "/v1/tickets", body: `{"prefix":"a/","ttl":"61m"}`, want: "400 TTL_INVALID"},
	{name: "ticket for nothing", method: "POST", target: "/v1/tickets", body: `{}`, want: "400 REQUEST_INVALID"},
	{name: "watch with a forged ticket", method: "GET", target: "/v1/values:watch?ticket=kvt_AQ", key: "none", want: "401 TICKET_INVALID"},
	{name: "levels", method: "GET", target: "/v1/values?delimiter=/&reverse=true", want: "200"},
	{name: "delete no range", method: "DELETE", target: "/v1/values", want: "400 REQUEST_INVALID"},
	{name: "list from behind the end", method: "GET", target: "/v1/values?start=b&end=a", want: "400 REQUEST_INVALID"},
	{name: "delete from behind the end", method: "DELETE", target: "/v1/values?start=b&end=a", want: "400 REQUEST_INVALID"},
	{name: "delete a range that is empty", method: "DELETE", target: "/v1/values?prefix=zz/&dryRun=true", want: "200"},
}

// rpcSteps reach every RPC and every reason that one can return.
var rpcSteps = []rpcStep{
	{name: "get nothing", method: "Get", message: `{"key":"{wire}"}`, want: "not_found KEY_NOT_FOUND"},
	{name: "set", method: "Set", message: `{"key":"{wire}","value":"a"}`, want: "ok"},
	{name: "set again", method: "Set", message: `{"key":"{wire}","value":"b","ttl":"3600s"}`, want: "ok"},
	{name: "get", method: "Get", message: `{"key":"{wire}"}`, want: "ok"},
	{
		name: "set if absent", method: "Set", want: "already_exists KEY_EXISTS",
		message: `{"key":"{wire}","value":"c","precondition":{"exists":false}}`,
	},
	{
		name: "set if present", method: "Set", want: "aborted KEY_ABSENT",
		message: `{"key":"{wire}-absent","value":"c","precondition":{"exists":true}}`,
	},
	{
		name: "set another version", method: "Set", want: "aborted ETAG_MISMATCH",
		message: `{"key":"{wire}","value":"c","precondition":{"etag":"other"}}`,
	},
	{
		name: "set with an empty precondition", method: "Set", want: "invalid_argument REQUEST_INVALID",
		message: `{"key":"{wire}","value":"c","precondition":{}}`,
	},
	{name: "set nothing", method: "Set", message: `{"key":"{wire}"}`, want: "invalid_argument VALUE_INVALID"},
	{
		name: "set with a ttl in the past", method: "Set", want: "invalid_argument TTL_INVALID",
		message: `{"key":"{wire}","value":"c","ttl":"-1s"}`,
	},
	{name: "empty key", method: "Get", message: `{}`, want: "invalid_argument KEY_INVALID"},
	{name: "long key", method: "Get", message: `{"key":"` + longKey + `"}`, want: "invalid_argument KEY_INVALID"},
	{
		name: "dot segment in a key", method: "Get", message: `{"key":"a/../b"}`, want: "invalid_argument KEY_INVALID",
	},
	{
		name: "long value", method: "Set", want: "invalid_argument VALUE_TOO_LARGE",
		message: `{"key":"{wire}","value":"` + strings.Repeat("x", mebibyte+1) + `"}`,
	},
	{
		name: "long message", method: "Set", want: "resource_exhausted VALUE_TOO_LARGE",
		message: `{"key":"{wire}","value":"` + strings.Repeat("x", 7*mebibyte) + `"}`,
	},
	{name: "broken message", method: "Get", message: `{"key":`, want: "invalid_argument REQUEST_INVALID"},
	{
		name: "bytes", method: "Set", want: "ok",
		message: `{"key":"{wire}-bytes","data":"` + base64.StdEncoding.EncodeToString([]byte("\xff\x00")) + `"}`,
	},
	{name: "get bytes", method: "Get", message: `{"key":"{wire}-bytes"}`, want: "ok"},
	{
		name: "batch", method: "Batch", want: "ok",
		message: `{"operations":[{"get":{"key":"{wire}"}},{"get":{"key":"{wire}-absent"}},{"get":{}},
			{"set":{"key":"{wire}-batch","value":"1"}},{"delete":{"key":"{wire}-bytes"}},{}]}`,
	},
	{
		name: "atomic batch", method: "Batch", want: "ok",
		message: `{"atomic":true,"operations":[{"set":{"key":"{wire}-1","value":"1"}},{"get":{"key":"{wire}-1"}}]}`,
	},
	{
		name: "an atomic batch that fails", method: "Batch", want: "already_exists KEY_EXISTS",
		message: `{"atomic":true,"operations":[{"set":{"key":"{wire}-2","value":"2"}},
			{"set":{"key":"{wire}-1","value":"2","precondition":{"exists":false}}}]}`,
	},
	{name: "the failed batch did nothing", method: "Get", message: `{"key":"{wire}-2"}`, want: "not_found KEY_NOT_FOUND"},
	{name: "empty batch", method: "Batch", message: `{}`, want: "invalid_argument REQUEST_INVALID"},
	{
		name: "long batch", method: "Batch", want: "invalid_argument BATCH_TOO_LARGE",
		message: fmt.Sprintf(`{"operations":[%s{}]}`, strings.Repeat(`{},`, 1000)),
	},
	{name: "delete", method: "Delete", message: `{"key":"{wire}"}`, want: "ok"},
	{name: "delete an absent key", method: "Delete", message: `{"key":"{wire}"}`, want: "ok"},
	{
		name: "delete another version", method: "Delete", want: "aborted ETAG_MISMATCH",
		message: `{"key":"{wire}-1","precondition":{"etag":"other"}}`,
	},
	{name: "count up", method: "Increment", message: `{"key":"{wire}-n","delta":"-2","initial":"44"}`, want: "ok"},
	{
		name: "increment text", method: "Increment", want: "failed_precondition NOT_AN_INTEGER",
		message: `{"key":"{wire}-x","delta":"1"}`, before: `{"key":"{wire}-x","value":"one"}`,
	},
	{
		name: "increment beyond the range", method: "Increment", want: "failed_precondition INTEGER_OVERFLOW",
		message: `{"key":"{wire}-n","delta":"-9223372036854775808"}`, before: `{"key":"{wire}-n","value":"-1"}`,
	},
	{name: "touch", method: "Touch", message: `{"key":"{wire}-n","ttl":"60s"}`, want: "ok"},
	{name: "touch an absent key", method: "Touch", message: `{"key":"{wire}"}`, want: "not_found KEY_NOT_FOUND"},
	{name: "list", method: "List", message: `{"prefix":"{wire}-"}`, want: "ok"},
	{name: "list keys", method: "List", message: `{"prefix":"{wire}-","pageSize":2,"keysOnly":true}`, want: "ok"},
	{
		name: "list with an invalid page token", method: "List", want: "invalid_argument PAGE_TOKEN_INVALID",
		message: `{"pageToken":"forged"}`,
	},
	{
		name: "list a page of a negative size", method: "List", want: "invalid_argument REQUEST_INVALID",
		message: `{"pageSize":-1}`,
	},
	{name: "stats", method: "GetStats", message: `{}`, want: "ok"},
	{name: "stats with a history", method: "GetStats", message: `{"history":true}`, want: "ok"},
	{name: "key stats", method: "GetKeyStats", message: `{"limit":3}`, want: "ok"},
	{name: "key stats of a negative length", method: "GetKeyStats", message: `{"limit":-1}`, want: "invalid_argument REQUEST_INVALID"},
	{name: "unknown method", method: "Nothing", message: `{}`, want: "unimplemented UNIMPLEMENTED"},
	{name: "caller", method: "GetCaller", message: `{}`, want: "ok"},
	{name: "ticket", method: "CreateTicket", message: `{"prefix":"a/","ttl":"3600s"}`, want: "ok"},
	{name: "ticket for too long", method: "CreateTicket", message: `{"key":"a","ttl":"3601s"}`, want: "invalid_argument TTL_INVALID"},
	{name: "ticket for nothing", method: "CreateTicket", message: `{}`, want: "invalid_argument REQUEST_INVALID"},
	{name: "ticket for no key", method: "CreateTicket", message: `{"key":""}`, want: "invalid_argument KEY_INVALID"},
	{name: "levels", method: "List", message: `{"delimiter":"/","reverse":true}`, want: "ok"},
	{name: "delete no range", method: "DeleteRange", message: `{}`, want: "invalid_argument REQUEST_INVALID"},
	{name: "list from behind the end", method: "List", message: `{"start":"b","end":"a"}`, want: "invalid_argument REQUEST_INVALID"},
	{name: "delete from behind the end", method: "DeleteRange", message: `{"start":"b","end":"a"}`, want: "invalid_argument REQUEST_INVALID"},
	{name: "delete a range that is empty", method: "DeleteRange", message: `{"prefix":"zz/","dryRun":true}`, want: "ok"},
	{name: "get without a key", method: "Get", message: `{}`, key: "none", want: "unauthenticated API_KEY_INVALID"},
	{name: "set without a key", method: "Set", message: `{}`, key: "none", want: "unauthenticated API_KEY_INVALID"},
	{name: "wrong key", method: "Get", message: `{}`, key: "wrong", want: "unauthenticated API_KEY_INVALID"},
	{
		name: "authentication comes before the message", method: "Get", message: `{`, key: "wrong",
		want: "unauthenticated API_KEY_INVALID",
	},
}
