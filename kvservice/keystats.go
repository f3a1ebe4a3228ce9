package kvservice

import (
	"cmp"
	"context"
	"errors"
	"math"
	"time"

	"connectrpc.com/connect/v2"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/internal/observe/requestid"
	"key-value/kvservice/keystats"
	"key-value/kvservice/store"
)

// defaultKeyLimit is how many elements each list of key statistics has unless the request says otherwise.
const defaultKeyLimit = 20

// sizesTimeout bounds how long an answer waits for the sizes. A stalled disk must not hide the hot keys and slow calls.
const sizesTimeout = time.Second

// GetKeyStats implements the RPC.
func (s *Service) GetKeyStats(
	ctx context.Context, req *keyvaluev1.GetKeyStatsRequest,
) (*keyvaluev1.GetKeyStatsResponse, error) {
	limit, delimiter := int(req.GetLimit()), req.GetDelimiter()
	if limit < 0 {
		return nil, contract.RequestInvalid.Errorf("invalid limit %d: want 1 to %d, or 0 for the default of %d",
			limit, keystats.MaxLimit, defaultKeyLimit)
	}
	if err := contract.CheckPart("delimiter", delimiter); err != nil {
		return nil, err
	}
	if s.keys == nil {
		return &keyvaluev1.GetKeyStatsResponse{}, nil
	}
	limit, delimiter = min(cmp.Or(limit, defaultKeyLimit), keystats.MaxLimit), cmp.Or(delimiter, "/")
	report := s.keys.Report(limit)
	res := &keyvaluev1.GetKeyStatsResponse{
		Enabled:      true,
		Window:       durationpb.New(report.Window),
		SampledEvery: int32(report.SampledEvery),
		Reads:        writeTraffic(report.Reads),
		Writes:       writeTraffic(report.Writes),
		SlowCalls:    writeSlowCalls(report.SlowCalls, time.Now()),
	}
	var err error
	res.Sizes, err = s.sizes(ctx, delimiter, limit)
	return res, err
}

// sizes returns what the entries take, or why that is not known.
func (s *Service) sizes(ctx context.Context, delimiter string, limit int) (*keyvaluev1.PrefixSizes, error) {
	engine, ok := s.engine.(keystats.Sampler)
	if !ok {
		return &keyvaluev1.PrefixSizes{
			UnknownReason: "the entries are in another process, and counting them would mean reading all of them",
		}, nil
	}
	bounded, cancel := context.WithTimeout(ctx, sizesTimeout)
	defer cancel()
	sizes, err := s.keys.Sizes(bounded, engine, delimiter, limit)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return &keyvaluev1.PrefixSizes{UnknownReason: "the disk has not confirmed the latest writes in time"}, nil
	case errors.Is(err, store.ErrLoading):
		return &keyvaluev1.PrefixSizes{UnknownReason: "the store is loading its entries"}, nil
	case err != nil:
		return nil, failure("", err)
	}
	message := &keyvaluev1.PrefixSizes{
		Known: true, Exact: sizes.Exact, Age: durationpb.New(sizes.Age), Entries: sizes.Total.Entries, Bytes: sizes.Total.Bytes,
	}
	for _, p := range sizes.Prefixes {
		message.Prefixes = append(message.Prefixes, &keyvaluev1.PrefixSize{
			Prefix: p.Prefix, Level: int32(p.Level), Entries: p.Entries, Bytes: p.Bytes,
		})
	}
	return message, nil
}

func writeTraffic(t keystats.Traffic) *keyvaluev1.KeyTraffic {
	return &keyvaluev1.KeyTraffic{PerSecond: round(t.PerSecond, 1e3), Keys: writeRates(t.Keys), Prefixes: writeRates(t.Prefixes)}
}

func writeRates(rates []keystats.Rate) []*keyvaluev1.KeyRate {
	messages := make([]*keyvaluev1.KeyRate, len(rates))
	for i, r := range rates {
		messages[i] = &keyvaluev1.KeyRate{Key: r.Key, PerSecond: round(r.PerSecond, 1e3), Share: round(r.Share, 1e6)}
	}
	return messages
}

// round rounds v to a multiple of 1/unit: an estimate does not have the 17 digits of a float64.
func round(v, unit float64) float64 { return math.Round(v*unit) / unit }

func writeSlowCalls(calls []keystats.Call, now time.Time) []*keyvaluev1.SlowCall {
	messages := make([]*keyvaluev1.SlowCall, len(calls))
	for i, c := range calls {
		messages[i] = &keyvaluev1.SlowCall{
			Age: durationpb.New(c.Age), Duration: durationpb.New(c.Took), EndTime: timestamppb.New(now.Add(-c.Age)),
			Method: c.Method, Key: c.Key, Operations: int32(c.Operations), Code: c.Code, RequestId: c.RequestID,
		}
	}
	return messages
}

// recorded returns what the key statistics need of op.
func recorded(op store.Operation) keystats.Operation {
	return keystats.Operation{Key: op.Key, Write: op.Kind != store.Get}
}

// ended records that a call of method ended with err, which began at start. Key and operations are as in [keystats.Call].
func (s *Service) ended(ctx context.Context, start time.Duration, method, key string, operations int, err error) {
	s.keys.End(start, func() keystats.Call {
		return keystats.Call{
			Method: method, Key: key, Operations: operations, Code: codeOf(err), RequestID: requestid.FromContext(ctx),
		}
	})
}

// codeOf returns the name of the code with which a call that ended with err is answered.
func codeOf(err error) string {
	switch coded, ok := errors.AsType[*connect.Error](err); {
	case err == nil:
		return "ok"
	case ok:
		return coded.Code().String()
	case errors.Is(err, context.Canceled):
		return connect.CodeCanceled.String()
	case errors.Is(err, context.DeadlineExceeded):
		return connect.CodeDeadlineExceeded.String()
	}
	return connect.CodeInternal.String()
}
