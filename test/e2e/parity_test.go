package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOneProcessAndTwoAnswerAlike sends the same requests in the same order to both deployments. It compares each
// response with the contract, and those of the two deployments with each other, byte for byte.
func TestOneProcessAndTwoAnswerAlike(t *testing.T) {
	var transcripts [][]exchange
	for _, d := range deployments {
		t.Run(d.name, func(t *testing.T) {
			c := &conversation{base: d.start(t).url}
			for _, s := range restSteps {
				t.Run(s.name, func(t *testing.T) { c.request(t, s) })
			}
			for _, s := range rpcSteps {
				for _, w := range wires {
					t.Run(s.name+" over "+w.name, func(t *testing.T) { c.call(t, w, s) })
				}
			}
			transcripts = append(transcripts, c.transcript)
		})
	}
	compare(t, transcripts[0], transcripts[1])
}

func compare(t *testing.T, one, two []exchange) {
	t.Helper()
	if len(one) != len(two) {
		t.Fatalf("%d responses from one process, %d from two", len(one), len(two))
	}
	for i := range one {
		if one[i] != two[i] {
			t.Errorf("%s\none process:\n%s\ntwo processes:\n%s", one[i].asked, one[i].answered, two[i].answered)
		}
	}
}

// exchange is a request and its response, without what differs between runs.
type exchange struct{ asked, answered string }

// conversation is the exchanges with one deployment.
type conversation struct {
	base       string
	etag       string            // the last one in a header
	masks      map[string]string // :: etag → its number in the transcript
	transcript []exchange
}

// restStep is one HTTP request.
type restStep struct {
	name    string
	method  string
	target  string   // path and query
	headers []string // "Name: value"; {etag} is the last etag, with quotes
	key     string   // the API key; empty: the right one; "none": no header
	body    string
	want    string // the status, and the reason of a problem
}

func (c *conversation) request(t *testing.T, s restStep) {
	res, body := c.send(t, s)
	if got := statusAndReason(res, body); got != s.want {
		t.Errorf("%s %.80s = %s, want %s\n%.500s", s.method, s.target, got, s.want, body)
	}
	if etag := res.Header.Get("ETag"); etag != "" {
		c.etag = etag
	}
	c.record(t.Name(), describe(res, body))
}

func (c *conversation) send(t *testing.T, s restStep) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), s.method, c.base+s.target, strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	switch s.key {
	case "":
		req.Header.Set("X-Api-Key", apiKey)
	case "none":
	default:
		req.Header.Set("X-Api-Key", s.key)
	}
	for _, header := range s.headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Add(name, strings.ReplaceAll(value, "{etag}", c.etag))
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// statusAndReason returns a response in the form of restStep.want.
func statusAndReason(res *http.Response, body string) string {
	got := fmt.Sprint(res.StatusCode)
	if res.Header.Get("Content-Type") != "application/problem+json" {
		return got
	}
	var problem struct{ Reason string }
	if err := json.Unmarshal([]byte(body), &problem); err != nil {
		return got + " with a problem that is not JSON"
	}
	return got + " " + problem.Reason
}

// describe returns a response as text, without its length, date and request id.
func describe(res *http.Response, body string) string {
	var b strings.Builder
	fmt.Fprintln(&b, res.Proto, res.StatusCode)
	for _, name := range slices.Sorted(maps.Keys(res.Header)) {
		if name != "Date" && name != "Content-Length" && name != "X-Request-Id" {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(res.Header[name], " | "))
		}
	}
	return b.String() + "\n" + body
}

// rpcStep is one call, made over each wire. {wire} is the wire's name, so that each has its own keys.
type rpcStep struct {
	name    string
	method  string
	message string // in JSON
	before  string // a SetRequest to send first; empty: none
	key     string // the API key; empty: the right one; "none": no header
	want    string // the code, and the reason if there is one
}

func (c *conversation) call(t *testing.T, w wire, s rpcStep) {
	key := apiKey
	switch s.key {
	case "":
	case "none":
		key = ""
	default:
		key = s.key
	}
	ofWire := func(message string) string { return strings.ReplaceAll(message, "{wire}", w.name) }
	if s.before != "" {
		if r := w.call(t, c.base, "Set", key, ofWire(s.before)); r.code != "ok" {
			t.Fatalf("Set(%s) = %s", s.before, r.verdict())
		}
	}
	r := w.call(t, c.base, s.method, key, ofWire(s.message))
	if got := r.verdict(); got != s.want {
		t.Errorf("%s(%.80s) = %s, want %s\n%.500s", s.method, s.message, got, s.want, r.message+r.body)
	}
	c.record(t.Name(), r.verdict()+"\n"+r.message+"\n"+r.body)
}

var (
	anETag     = regexp.MustCompile(`\b[0-9a-z]{6,13}-[0-9a-z]{1,13}\b`)
	aRevision  = regexp.MustCompile(`\b1\d{18}\b`)
	aTime      = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)
	aDuration  = regexp.MustCompile(`"(\d+(\.\d+)?(h|m|s|ms|µs))+"`)
	aDate      = regexp.MustCompile(`\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\b`)
	aRun       = regexp.MustCompile(`"run": ?"[0-9a-z]+"`)
	aHistory   = regexp.MustCompile(`"history": ?\[[^]]+\]`)
	aKeyReport = regexp.MustCompile(`"enabled": ?true,.*}`) // estimates, of sampled operations
	aTicket    = regexp.MustCompile(`kvt_[0-9A-Za-z_-]{50,}`)
	aTestsName = regexp.MustCompile(`^[^/]*/[^/]*/`)
)

// record appends an exchange. It replaces each etag with a number, in the order of their appearance, so that equal
// versions remain equal.
func (c *conversation) record(asked, answered string) {
	if c.masks == nil {
		c.masks = map[string]string{}
	}
	answered = anETag.ReplaceAllStringFunc(answered, func(etag string) string {
		if c.masks[etag] == "" {
			c.masks[etag] = fmt.Sprintf("<etag %d>", len(c.masks)+1)
		}
		return c.masks[etag]
	})
	answered = aRevision.ReplaceAllString(answered, "<revision>")
	answered = aDate.ReplaceAllString(answered, "<date>")
	answered = aHistory.ReplaceAllString(answered, `"history":[<samples>]`)
	answered = aKeyReport.ReplaceAllString(answered, `"enabled":true,<what is hot, big and slow>}`)
	answered = aTicket.ReplaceAllString(answered, "<ticket>")
	answered = aRun.ReplaceAllString(answered, `"run":"<run>"`)
	answered = aTime.ReplaceAllString(answered, `"<time>"`)
	answered = aDuration.ReplaceAllString(answered, `"<duration>"`)
	c.transcript = append(c.transcript, exchange{aTestsName.ReplaceAllString(asked, ""), answered})
}
