package kvservice

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strings"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
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
	if err := s.limiter.AcquireWatch(); err != nil {
		return err
	}
	defer s.limiter.ReleaseWatch()
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
		if err := stream.Send(writeEvent(event)); err != nil {
			return err
		}
	}
}

// watchEnded tells a watch that ended because the service stops from one whose caller went away.
func (s *Service) watchEnded(watch store.WatchRequest, err error) error {
	if s.stopping.Err() != nil {
		return contract.ServiceUnavailable.Errorf("the service is stopping; resume from the last resume_token")
	}
	return failure(watch.Key, err)
}

func readWatch(req *keyvaluev1.WatchRequest) (store.WatchRequest, error) {
	watch := store.WatchRequest{Snapshot: req.GetSnapshot()}
	if req.GetResumeToken() != "" && watch.Snapshot {
		return watch, contract.RequestInvalid.Errorf("set resume_token to continue or snapshot to start over, not both")
	}
	var ok bool
	if watch.Resume, ok = parseResumeToken(req.GetResumeToken()); !ok {
		return watch, failure("", store.ErrTokenInvalid)
	}
	switch target := req.GetTarget().(type) {
	case *keyvaluev1.WatchRequest_Key:
		watch.Key = target.Key
		return watch, checkKey(target.Key)
	case *keyvaluev1.WatchRequest_Prefix:
		watch.Prefix = target.Prefix
		return watch, checkPrefix(target.Prefix)
	}
	return watch, contract.RequestInvalid.Errorf("nothing to watch: set key, or prefix, which may be empty for all keys")
}

var eventTypes = map[store.EventType]keyvaluev1.Event_Type{
	store.Put:     keyvaluev1.Event_TYPE_PUT,
	store.Deleted: keyvaluev1.Event_TYPE_DELETE,
	store.Expired: keyvaluev1.Event_TYPE_EXPIRE,
	store.Evicted: keyvaluev1.Event_TYPE_EVICT,
	store.Sync:    keyvaluev1.Event_TYPE_SYNC,
}

func writeEvent(e store.Event) *keyvaluev1.WatchResponse {
	event := &keyvaluev1.Event{Type: eventTypes[e.Type]}
	switch e.Type {
	case store.Put:
		event.Entry = withContent(e.Entry)
	case store.Sync:
	default:
		event.Entry = &keyvaluev1.Entry{Key: e.Entry.Key}
	}
	return &keyvaluev1.WatchResponse{Event: event, ResumeToken: resumeToken(e.Token)}
}

// resumeToken returns an engine's token with its CRC-32 behind it. A token that was cut short or changed on its way may
// be one that the engine made for another event, from where a watch would miss or repeat changes.
func resumeToken(token string) string {
	if token == "" {
		return ""
	}
	text := append(make([]byte, 0, len(token)+len("-01234567")), token...)
	var sum [crc32.Size]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE(text))
	return string(hex.AppendEncode(append(text, '-'), sum[:]))
}

// parseResumeToken returns the engine's token: "" if there is none.
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
