package load

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"key-value/internal/testkit/proc"
)

// Frame returns message with gRPC's prefix: uncompressed, and its length.
func Frame(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// Call is a gRPC call for [H2Load], with the same bytes each time.
type Call struct {
	Procedure string
	Message   []byte
	Headers   []string // such as "x-api-key: secret"
	Contains  string   // what a correct response contains
}

// H2Load makes calls to addr for d, with streams concurrent calls on each connection.
//
// It sees only HTTP statuses, not gRPC's, which are in trailers. So the call is checked once before, and the responses must
// then have as many bytes: a call that fails has none.
func H2Load(ctx context.Context, addr string, call Call, connections, streams int, d time.Duration) (Result, error) {
	ctx, cancel := bounded(ctx, d)
	defer cancel()
	client := NewClient()
	defer client.CloseIdleConnections()
	size, err := call.exchange(ctx, client, addr)
	if err != nil {
		return Result{}, err
	}
	file, err := call.write()
	if err != nil {
		return Result{}, err
	}
	defer os.Remove(file)
	args := []string{
		"--threads", "1",
		"--clients", strconv.Itoa(connections), "--max-concurrent-streams", strconv.Itoa(streams),
		"--duration", fmt.Sprintf("%dms", d.Milliseconds()), "--data", file,
		"--header", "content-type: application/grpc", "--header", "te: trailers",
	}
	for _, header := range call.Headers {
		args = append(args, "--header", header)
	}
	out, err := proc.Command{Path: "h2load", Args: append(args, "http://"+addr+call.Procedure)}.Output(ctx)
	if err != nil {
		return Result{}, err
	}
	return parseH2Load(out, size)
}

// write writes the request body to a temporary file.
func (c Call) write() (string, error) {
	file, err := os.CreateTemp("", "call")
	if err != nil {
		return "", err
	}
	_, err = file.Write(Frame(c.Message))
	return file.Name(), errors.Join(err, file.Close())
}

var (
	h2loadCount = regexp.MustCompile(`(?m)^requests: .* ([0-9]+) done`)
	h2loadRate  = regexp.MustCompile(`(?m)^finished in .*, ([0-9.]+) req/s`)
	h2loadGood  = regexp.MustCompile(`(?m)^requests: .* 0 failed, 0 errored, 0 timeout$`)
	h2loadCode  = regexp.MustCompile(`(?m)^status codes: \d+ 2xx, 0 3xx, 0 4xx, 0 5xx$`)
	h2loadBytes = regexp.MustCompile(`(?m)^traffic: .* \(([0-9]+)\) data$`)
)

// shortest is how long a response may be at least, relative to another one to the same call: numbers in them vary.
const shortest = 0.9

// parseH2Load parses the output of h2load for calls whose responses have size bytes.
func parseH2Load(out string, size int) (Result, error) {
	if !h2loadGood.MatchString(out) || !h2loadCode.MatchString(out) {
		return Result{}, errors.New("h2load reported failed calls: " + out)
	}
	r, err := result(h2loadRate, h2loadCount, "h2load", out)
	if err != nil {
		return Result{}, err
	}
	bytes, err := number(h2loadBytes, "h2load", out)
	if err == nil && bytes < shortest*float64(size)*r.Count {
		err = fmt.Errorf("calls failed: %.0f responses have %.0f bytes, where one has %d", r.Count, bytes, size)
	}
	return r, err
}

// checkTimeout bounds one call.
const checkTimeout = 5 * time.Second

// answerBytes bounds a response.
const answerBytes = 1 << 20

// Check makes the call once and returns an error unless the response is correct.
func (c Call) Check(ctx context.Context, addr string) error {
	client := NewClient()
	defer client.CloseIdleConnections()
	return c.Do(ctx, client, addr)
}

// NewClient returns a client for [Call.Do]. Close it with CloseIdleConnections.
func NewClient() *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: protocols, DisableCompression: true}}
}

// Do makes the call once with a client from [NewClient].
func (c Call) Do(ctx context.Context, client *http.Client, addr string) error {
	_, err := c.exchange(ctx, client, addr)
	return err
}

// exchange is Do, and returns how many bytes the response has with its prefix.
func (c Call) exchange(ctx context.Context, client *http.Client, addr string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+c.Procedure, bytes.NewReader(Frame(c.Message)))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	for _, header := range c.Headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, answerBytes))
	if err != nil {
		return 0, err
	}
	status := res.Trailer.Get("Grpc-Status") + res.Header.Get("Grpc-Status")
	if status != "0" || !bytes.Contains(body, []byte(c.Contains)) {
		return 0, fmt.Errorf("%s: status %q, response %q", c.Procedure, status, body)
	}
	return len(body), nil
}
