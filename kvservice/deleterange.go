package kvservice

import (
	"cmp"
	"context"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/kvservice/store"
)

// DeleteRange implements the RPC.
func (s *Service) DeleteRange(
	ctx context.Context, req *keyvaluev1.DeleteRangeRequest,
) (*keyvaluev1.DeleteRangeResponse, error) {
	start := s.keys.Start()
	res, err := s.deleteRange(ctx, req)
	s.ended(ctx, start, "DeleteRange", cmp.Or(req.GetPrefix(), req.GetStart()), 1, err)
	return res, err
}

func (s *Service) deleteRange(
	ctx context.Context, req *keyvaluev1.DeleteRangeRequest,
) (*keyvaluev1.DeleteRangeResponse, error) {
	deletion, err := readDeleteRange(req)
	if err != nil {
		return nil, err
	}
	if err := s.limiter.AcquireLarge(ctx); err != nil {
		return nil, err
	}
	defer s.limiter.ReleaseLarge(ctx)
	ctx = store.WithPauser(ctx, s.limiter)
	result, err := s.engine.DeleteRange(ctx, deletion)
	if err != nil {
		return nil, failure("", err)
	}
	response := &keyvaluev1.DeleteRangeResponse{Deleted: int64(result.Deleted)}
	if result.More {
		response.NextPageToken = tokenOf(covered(deletion), result.Last)
	}
	return response, nil
}

func readDeleteRange(req *keyvaluev1.DeleteRangeRequest) (store.RangeRequest, error) {
	deletion := store.RangeRequest{
		Prefix: req.GetPrefix(), Start: req.GetStart(), End: req.GetEnd(), Limit: contract.MaxOperations, DryRun: req.GetDryRun(),
	}
	if err := checkRange(deletion.Prefix, deletion.Start, deletion.End); err != nil {
		return deletion, err
	}
	bounded := deletion.Prefix != "" || deletion.Start != "" && deletion.End != ""
	switch {
	case req.GetAll() && (deletion.Prefix != "" || deletion.Start != "" || deletion.End != ""):
		return deletion, contract.RequestInvalid.Errorf("all is set together with a prefix or range: want one or the other")
	case !req.GetAll() && !bounded:
		return deletion, contract.RequestInvalid.Errorf(
			"nothing to delete: set prefix, or start and end; to delete every key, set all")
	}
	var ok bool
	if deletion.After, ok = parseToken(covered(deletion), deletion.Prefix, req.GetPageToken()); !ok {
		return deletion, contract.PageTokenInvalid.Errorf(
			"invalid page_token: want next_page_token of the previous call with the same prefix, start, end, all and dry_run, or none for the first call")
	}
	return deletion, nil
}

// covered returns what the tokens of a deletion are bound to.
func covered(deletion store.RangeRequest) []string {
	kind := "delete"
	if deletion.DryRun {
		kind = "count"
	}
	return []string{kind, deletion.Prefix, deletion.Start, deletion.End}
}
