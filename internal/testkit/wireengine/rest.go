package wireengine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"key-value/internal/contract"
	"key-value/kvservice/store"
)

// problem is a problem+json body.
type problem struct {
	Reason   contract.Reason   `json:"reason"`
	Detail   string            `json:"detail"`
	Metadata map[string]string `json:"metadata"`
}

func problemOf(body string) problem {
	var p problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		p.Detail = body
	}
	return p
}

// send sends a REST request.
func (r *Engine) send(ctx context.Context, method, path, body string, header ...string) (int, http.Header, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	req.Header.Set("X-Api-Key", r.key)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := r.http.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(answer), err
}

// doREST sends the REST request for op.
func (r *Engine) doREST(ctx context.Context, op store.Operation) (store.Result, error) {
	path := "/v1/values/" + url.PathEscape(op.Key)
	method, body, header := http.MethodGet, "", conditionOf(op.Precondition)
	switch op.Kind {
	case store.Set:
		method, body, header = http.MethodPut, string(op.Value), append(header, "Content-Type", "application/octet-stream")
		if op.TTL > 0 {
			path += "?ttl=" + op.TTL.String()
		}
		if op.KeepTTL {
			path += "?ttl=keep"
		}
	case store.Touch:
		method, body, header = http.MethodPatch, `{"ttl":null}`, append(header, "Content-Type", "application/json")
		if op.TTL > 0 {
			body = fmt.Sprintf(`{"ttl":%q}`, op.TTL)
		}
	case store.Increment:
		method, path, header = http.MethodPost, "/v1/values:increment", []string{"Content-Type", "application/json"}
		key, _ := json.Marshal(op.Key)
		body = fmt.Sprintf(`{"key":%s,"delta":"%d","initial":%d`, key, op.Delta, op.Initial)
		if op.TTL > 0 {
			body += fmt.Sprintf(`,"ttl":%q`, op.TTL)
		}
		body += "}"
	default:
		header = nil
	}
	status, got, answer, err := r.send(ctx, method, path, body, header...)
	if err != nil {
		return store.Result{}, unknown(err)
	}
	if status != http.StatusOK && status != http.StatusCreated {
		p := problemOf(answer)
		if op.AllowMissing && p.Reason == contract.KeyNotFound {
			return store.Result{}, nil // only a batch can ask for that
		}
		return store.Result{}, sentinel(p.Reason, fmt.Errorf("%d: %s", status, answer))
	}
	return resultOfREST(op, status, got, answer)
}

func conditionOf(p store.Precondition) []string {
	if v, ok := p.Version(); ok {
		return []string{"If-Match", `"` + v.String() + `"`}
	}
	switch exists, ok := p.Existence(); {
	case ok && exists:
		return []string{"If-Match", "*"}
	case ok:
		return []string{"If-None-Match", "*"}
	}
	return nil
}

func resultOfREST(op store.Operation, status int, header http.Header, answer string) (store.Result, error) {
	var e struct {
		Key, Value string
		Data       []byte
		ExpireTime time.Time
		TTL        string
	}
	if err := json.Unmarshal([]byte(answer), &e); err != nil {
		return store.Result{}, err
	}
	version, ok := store.ParseVersion(strings.Trim(header.Get("ETag"), `"`))
	if !ok {
		return store.Result{}, fmt.Errorf("ETag %q of %s is not a version", header.Get("ETag"), answer)
	}
	ttl, err := time.ParseDuration(cmp.Or(e.TTL, "0s"))
	if err != nil {
		return store.Result{}, err
	}
	result := store.Result{
		Entry:   store.Entry{Key: e.Key, Version: version, ExpireTime: e.ExpireTime, TTL: ttl},
		Changed: status == http.StatusCreated,
	}
	switch op.Kind {
	case store.Get:
		result.Entry.Value = append([]byte(e.Value), e.Data...)
	case store.Increment:
		var err error
		result.Sum, err = strconv.ParseInt(e.Value, 10, 64)
		return result, err
	}
	return result, nil
}
