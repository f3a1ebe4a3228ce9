package contract_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect/v2"

	"key-value/internal/contract"
)

func TestAReasonTravelsWithItsError(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("wrapped: %w", contract.KeyNotFound.Errorf("there is no %s", "key"))
	if got := contract.ReasonOf(err); got != contract.KeyNotFound {
		t.Errorf("ReasonOf = %q, want KEY_NOT_FOUND", got)
	}
	if got := connect.CodeOf(err); got != connect.CodeNotFound {
		t.Errorf("code = %v, want not_found", got)
	}
}

func TestMetadataTravelsWithItsError(t *testing.T) {
	t.Parallel()
	err := contract.ETagMismatch.NewError(connect.CodeAborted, map[string]string{"operation": "3"}, "no")
	why, metadata, ok := contract.ErrorInfo(err)
	if !ok || why != contract.ETagMismatch || metadata["operation"] != "3" {
		t.Errorf("ErrorInfo = %q, %v, %v; want those of the error", why, metadata, ok)
	}
}

func TestOtherErrorsHaveNoReason(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, errors.New("plain"), connect.NewError(connect.CodeInternal, "coded")} {
		if got := contract.ReasonOf(err); got != "" {
			t.Errorf("ReasonOf(%v) = %q, want none", err, got)
		}
	}
}

func TestAnErrorOfABatchNamesItsOperation(t *testing.T) {
	t.Parallel()
	err := contract.AtOperation(3, contract.KeyNotFound.Errorf("key not found"))
	why, metadata, _ := contract.ErrorInfo(err)
	if why != contract.KeyNotFound || metadata["operation"] != "3" || connect.CodeOf(err) != connect.CodeNotFound ||
		!strings.Contains(err.Error(), "operation 3: key not found") {
		t.Errorf("AtOperation = %v with reason %q and metadata %v", err, why, metadata)
	}
	plain := errors.New("plain")
	if got := contract.AtOperation(3, plain); got != plain { // it must be the same
		t.Errorf("AtOperation of a plain error = %v, want it unchanged", got)
	}
}
