package kvservice

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/kvservice/store"
)

// List implements the RPC.
func (s *Service) List(ctx context.Context, req *keyvaluev1.ListRequest) (*keyvaluev1.ListResponse, error) {
	list, err := readList(req)
	if err != nil {
		return nil, err
	}
	if err := s.limiter.AcquireLarge(ctx); err != nil {
		return nil, err
	}
	defer s.limiter.ReleaseLarge(ctx)
	if account := admission.AccountOf(ctx); account != nil {
		list.Reserve = account.ReserveContent
	}
	page, err := s.engine.List(ctx, list)
	if err != nil {
		return nil, failure("", err)
	}
	write := withContent
	if list.KeysOnly {
		write = withoutContent
	}
	response := &keyvaluev1.ListResponse{Entries: make([]*keyvaluev1.Entry, len(page.Entries))}
	for i, e := range page.Entries {
		response.Entries[i] = write(e)
	}
	if page.More && len(page.Entries) != 0 {
		response.NextPageToken = pageToken(list.Prefix, page.Entries[len(page.Entries)-1].Key)
	}
	return response, nil
}

func readList(req *keyvaluev1.ListRequest) (store.ListRequest, error) {
	list := store.ListRequest{
		Prefix: req.GetPrefix(), Limit: int(req.GetPageSize()), MaxBytes: contract.MaxContentBytes, KeysOnly: req.GetKeysOnly(),
	}
	if err := checkPrefix(list.Prefix); err != nil {
		return list, err
	}
	switch {
	case list.Limit < 0:
		return list, contract.RequestInvalid.Errorf("invalid page_size %d: want 1 to %d, or 0 for the default of %d",
			list.Limit, contract.MaxPageSize, contract.DefaultPageSize)
	case list.Limit == 0:
		list.Limit = contract.DefaultPageSize
	case list.Limit > contract.MaxPageSize:
		list.Limit = contract.MaxPageSize
	}
	var ok bool
	if list.After, ok = parsePageToken(list.Prefix, req.GetPageToken()); !ok {
		return list, contract.PageTokenInvalid.Errorf(
			"invalid page_token: want next_page_token of the previous page with the same prefix, or none for the first page")
	}
	return list, nil
}

// checksumBytes is the length of a page token's checksum. It detects a damaged token and one of another prefix. It need
// not resist forgery, because a token grants no rights.
const checksumBytes = 6

// pageToken returns the token of the page that starts after the key last: in base64, a checksum of prefix and last, then
// last.
func pageToken(prefix, last string) string {
	return base64.RawURLEncoding.EncodeToString(append(pageChecksum(prefix, last), last...))
}

// parsePageToken returns the key after which the page of token starts, or "" for the first page. It reports false if
// token is damaged or belongs to another prefix.
func parsePageToken(prefix, token string) (string, bool) {
	if token == "" {
		return "", true
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) <= checksumBytes {
		return "", false
	}
	last := string(b[checksumBytes:])
	return last, strings.HasPrefix(last, prefix) && string(b[:checksumBytes]) == string(pageChecksum(prefix, last))
}

// pageChecksum separates prefix and last by a byte that keys cannot contain, so the boundary between them is covered too.
func pageChecksum(prefix, last string) []byte {
	sum := sha256.Sum256([]byte("page\x00" + prefix + "\x00" + last))
	return sum[:checksumBytes:checksumBytes]
}
