package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"key-value/internal/testkit/wireengine"
	"key-value/kvservice/store"

	"connectrpc.com/connect/v2"

	"key-value/client"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
)

// past is an etag and a resume token of a store that died.
type past struct {
	kv      *wireengine.Engine
	key     string
	version store.Version
	token   string
}

// remember writes a key and opens a watch.
func remember(ctx context.Context, s *stage, key string) (*past, error) {
	transport, err := client.NewTransport(s.url(), client.WithAPIKey(apiKey))
	if err != nil {
		return nil, err
	}
	kv := keyvaluev1connect.NewKeyValueServiceClient(connect.NewClient(transport))
	p := &past{key: key, kv: wireengine.New(s.url(), apiKey, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, kv)}
	result, err := p.kv.Do(ctx, store.Operation{Kind: store.Set, Key: key, Value: []byte("before")})
	if err != nil {
		return nil, err
	}
	p.version = result.Entry.Version
	w, err := resuming{p.kv}.Watch(ctx, store.WatchRequest{Key: key})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	event, err := w.Next(ctx)
	p.token = event.Token
	return p, err
}

// check returns an error if the new store accepts an etag or a resume token of the old one.
func (p *past) check(ctx context.Context) error {
	again := store.Operation{Kind: store.Set, Key: p.key, Value: []byte("after")}
	var created store.Result
	for answered := false; !answered; {
		var err error
		created, err = p.kv.Do(ctx, again)
		if answered = err == nil; !answered && !unanswered(err) {
			return wrong(fmt.Errorf("set after a restart: %w", err))
		}
	}
	if created.Entry.Version == p.version {
		return wrong(fmt.Errorf("version %v came back after a restart", p.version))
	}
	again.Precondition = store.IfVersion(p.version)
	for {
		_, err := p.kv.Do(ctx, again)
		if errors.Is(err, store.ErrVersionMismatch) {
			break
		}
		if !unanswered(err) {
			return wrong(fmt.Errorf("a write on a version from before a restart = %w, want a mismatch", err))
		}
	}
	// It tries several times, to reach each gateway, by REST and by RPC.
	for range 8 {
		w, err := resuming{p.kv}.Watch(ctx, store.WatchRequest{Key: p.key, Resume: p.token})
		if err == nil {
			w.Close()
		}
		if !errors.Is(err, store.ErrResumeTooOld) {
			return wrong(fmt.Errorf("a watch resumed from before a restart = %w, want the token to be too old", err))
		}
	}
	return nil
}
