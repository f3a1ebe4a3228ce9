package server_test

import (
	"testing"

	"golang.org/x/net/http2"

	"key-value/internal/testkit/wiretest"
)

// What RFC 9113 calls malformed, in sections 8.1.1 and 8.2.2, may be a part of another request to a proxy in front.
func TestAMalformedRequestIsNeverServed(t *testing.T) {
	t.Parallel()
	message := wiretest.Message([]byte{0x0a, 1, 'a'})
	long := append(wiretest.Message([]byte{0x0a, 1, 'a'}), "GET / HTTP/1.1"...)
	for name, request := range map[string]struct {
		fields []string
		body   []byte
	}{
		"a body longer than content-length":     {[]string{"content-length", "8"}, long},
		"a body shorter than content-length":    {[]string{"content-length", "9"}, message},
		"a content-length without a body":       {[]string{"content-length", "8"}, nil},
		"two values of content-length":          {[]string{"content-length", "8", "content-length", "9"}, message},
		"a content-length that is not a number": {[]string{"content-length", "eight"}, message},
		"a content-length with a sign":          {[]string{"content-length", "+8"}, message},
		"transfer-encoding":                     {[]string{"transfer-encoding", "chunked"}, message},
		"connection":                            {[]string{"connection", "close"}, message},
		"keep-alive":                            {[]string{"keep-alive", "timeout=5"}, message},
		"proxy-connection":                      {[]string{"proxy-connection", "close"}, message},
		"upgrade":                               {[]string{"upgrade", "h2c"}, message},
		"te with another value than trailers":   {[]string{"te", "gzip"}, message},
	} {
		t.Run(name, func(t *testing.T) {
			eachLane(t, http2Lanes(), func(t *testing.T, lane laneCase) {
				s := start(t, oneMinute)
				p := s.dial(t)
				good := func(stream uint32) {
					p.Request(stream, p.Post(who, lane.contentType, "content-length", "8"), message)
					wantResponse(t, p, lane.server)
				}
				good(1)
				p.Must(p.WriteHeaders(http2.HeadersFrameParam{
					StreamID: 3, BlockFragment: p.Post(who, lane.contentType, request.fields...), EndHeaders: true,
				}))
				for _, b := range request.body { // the server must add them up
					p.Must(p.WriteDataPadded(3, false, []byte{b}, make([]byte, 3)))
				}
				p.Must(p.WriteData(3, true, nil))
				if got := p.Outcome(3); lane.server == "grpc-go" && got != "reset" {
					t.Errorf("the request gets %q, want its stream reset", got)
				}
				good(5)
				if calls := s.calls.Load(); calls != 2 {
					t.Errorf("the procedure was called %d times, want only for the two good requests", calls)
				}
			})
		})
	}
}
