package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/reason"
	"key-value/internal/wiretest"
	"key-value/kvservice/store"
)

// remote is the service behind a gateway, seen as an engine, so that what is checked of engines can be checked of
// it. Calls go over REST and over each RPC wire in turn.
type remote struct {
	store.Engine // nothing of it is used
	url          string
	clients      []client
	turn         atomic.Uint64
}

func newRemote(t *testing.T, url string) *remote {
	r := &remote{url: url}
	for _, wire := range wiretest.Wires() {
		r.clients = append(r.clients, wire.Dial(t, url, "x-api-key", apiKey))
	}
	return r
}

// next returns the RPC client whose turn it is, or nil if it is that of REST.
func (r *remote) next() client {
	n := int(r.turn.Add(1) % uint64(2*len(r.clients)))
	if n < len(r.clients) {
		return r.clients[n]
	}
	return nil
}

func (r *remote) rpc() client { return r.clients[int(r.turn.Load())%len(r.clients)] }

var sentinels = map[reason.Reason]error{
	reason.KeyNotFound:        store.ErrNotFound,
	reason.ETagMismatch:       store.ErrVersionMismatch,
	reason.KeyExists:          store.ErrExists,
	reason.KeyAbsent:          store.ErrAbsent,
	reason.NotAnInteger:       store.ErrNotInteger,
	reason.IntegerOverflow:    store.ErrOverflow,
	reason.StoreFull:          store.ErrFull,
	reason.ResumeTooOld:       store.ErrResumeTooOld,
	reason.Overloaded:         store.ErrUnavailable,
	reason.ServiceUnavailable: store.ErrUnknownOutcome,
	reason.DeadlineExceeded:   store.ErrUnknownOutcome,
}

func (r *remote) Do(ctx context.Context, op store.Operation) (store.Result, error) {
	kv := r.next()
	if kv != nil || op.Kind == store.Delete { // which over REST does not say whether there was an entry
		return doRPC(ctx, r.rpc(), op)
	}
	return r.doREST(ctx, op)
}

// doRPC makes the call that op stands for.
func doRPC(ctx context.Context, kv client, op store.Operation) (store.Result, error) {
	var result *keyvaluev1.OperationResult
	var err error
	switch o := operationOf(op).GetOperation().(type) {
	case *keyvaluev1.Operation_Get:
		var res *keyvaluev1.GetResponse
		res, err = kv.Get(ctx, o.Get)
		result = &keyvaluev1.OperationResult{Result: &keyvaluev1.OperationResult_Get{Get: res}}
	case *keyvaluev1.Operation_Set:
		var res *keyvaluev1.SetResponse
		res, err = kv.Set(ctx, o.Set)
		result = &keyvaluev1.OperationResult{Result: &keyvaluev1.OperationResult_Set{Set: res}}
	case *keyvaluev1.Operation_Delete:
		var res *keyvaluev1.DeleteResponse
		res, err = kv.Delete(ctx, o.Delete)
		result = &keyvaluev1.OperationResult{Result: &keyvaluev1.OperationResult_Delete{Delete: res}}
	case *keyvaluev1.Operation_Touch:
		var res *keyvaluev1.TouchResponse
		res, err = kv.Touch(ctx, o.Touch)
		result = &keyvaluev1.OperationResult{Result: &keyvaluev1.OperationResult_Touch{Touch: res}}
	case *keyvaluev1.Operation_Increment:
		var res *keyvaluev1.IncrementResponse
		res, err = kv.Increment(ctx, o.Increment)
		result = &keyvaluev1.OperationResult{Result: &keyvaluev1.OperationResult_Increment{Increment: res}}
	}
	if err != nil {
		return store.Result{}, sentinel(reason.Of(err), err)
	}
	return resultOf(result), nil
}

func sentinel(why reason.Reason, err error) error {
	if s := sentinels[why]; s != nil {
		return s
	}
	return err
}

func (r *remote) Batch(ctx context.Context, ops []store.Operation, atomic bool) ([]store.Result, error) {
	req := &keyvaluev1.BatchRequest{Atomic: atomic}
	for _, op := range ops {
		req.Operations = append(req.Operations, operationOf(op))
	}
	res, why, metadata, err := r.batch(ctx, req)
	if index, parseErr := strconv.Atoi(metadata["operation"]); err != nil && parseErr == nil {
		return nil, &store.BatchError{Index: index, Err: sentinel(why, err)}
	}
	if err != nil {
		return nil, sentinel(why, err)
	}
	results := make([]store.Result, len(res.GetResults()))
	for i, result := range res.GetResults() {
		results[i] = resultOf(result)
	}
	return results, nil
}

func (r *remote) batch(
	ctx context.Context, req *keyvaluev1.BatchRequest,
) (*keyvaluev1.BatchResponse, reason.Reason, map[string]string, error) {
	if kv := r.next(); kv != nil {
		res, err := kv.Batch(ctx, req)
		why, metadata, _ := reason.Info(err)
		return res, why, metadata, err
	}
	status, _, answer, err := r.send(ctx, http.MethodPost, "/v1/values:batch", batchBody(req), "Content-Type", "application/json")
	if err != nil {
		return nil, reason.ServiceUnavailable, nil, err
	}
	if status != http.StatusOK {
		p := problemOf(answer)
		return nil, p.Reason, p.Metadata, errors.New(p.Detail)
	}
	res := &keyvaluev1.BatchResponse{}
	return res, "", nil, protojson.Unmarshal([]byte(answer), res)
}

// batchBody returns req as REST wants it: as the RPC has it, but that a touch without a TTL must say so.
func batchBody(req *keyvaluev1.BatchRequest) string {
	operations := make([]string, len(req.GetOperations()))
	for i, operation := range req.GetOperations() {
		operations[i] = protojson.Format(operation)
		if touch := operation.GetTouch(); touch != nil && touch.GetTtl() == nil {
			operations[i] = strings.Replace(operations[i], `"key"`, `"ttl":null,"key"`, 1)
		}
	}
	return fmt.Sprintf(`{"atomic":%t,"operations":[%s]}`, req.GetAtomic(), strings.Join(operations, ","))
}

// problem is an answer as problem+json.
type problem struct {
	Reason   reason.Reason     `json:"reason"`
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

// send makes a REST request.
func (r *remote) send(ctx context.Context, method, path, body string, header ...string) (int, http.Header, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.url+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	req.Header.Set("X-Api-Key", apiKey)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(answer), err
}

// doREST makes the REST request that op stands for.
func (r *remote) doREST(ctx context.Context, op store.Operation) (store.Result, error) {
	path := "/v1/values/" + url.PathEscape(op.Key)
	method, body, header := http.MethodGet, "", conditionOf(op.Precondition)
	switch op.Kind {
	case store.Set:
		method, body, header = http.MethodPut, string(op.Value), append(header, "Content-Type", "application/octet-stream")
		if op.TTL > 0 {
			path += "?ttl=" + op.TTL.String()
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
		return store.Result{}, store.ErrUnknownOutcome
	}
	if status != http.StatusOK && status != http.StatusCreated {
		p := problemOf(answer)
		return store.Result{}, sentinel(p.Reason, errors.New(answer))
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
	}
	if err := json.Unmarshal([]byte(answer), &e); err != nil {
		return store.Result{}, err
	}
	version, ok := store.ParseVersion(strings.Trim(header.Get("ETag"), `"`))
	if !ok {
		return store.Result{}, fmt.Errorf("ETag %q of %s is no version", header.Get("ETag"), answer)
	}
	result := store.Result{
		Entry:   store.Entry{Key: e.Key, Version: version, ExpireTime: e.ExpireTime},
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

// operationOf returns op as a message.
func operationOf(op store.Operation) *keyvaluev1.Operation {
	var ttl *durationpb.Duration
	if op.TTL > 0 {
		ttl = durationpb.New(op.TTL)
	}
	p := preconditionOf(op.Precondition)
	switch op.Kind {
	case store.Get:
		return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Get{Get: &keyvaluev1.GetRequest{Key: op.Key}}}
	case store.Set:
		return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Set{Set: &keyvaluev1.SetRequest{
			Key: op.Key, Content: &keyvaluev1.SetRequest_Data{Data: op.Value}, Ttl: ttl, Precondition: p,
		}}}
	case store.Delete:
		return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Delete{
			Delete: &keyvaluev1.DeleteRequest{Key: op.Key, Precondition: p},
		}}
	case store.Touch:
		return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Touch{
			Touch: &keyvaluev1.TouchRequest{Key: op.Key, Ttl: ttl, Precondition: p},
		}}
	}
	return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Increment{Increment: &keyvaluev1.IncrementRequest{
		Key: op.Key, Delta: op.Delta, Initial: op.Initial, Ttl: ttl,
	}}}
}

func preconditionOf(p store.Precondition) *keyvaluev1.Precondition {
	if v, ok := p.Version(); ok {
		return &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Etag{Etag: v.String()}}
	}
	if exists, ok := p.Existence(); ok {
		return &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Exists{Exists: exists}}
	}
	return nil
}

// resultOf returns a message as what an engine would have returned.
func resultOf(result *keyvaluev1.OperationResult) store.Result {
	switch r := result.GetResult().(type) {
	case *keyvaluev1.OperationResult_Get:
		return store.Result{Entry: entryOf(r.Get.GetEntry())}
	case *keyvaluev1.OperationResult_Set:
		return store.Result{Entry: entryOf(r.Set.GetEntry()), Changed: r.Set.GetCreated()}
	case *keyvaluev1.OperationResult_Delete:
		return store.Result{Changed: r.Delete.GetDeleted()}
	case *keyvaluev1.OperationResult_Touch:
		return store.Result{Entry: entryOf(r.Touch.GetEntry())}
	case *keyvaluev1.OperationResult_Increment:
		return store.Result{Entry: entryOf(r.Increment.GetEntry()), Sum: r.Increment.GetValue()}
	}
	return store.Result{Err: sentinel(reason.Reason(result.GetError().GetReason()), errors.New(result.GetError().GetMessage()))}
}

func entryOf(e *keyvaluev1.Entry) store.Entry {
	version, _ := store.ParseVersion(e.GetEtag())
	entry := store.Entry{Key: e.GetKey(), Value: contentOf(e), Version: version}
	if e.GetExpireTime() != nil {
		entry.ExpireTime = e.GetExpireTime().AsTime()
	}
	return entry
}

func contentOf(e *keyvaluev1.Entry) []byte { return append([]byte(e.GetValue()), e.GetData()...) }

func (r *remote) Watch(ctx context.Context, req store.WatchRequest) (store.Watcher, error) {
	ctx, cancel := context.WithCancel(ctx)
	open := watchRPC
	if r.turn.Add(1)%2 == 0 {
		open = watchREST
	}
	next, err := open(ctx, r, req)
	if err != nil {
		cancel()
		return nil, err
	}
	return &remoteWatch{next: next, cancel: cancel}, nil
}

// remoteWatch is a watch of the service. Its Next obeys the context of the watch, not its own.
type remoteWatch struct {
	next   func() (store.Event, error)
	cancel context.CancelFunc
}

func (w *remoteWatch) Next(context.Context) (store.Event, error) { return w.next() }
func (w *remoteWatch) Close()                                    { w.cancel() }

func watchRPC(ctx context.Context, r *remote, req store.WatchRequest) (func() (store.Event, error), error) {
	message := &keyvaluev1.WatchRequest{
		Target:      &keyvaluev1.WatchRequest_Prefix{Prefix: req.Prefix},
		ResumeToken: req.Resume, Snapshot: req.Snapshot,
	}
	if req.Key != "" {
		message.Target = &keyvaluev1.WatchRequest_Key{Key: req.Key}
	}
	stream, err := r.rpc().Watch(ctx, message)
	if err != nil {
		return nil, sentinel(reason.Of(err), err)
	}
	return func() (store.Event, error) {
		res, err := stream.Receive()
		if err != nil {
			return store.Event{}, sentinel(reason.Of(err), err)
		}
		return store.Event{
			Type:  eventTypes[strings.ToLower(strings.TrimPrefix(res.GetEvent().GetType().String(), "TYPE_"))],
			Entry: entryOf(res.GetEvent().GetEntry()), Token: res.GetResumeToken(),
		}, nil
	}, nil
}

var eventTypes = map[string]store.EventType{
	"put": store.Put, "delete": store.Deleted, "expire": store.Expired, "evict": store.Evicted, "sync": store.Sync,
}

func watchREST(ctx context.Context, r *remote, req store.WatchRequest) (func() (store.Event, error), error) {
	query := url.Values{"prefix": {req.Prefix}}
	if req.Key != "" {
		query = url.Values{"key": {req.Key}}
	}
	if req.Snapshot {
		query.Set("snapshot", "true")
	}
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/v1/values:watch?"+query.Encode(), http.NoBody)
	if err != nil {
		return nil, err
	}
	get.Header = http.Header{"X-Api-Key": {apiKey}}
	if req.Resume != "" {
		get.Header.Set("Last-Event-ID", req.Resume)
	}
	res, err := http.DefaultClient.Do(get)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(res.Body)
	if res.StatusCode != http.StatusOK {
		lines.Scan()
		p := problemOf(lines.Text())
		_ = res.Body.Close()
		return nil, sentinel(p.Reason, fmt.Errorf("%s: %s", res.Status, lines.Text()))
	}
	context.AfterFunc(ctx, func() { _ = res.Body.Close() })
	return func() (store.Event, error) { return readEvent(lines) }, nil
}

// readEvent reads one event of a text/event-stream.
func readEvent(lines *bufio.Scanner) (store.Event, error) {
	var event store.Event
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case lines.Text() == "" && event.Type != 0:
			return event, nil
		case name == "id":
			event.Token = value
		case name == "event" && eventTypes[value] == 0:
			return event, fmt.Errorf("event %s", value)
		case name == "event":
			event.Type = eventTypes[value]
		case name == "data":
			var e struct {
				Key, Value, ETag string
				Data             []byte
			}
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				return event, err
			}
			version, _ := store.ParseVersion(e.ETag)
			event.Entry = store.Entry{Key: e.Key, Value: append([]byte(e.Value), e.Data...), Version: version}
		}
	}
	return event, errors.Join(io.ErrUnexpectedEOF, lines.Err())
}
