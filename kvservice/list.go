package kvservice

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/admission"
	"key-value/internal/contract"
	"key-value/internal/contract/messagejson"
	"key-value/kvservice/store"
)

// List implements the RPC.
func (s *Service) List(ctx context.Context, req *keyvaluev1.ListRequest) (*keyvaluev1.ListResponse, error) {
	start := s.keys.Start()
	res, err := s.list(ctx, req)
	s.ended(ctx, start, "List", cmp.Or(req.GetPrefix(), req.GetStart()), 1, err)
	return res, err
}

func (s *Service) list(ctx context.Context, req *keyvaluev1.ListRequest) (*keyvaluev1.ListResponse, error) {
	list, err := readList(req)
	if err != nil {
		return nil, err
	}
	if err := s.limiter.AcquireLarge(ctx); err != nil {
		return nil, err
	}
	defer s.limiter.ReleaseLarge(ctx)
	ctx = store.WithPauser(ctx, s.limiter)
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
	response := &keyvaluev1.ListResponse{Entries: make([]*keyvaluev1.Entry, len(page.Entries)), Prefixes: page.Prefixes}
	for i, e := range page.Entries {
		response.Entries[i] = write(e)
	}
	if n := fitting(response); n < len(page.Entries) {
		page = untilEntry(page, n, list.Reverse)
		response.Entries, response.Prefixes = response.Entries[:n], page.Prefixes
	}
	if page.More && page.Len() != 0 {
		response.NextPageToken = pageToken(list, page.Last(list.Reverse))
	}
	return response, nil
}

func readList(req *keyvaluev1.ListRequest) (store.ListRequest, error) {
	list := store.ListRequest{
		Prefix: req.GetPrefix(), Start: req.GetStart(), End: req.GetEnd(), Reverse: req.GetReverse(), Delimiter: req.GetDelimiter(),
		Limit: int(req.GetPageSize()), KeysOnly: req.GetKeysOnly(),
	}
	if err := checkRange(list.Prefix, list.Start, list.End); err != nil {
		return list, err
	}
	if err := contract.CheckPart("delimiter", list.Delimiter); err != nil {
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
	list.MaxBytes = contract.MaxContentBytes - pageOverhead - list.Limit*contract.EntryOverhead
	var ok bool
	if list.After, ok = parsePageToken(list, req.GetPageToken()); !ok {
		return list, contract.PageTokenInvalid.Errorf(
			"invalid page_token: want next_page_token of the previous page with the same prefix, start, end, reverse and delimiter, or none for the first page")
	}
	return list, nil
}

const (
	// pageOverhead is at least what a page takes without its entries and prefixes, in bytes: the token, and names in JSON.
	pageOverhead = 2 << 10
	// jsonGrowth is at most how many bytes of JSON a byte of text or data takes.
	jsonGrowth = 6
)

// fitting returns how many entries of page keep it below its maximum size in JSON, at least one. The engine has bounded the
// page as a message already.
func fitting(page *keyvaluev1.ListResponse) int {
	room := contract.MaxContentBytes - pageOverhead
	if room >= jsonGrowth*contract.ContentBytes(page) {
		return len(page.GetEntries())
	}
	for _, prefix := range page.GetPrefixes() {
		room -= messagejson.Length(prefix, nil) + len(`"",`)
	}
	for i, e := range page.GetEntries() {
		room -= contract.EntryOverhead + messagejson.Length(e.GetKey(), nil) + messagejson.Length(e.GetValue(), e.GetData())
		if room < 0 && i > 0 {
			return i
		}
	}
	return len(page.GetEntries())
}

// untilEntry returns the first n entries of page, at least one, and the prefixes before the last of them.
func untilEntry(page store.Page, n int, reverse bool) store.Page {
	last := page.Entries[n-1].Key
	beyond := func(prefix string) bool { return (prefix > last) != reverse }
	return store.Page{Entries: page.Entries[:n], Prefixes: slices.DeleteFunc(page.Prefixes, beyond), More: true}
}

// checksumBytes is the length of a page token's checksum. It detects a damaged token and one of another listing. It need
// not resist forgery, because a token grants no rights.
const checksumBytes = 6

// pageToken returns the token of the page of list that starts after last, a key or prefix.
func pageToken(list store.ListRequest, last string) string { return tokenOf(parameters(list), last) }

// parsePageToken returns the key or prefix after which the page of token starts, or "" for the first page. It reports
// false if token is damaged or belongs to another listing.
func parsePageToken(list store.ListRequest, token string) (string, bool) {
	return parseToken(parameters(list), list.Prefix, token)
}

// parameters returns what the tokens of a listing are bound to.
func parameters(list store.ListRequest) []string {
	bound := []string{"page", list.Prefix}
	if list.Start != "" || list.End != "" || list.Reverse || list.Delimiter != "" {
		bound = append(bound, list.Start, list.End, strconv.FormatBool(list.Reverse), list.Delimiter)
	}
	return bound
}

// tokenOf returns the token of a call that goes on after last: in base64, a checksum of last and what the token is bound
// to, then last.
func tokenOf(bound []string, last string) string {
	return base64.RawURLEncoding.EncodeToString(append(tokenChecksum(bound, last), last...))
}

// parseToken returns the key after which the call with token goes on, or "" if token is empty. It reports false if token
// is damaged or bound to something else.
func parseToken(bound []string, prefix, token string) (string, bool) {
	if token == "" {
		return "", true
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) <= checksumBytes {
		return "", false
	}
	last := string(b[checksumBytes:])
	return last, strings.HasPrefix(last, prefix) && string(b[:checksumBytes]) == string(tokenChecksum(bound, last))
}

// tokenChecksum separates what it covers by a byte that keys cannot contain, so the boundaries are covered too.
func tokenChecksum(bound []string, last string) []byte {
	covered := append([]string{bound[0], bound[1], last}, bound[2:]...)
	sum := sha256.Sum256([]byte(strings.Join(covered, "\x00")))
	return sum[:checksumBytes:checksumBytes]
}
