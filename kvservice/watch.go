package kvservice

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strings"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/kvservice/store"
)

// Watch implements the RPC.
func (s *Service) Watch(
	ctx context.Context, req *keyvaluev1.WatchRequest, stream keyvaluev1connect.KeyValueServiceWatchServerStream,
) error {
	watch, err := readWatch(req)
	if err != nil {
		return err
	}
	if err := s.limiter.AcquireWatch(ctx); err != nil {
		return err
	}
	defer s.limiter.ReleaseWatch(ctx)
	account := admission.AccountOf(ctx)
	if account != nil {
		watch.Room = account
	}
	watcher, err := s.engine.Watch(ctx, watch)
	if err != nil {
		return failure(watch.Key, err)
	}
	defer watcher.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	for {
		event, err := watcher.Next(ctx)
		if err != nil {
			return s.watchEnded(watch, err)
		}
		if event.Type != store.Put {
			account.Skip()
		}
		if err := stream.Send(writeEvent(event)); err != nil {
			return err
		}
	}
}

// watchEnded returns the error of a watch that ended with err, which differs if it ended because the service is stopping.
func (s *Service) watchEnded(watch store.WatchRequest, err error) error {
	if s.stopping.Err() != nil {
		return contract.ServiceUnavailable.Errorf("the service is stopping; resume from the last resume_token")
	}
	return failure(watch.Key, err)
}

func readWatch(req *keyvaluev1.WatchRequest) (store.WatchRequest, error) {
	watch := store.WatchRequest{Snapshot: req.GetSnapshot()}
	if req.GetResumeToken() != "" && watch.Snapshot {
		return watch, contract.RequestInvalid.Errorf("resume_token and snapshot are mutually exclusive: set resume_token to continue, or snapshot to start over")
	}
	var ok bool
	if watch.Resume, ok = parseResumeToken(req.GetResumeToken()); !ok {
		return watch, failure("", store.ErrTokenInvalid)
	}
	switch target := req.GetTarget().(type) {
	case *keyvaluev1.WatchRequest_Key:
		watch.Key = target.Key
		return watch, contract.CheckKey(target.Key)
	case *keyvaluev1.WatchRequest_Prefix:
		watch.Prefix = target.Prefix
		return watch, contract.CheckPart("prefix", target.Prefix)
	}
	return watch, contract.RequestInvalid.Errorf("nothing to watch: set key or prefix; an empty prefix means all keys")
}

var eventTypes = map[store.EventType]keyvaluev1.Event_Type{
	store.Put:     keyvaluev1.Event_TYPE_PUT,
	store.Deleted: keyvaluev1.Event_TYPE_DELETE,
	store.Expired: keyvaluev1.Event_TYPE_EXPIRE,
	store.Evicted: keyvaluev1.Event_TYPE_EVICT,
	store.Sync:    keyvaluev1.Event_TYPE_SYNC,
	store.Touched: keyvaluev1.Event_TYPE_TOUCH,
}

func writeEvent(e store.Event) *keyvaluev1.WatchResponse {
	event := &keyvaluev1.Event{Type: eventTypes[e.Type], Revision: e.Revision}
	switch e.Type {
	case store.Put:
		event.Entry = withContent(e.Entry)
	case store.Touched:
		event.Entry = withoutContent(e.Entry)
	case store.Sync:
	default:
		event.Entry = &keyvaluev1.Entry{Key: e.Entry.Key}
	}
	return &keyvaluev1.WatchResponse{Event: event, ResumeToken: resumeToken(e.Token)}
}

// resumeToken returns an engine's token followed by its CRC-32. Without the checksum, a truncated or altered token could
// be a valid token of another event, and a watch resumed from it would miss or repeat changes.
func resumeToken(token string) string {
	if token == "" {
		return ""
	}
	text := append(make([]byte, 0, len(token)+len("-01234567")), token...)
	var sum [crc32.Size]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE(text))
	return string(hex.AppendEncode(append(text, '-'), sum[:]))
}

// parseResumeToken returns the engine's token in token, or "" if token is empty. It reports false if token is damaged.
func parseResumeToken(token string) (string, bool) {
	if token == "" {
		return "", true
	}
	i := strings.LastIndexByte(token, '-')
	if i <= 0 {
		return "", false
	}
	return token[:i], resumeToken(token[:i]) == token
}
