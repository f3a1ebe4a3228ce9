package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
)

// The scenarios.
const (
	redisGets   = "redis-benchmark -P 32, GET"
	redisSets   = "redis-benchmark -P 32, the call of a set"
	redisPolls  = "redis-benchmark -P 32, the call that follows a shard"
	batchedGets = "gets in batches of 256"
	batchedSets = "sets in batches of 256"
	singleGets  = "gets, 64 callers"
	singleSets  = "sets, 64 callers"
	listPages   = "pages of 100, 8 callers"
	aloneGet    = "one get alone"
	aloneSet    = "one set alone"
)

// scenario is what is measured at a site.
type scenario struct {
	name    string
	redis   bool // only the nodes can do it
	measure measurement
}

// measurement loads a site for d.
type measurement func(ctx context.Context, b *bench, s *site, round int, d time.Duration) (sample, error)

// sample is one result of a measurement.
type sample struct {
	rate       float64       // operations per second
	operations float64       // how many there were
	p50, p99   time.Duration // of one operation; 0: not measured
	cpu        cpuTime       // of all
}

// scenarios are in an order in which those that are compared follow each other.
func scenarios() []scenario {
	return []scenario{
		{redisGets, true, askRedis(plainGet)},
		{batchedGets, false, askService(batchedGets, 8, batchSize)},
		{redisSets, true, askRedis(functionSet)},
		{batchedSets, false, askService(batchedSets, 8, batchSize)},
		{redisPolls, true, askRedis(functionPoll)},
		{singleGets, false, askService(singleGets, 64, 1)},
		{singleSets, false, askService(singleSets, 64, 1)},
		{listPages, false, askService(listPages, 8, 1)},
		{aloneGet, false, alone(func(ctx context.Context, s *site, i int) error {
			_, err := s.client.Get(ctx, dataset.Key(i))
			return err
		})},
		{aloneSet, false, alone(func(ctx context.Context, s *site, i int) error {
			_, _, err := s.client.Set(ctx, dataset.Key(i), []byte(dataset.Value(i)))
			return err
		})},
	}
}

// askService sends requests to the service with wrk.
func askService(name string, connections, operations int) measurement {
	return func(ctx context.Context, b *bench, s *site, round int, d time.Duration) (sample, error) {
		r := b.requests[name]
		first := round * r.count / (b.rounds + 1)
		return s.metered(func() (sample, error) {
			done, err := load.Wrk(ctx, "http://"+s.service.Addr, r.file, first, connections, d)
			return sample{
				rate: done.PerSecond * float64(operations), operations: done.Count * float64(operations),
			}, err
		})
	}
}

// alone makes one call after the other.
func alone(call func(ctx context.Context, s *site, i int) error) measurement {
	return func(ctx context.Context, b *bench, s *site, _ int, d time.Duration) (sample, error) {
		return s.metered(func() (sample, error) {
			var took []time.Duration
			start := time.Now()
			for _, i := range dataset.Sample(b.entries/2, b.entries) {
				begun := time.Now()
				if begun.Sub(start) > d {
					break
				}
				if err := call(ctx, s, i); err != nil {
					return sample{}, err
				}
				took = append(took, time.Since(begun))
			}
			n := len(took)
			slices.Sort(took)
			return sample{
				rate: float64(n) / time.Since(start).Seconds(), operations: float64(n), p50: took[n/2], p99: took[n*99/100],
			}, nil
		})
	}
}

const (
	// batchSize is the number of operations in a batch.
	batchSize = 256
	// pageSize is the number of entries in a page.
	pageSize = 100
)

// requests are what wrk sends.
type requests struct {
	file  load.Requests
	count int
}

// prepareRequests writes the requests of wrk: all entries once, in the same random order for every site.
func (b *bench) prepareRequests() error {
	b.requests = map[string]requests{}
	order := dataset.Sample(b.entries, b.entries)
	var gets, sets, getBatches, setBatches, pages []string
	for _, i := range order {
		gets = append(gets, request(keyvaluev1connect.KeyValueServiceGetProcedure, getRequest(i)))
		sets = append(sets, request(keyvaluev1connect.KeyValueServiceSetProcedure, setRequest(i)))
	}
	for ; len(order) >= batchSize; order = order[batchSize:] {
		getBatches = append(getBatches, batch(order[:batchSize], getOperation))
		setBatches = append(setBatches, batch(order[:batchSize], setOperation))
	}
	for i := range b.entries / pageSize {
		first := dataset.Key(i * pageSize)
		pages = append(pages, request(keyvaluev1connect.KeyValueServiceListProcedure,
			&keyvaluev1.ListRequest{Prefix: first[:len(first)-2], PageSize: pageSize}))
	}
	for name, texts := range map[string][]string{
		singleGets: gets, singleSets: sets, batchedGets: getBatches, batchedSets: setBatches, listPages: pages,
	} {
		r := requests{load.NewRequests(b.dir, name), len(texts)}
		if err := r.file.Write(texts); err != nil {
			return err
		}
		b.requests[name] = r
	}
	return nil
}

func getRequest(i int) *keyvaluev1.GetRequest { return &keyvaluev1.GetRequest{Key: dataset.Key(i)} }

func setRequest(i int) *keyvaluev1.SetRequest {
	return &keyvaluev1.SetRequest{Key: dataset.Key(i), Content: &keyvaluev1.SetRequest_Value{Value: dataset.Value(i)}}
}

func getOperation(i int) *keyvaluev1.Operation {
	return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Get{Get: getRequest(i)}}
}

func setOperation(i int) *keyvaluev1.Operation {
	return &keyvaluev1.Operation{Operation: &keyvaluev1.Operation_Set{Set: setRequest(i)}}
}

func batch(entries []int, operation func(i int) *keyvaluev1.Operation) string {
	message := &keyvaluev1.BatchRequest{}
	for _, i := range entries {
		message.Operations = append(message.Operations, operation(i))
	}
	return request(keyvaluev1connect.KeyValueServiceBatchProcedure, message)
}

// request returns a call as Connect sends it over HTTP/1.1.
func request(procedure string, message proto.Message) string {
	body, err := proto.Marshal(message)
	if err != nil {
		panic(err) // the messages of this package are valid
	}
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/proto\r\n"+
		"Connect-Protocol-Version: 1\r\nContent-Length: %d\r\n\r\n%s", procedure, len(body), body)
}
