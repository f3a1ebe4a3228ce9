package kvservice_test

import (
	"fmt"
	"strings"
	"testing"

	keyvaluev1 "key-value/gen/keyvalue/v1"
	"key-value/internal/contract"
	"key-value/internal/testkit/wiretest"
	"key-value/kvservice"
)

func opGet(key string) *keyvaluev1.Operation {
	return contract.Get.Wrap(&keyvaluev1.GetRequest{Key: key})
}

func opSet(req *keyvaluev1.SetRequest) *keyvaluev1.Operation {
	return contract.Set.Wrap(req)
}

func opDelete(key string) *keyvaluev1.Operation {
	return contract.Delete.Wrap(&keyvaluev1.DeleteRequest{Key: key})
}

func opIncrement(key string, delta int64) *keyvaluev1.Operation {
	return contract.Increment.Wrap(&keyvaluev1.IncrementRequest{Key: key, Delta: delta})
}

func onlyIfAbsent(req *keyvaluev1.SetRequest) *keyvaluev1.SetRequest {
	req.Precondition = &keyvaluev1.Precondition{Kind: &keyvaluev1.Precondition_Exists{Exists: false}}
	return req
}

func TestEachOperationOfABatchHasItsOwnResult(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		mustSet(t, kv, text("there", "1"))
		res, err := kv.Batch(t.Context(), &keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{
			opSet(text("a", "1")),
			opGet(""),
			opGet("a"),
			opSet(onlyIfAbsent(text("there", "2"))),
			{},
			opDelete("there"),
			opGet("there"),
			opIncrement("n", 3),
			opSet(text("large", strings.Repeat("x", contract.DefaultValueBytes+1))),
		}})
		if err != nil {
			t.Fatalf("Batch = %v", err)
		}
		var got []string
		for _, r := range res.GetResults() {
			switch r := r.GetResult().(type) {
			case *keyvaluev1.OperationResult_Error:
				got = append(got, r.Error.GetReason())
			case *keyvaluev1.OperationResult_Get:
				got = append(got, "get "+r.Get.GetEntry().GetValue())
			case *keyvaluev1.OperationResult_Set:
				got = append(got, fmt.Sprint("set ", r.Set.GetCreated()))
			case *keyvaluev1.OperationResult_Delete:
				got = append(got, fmt.Sprint("delete ", r.Delete.GetDeleted()))
			case *keyvaluev1.OperationResult_Increment:
				got = append(got, fmt.Sprint("increment ", r.Increment.GetValue()))
			}
		}
		want := "[set true KEY_INVALID get 1 KEY_EXISTS REQUEST_INVALID delete true KEY_NOT_FOUND increment 3 VALUE_TOO_LARGE]"
		if fmt.Sprint(got) != want {
			t.Errorf("results = %v, want %s", got, want)
		}
	})
}

func TestAnErrorInABatchIsThatOfASeparateCall(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		res, err := kv.Batch(t.Context(), &keyvaluev1.BatchRequest{Operations: []*keyvaluev1.Operation{opGet("a")}})
		if err != nil {
			t.Fatal(err)
		}
		_, alone := kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: "a"})
		e := res.GetResults()[0].GetError()
		if got := e.GetCode() + ": " + e.GetMessage(); got != alone.Error() {
			t.Errorf("in a batch: %q, in a separate call: %q", got, alone)
		}
	})
}

func TestAnAtomicBatchIsAllOrNothing(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		mustSet(t, kv, text("there", "1"))
		for name, bad := range map[string]*keyvaluev1.Operation{
			"KEY_EXISTS":     opSet(onlyIfAbsent(text("there", "2"))),
			"KEY_INVALID":    opDelete(""),
			"NOT_AN_INTEGER": opIncrement("word", 1),
		} {
			_, err := kv.Batch(t.Context(), &keyvaluev1.BatchRequest{Atomic: true, Operations: []*keyvaluev1.Operation{
				opSet(text("new", "1")), opSet(text("word", "x")), bad,
			}})
			why, metadata, _ := contract.ErrorInfo(err)
			if string(why) != name || metadata["operation"] != "2" || !strings.Contains(err.Error(), "operation 2: ") {
				t.Errorf("Batch = %v with %v, want %s of operation 2", err, metadata, name)
			}
			wantReason(t, "the code", err, contract.Reason(name))
			if _, err := kv.Get(t.Context(), &keyvaluev1.GetRequest{Key: "new"}); contract.ReasonOf(err) != contract.KeyNotFound {
				t.Errorf("a failed atomic batch kept its first write: %v", err)
			}
		}
		res, err := kv.Batch(t.Context(), &keyvaluev1.BatchRequest{Atomic: true, Operations: []*keyvaluev1.Operation{
			opSet(text("new", "1")), opGet("new"), opDelete("there"),
		}})
		if err != nil || len(res.GetResults()) != 3 || res.GetResults()[1].GetGet().GetEntry().GetValue() != "1" {
			t.Errorf("Batch = %v, %v; want each operation to see the earlier ones", res, err)
		}
	})
}

func TestTheSizeOfABatchIsBounded(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		_, err := kv.Batch(t.Context(), &keyvaluev1.BatchRequest{})
		wantReason(t, "an empty batch", err, contract.RequestInvalid)
		operations := make([]*keyvaluev1.Operation, contract.MaxOperations+1)
		for i := range operations {
			operations[i] = opGet("a")
		}
		_, err = kv.Batch(t.Context(), &keyvaluev1.BatchRequest{Operations: operations})
		wantReason(t, "1,001 operations", err, contract.BatchTooLarge)
		_, err = kv.Batch(t.Context(), &keyvaluev1.BatchRequest{Operations: operations[1:]})
		if err != nil {
			t.Errorf("1,000 operations = %v", err)
		}
	})
}

func TestTheContentThatABatchReturnsIsBounded(t *testing.T) {
	t.Parallel()
	kv := wiretest.Wires()[0].Dial(t, serveEngine(t, newEngine(t), kvservice.Config{}))
	mustSet(t, kv, text("large", strings.Repeat("x", contract.DefaultValueBytes)))
	operations := make([]*keyvaluev1.Operation, 9)
	for i := range operations {
		operations[i] = opGet("large")
	}
	res, err := kv.Batch(t.Context(), &keyvaluev1.BatchRequest{Operations: operations})
	if err != nil {
		t.Fatal(err)
	}
	if got := res.GetResults()[7].GetGet(); got == nil {
		t.Errorf("8 MiB were not returned: %v", res.GetResults()[7].GetError())
	}
	if got := res.GetResults()[8].GetError().GetReason(); got != string(contract.BatchTooLarge) {
		t.Errorf("the get beyond 8 MiB ended with reason %q, want BATCH_TOO_LARGE", got)
	}
}

func TestABatchMayAskForLessContent(t *testing.T) {
	t.Parallel()
	overEveryWire(t, func(t *testing.T, kv client) {
		mustSet(t, kv, text("large", strings.Repeat("x", 1000)))
		mustSet(t, kv, text("small", "x"))
		res, err := kv.Batch(t.Context(), &keyvaluev1.BatchRequest{
			Operations: []*keyvaluev1.Operation{opGet("small"), opGet("large"), opGet("small")}, MaxContentBytes: 999,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := res.GetResults()[1].GetError().GetReason(); got != string(contract.BatchTooLarge) {
			t.Errorf("the large value ended with reason %q, want BATCH_TOO_LARGE", got)
		}
		for _, i := range []int{0, 2} {
			if res.GetResults()[i].GetGet().GetEntry().GetValue() != "x" {
				t.Errorf("the small value at %d is missing: %v", i, res.GetResults()[i])
			}
		}
	})
}
