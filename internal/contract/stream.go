package contract

// StreamHeaders are headers of every response that is a stream, whatever the protocol. Without them, proxies on the way may
// hold messages back until a buffer is full.
var StreamHeaders = map[string][]string{
	"X-Accel-Buffering": {"no"},                     // for nginx
	"Cache-Control":     {"no-store, no-transform"}, // for what compresses responses (RFC 9111, section 5.2.2.6)
}
