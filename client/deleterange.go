package client

import (
	"context"

	keyvaluev1 "key-value/gen/keyvalue/v1"
)

// A KeyRange says which keys [Client.DeleteRange] deletes: those that begin with Prefix, or those from Start on and before
// End, or those to which both applies. The zero value is an error, so that an empty variable deletes nothing, and so is a
// Start after End.
type KeyRange struct {
	Prefix     string
	Start, End string // need not exist; without Prefix, both are needed
	All        bool   // every key of the store; nothing else may be set then
	DryRun     bool   // count what would be deleted, and delete nothing

	// Each is called after each call with how many entries are deleted so far, such as to show progress. If it returns an
	// error, DeleteRange ends with that error. Nil means not to call it.
	Each func(deleted int64) error
}

// DeleteRange deletes the entries of a range, up to 1,000 a call, and returns how many it deleted. If it fails, it returns
// how many it had deleted by then; the call that failed may have deleted up to 1,000 more. Watches get an event for each.
func (c *Client) DeleteRange(ctx context.Context, r KeyRange) (int64, error) {
	req := &keyvaluev1.DeleteRangeRequest{Prefix: r.Prefix, Start: r.Start, End: r.End, All: r.All, DryRun: r.DryRun}
	for deleted := int64(0); ; {
		res, err := call(ctx, req, c.rpc.DeleteRange)
		deleted += res.GetDeleted()
		if err == nil && r.Each != nil {
			err = r.Each(deleted)
		}
		if req.PageToken = res.GetNextPageToken(); err != nil || req.GetPageToken() == "" {
			return deleted, err
		}
	}
}

// DeletePrefix deletes the entries whose keys begin with prefix, as [Client.DeleteRange] does, and returns how many it
// deleted. An empty prefix is an error: see [KeyRange] for how to delete every entry.
func (c *Client) DeletePrefix(ctx context.Context, prefix string) (int64, error) {
	return c.DeleteRange(ctx, KeyRange{Prefix: prefix})
}
