package kvservice_test

import (
	"strconv"
	"testing"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/kvservice"
	"key-value/kvservice/store/memory"
)

// BenchmarkBatch measures a batch of 1,000 operations of two kinds against the memory engine, without a transport.
func BenchmarkBatch(b *testing.B) {
	engine := memory.New(memory.Options{})
	defer engine.Close()
	service := kvservice.New(engine, kvservice.Config{})
	req := &keyvaluev1.BatchRequest{}
	for i := range 500 {
		key := "key-" + strconv.Itoa(i)
		req.Operations = append(req.Operations, opSet(&keyvaluev1.SetRequest{
			Key: key, Content: &keyvaluev1.SetRequest_Value{Value: "0123456789abcdef0123456789abcdef"},
		}), opGet(key))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := service.Batch(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}
