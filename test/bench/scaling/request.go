package main

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/gen/keyvalue/v1/keyvaluev1connect"
	"key-value/test/bench/dataset"
	"key-value/test/bench/load"
)

const (
	// batchSize is how many operations a batch has.
	batchSize = 256
	// pageSize is how many entries a page has.
	pageSize = 100
)

// requests is what wrk sends one after the other.
type requests struct {
	file  load.Requests
	count int
}

// prepareRequests writes down what wrk sends: all entries once, in the same random order for every site.
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

// request writes a call as Connect sends it over HTTP/1.1.
func request(procedure string, message proto.Message) string {
	body, err := proto.Marshal(message)
	if err != nil {
		panic(err) // these messages have nothing that cannot be written
	}
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/proto\r\n"+
		"Connect-Protocol-Version: 1\r\nContent-Length: %d\r\n\r\n%s", procedure, len(body), body)
}
