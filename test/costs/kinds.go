package main

// kind is what the peers of one server do, as a cell of the table.
type kind struct {
	row     string
	column  column
	request request
	secure  bool // whether there is TLS
	peers   int
	streams int // how many times each peer makes the request at once
	// stops says that the peers read no more, while values are put that they watch.
	stops bool
}

type column int

const (
	overPlain column = iota // HTTP/1.1
	overH2                  // HTTP/2, served by net/http
	overGRPC                // HTTP/2, served by grpc-go
)

var columns = []string{"HTTP/1.1", "HTTP/2", "gRPC"}

const (
	service = "/keyvalue.v1.KeyValueService/"
	connect = "application/connect+json"
	grpc    = "application/grpc"
)

// The requests. Protobuf messages are written out: field 1 of a GetRequest is a key, and field 2 of a WatchRequest a prefix.
var (
	get         = request{method: "GET", path: "/v1/values/a", until: `{"key"`}
	getGRPC     = request{method: "POST", path: service + "Get", contentType: grpc, body: message("\x0a\x01a"), until: "\x0a\x01a"}
	events      = request{method: "GET", path: "/v1/values:watch?prefix=w/", until: "event: sync"}
	watch       = request{method: "POST", path: service + "Watch", contentType: connect, body: message(`{"prefix":"w/"}`), until: "TYPE_SYNC"}
	watchGRPC   = request{method: "POST", path: service + "Watch", contentType: grpc, body: message("\x12\x02w/"), until: "\x00\x00\x00\x00"}
	unfinished  = request{method: "PUT", path: "/v1/values/b", contentType: "application/json", body: `{"value":"x"}`, rest: 1}
	unfinishedG = request{method: "POST", path: service + "Set", contentType: grpc, body: message("\x0a\x01b\x12\x01x"), rest: 1}
	put         = request{method: "PUT", path: "/v1/values/a", contentType: "application/json", body: `{"value":"x"}`, until: `{"key"`}
)

// kinds returns what is measured, row by row. A watch or call with a connection of its own includes the connection.
func kinds() []kind {
	const (
		alone, many = 1, 100
		idle        = "connection, idle after a request"
		idleTLS     = "the same with TLS"
		sse         = "watch as server-sent events"
		sseMany     = "the same, one of 100 on a connection"
		rpc         = "watch over Connect or gRPC"
		rpcMany     = "the same, one of 100 on its connection"
		stopped     = "watch whose reader has stopped"
		call        = "call whose body is arriving"
		callMany    = "the same, one of 100 on the connection"
	)
	return []kind{
		{row: idle, column: overPlain, request: get, peers: 10_000, streams: alone},
		{row: idle, column: overH2, request: get, peers: 10_000, streams: alone},
		{row: idle, column: overGRPC, request: getGRPC, peers: 10_000, streams: alone},
		{row: idleTLS, column: overPlain, request: get, secure: true, peers: 5000, streams: alone},
		{row: idleTLS, column: overH2, request: get, secure: true, peers: 5000, streams: alone},
		{row: idleTLS, column: overGRPC, request: getGRPC, secure: true, peers: 5000, streams: alone},
		{row: sse, column: overPlain, request: events, peers: 2000, streams: alone},
		{row: sse, column: overH2, request: events, peers: 2000, streams: alone},
		{row: sseMany, column: overH2, request: events, peers: 20, streams: many},
		{row: rpc, column: overPlain, request: watch, peers: 2000, streams: alone},
		{row: rpc, column: overH2, request: watch, peers: 2000, streams: alone},
		{row: rpc, column: overGRPC, request: watchGRPC, peers: 2000, streams: alone},
		{row: rpcMany, column: overH2, request: watch, peers: 20, streams: many},
		{row: rpcMany, column: overGRPC, request: watchGRPC, peers: 20, streams: many},
		{row: stopped, column: overPlain, request: events, peers: 500, streams: alone, stops: true},
		{row: stopped, column: overH2, request: events, peers: 500, streams: alone, stops: true},
		{row: stopped, column: overGRPC, request: watchGRPC, peers: 500, streams: alone, stops: true},
		{row: call, column: overPlain, request: unfinished, peers: 2000, streams: alone},
		{row: call, column: overH2, request: unfinished, peers: 2000, streams: alone},
		{row: call, column: overGRPC, request: unfinishedG, peers: 2000, streams: alone},
		{row: callMany, column: overH2, request: unfinished, peers: 20, streams: many},
		{row: callMany, column: overGRPC, request: unfinishedG, peers: 20, streams: many},
	}
}
