package load

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// checkTimeout bounds one call.
const checkTimeout = 5 * time.Second

// answerBytes bounds an answer.
const answerBytes = 1 << 20

// Check makes the call once and fails unless the answer is good.
func (c Call) Check(ctx context.Context, addr string) error {
	client := NewClient()
	defer client.CloseIdleConnections()
	return c.Do(ctx, client, addr)
}

// NewClient returns a client for [Call.Do]. It is to be closed with CloseIdleConnections.
func NewClient() *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: protocols, DisableCompression: true}}
}

// Do makes the call once with a client of [NewClient].
func (c Call) Do(ctx context.Context, client *http.Client, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+c.Procedure, bytes.NewReader(Frame(c.Message)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	for _, header := range c.Headers {
		name, value, _ := strings.Cut(header, ": ")
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, answerBytes))
	if err != nil {
		return err
	}
	status := res.Trailer.Get("Grpc-Status") + res.Header.Get("Grpc-Status")
	if status != "0" || !bytes.Contains(body, []byte(c.Contains)) {
		return fmt.Errorf("%s: status %q, answer %q", c.Procedure, status, body)
	}
	return nil
}
