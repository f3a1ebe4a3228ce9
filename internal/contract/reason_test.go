package contract_test

import (
	"errors"
	"fmt"
	"testing"

	"connectrpc.com/connect/v2"

	"key-value/internal/contract"
)

func TestAReasonTravelsWithItsError(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", contract.KeyNotFound.Errorf("there is no %s", "key"))
	if got := contract.ReasonOf(err); got != contract.KeyNotFound {
		t.Errorf("ReasonOf = %q, want KEY_NOT_FOUND", got)
	}
	if got := connect.CodeOf(err); got != connect.CodeNotFound {
		t.Errorf("code = %v, want not_found", got)
	}
}

func TestMetadataTravelsWithItsError(t *testing.T) {
	err := contract.ETagMismatch.NewError(connect.CodeAborted, map[string]string{"operation": "3"}, "no")
	why, metadata, ok := contract.ErrorInfo(err)
	if !ok || why != contract.ETagMismatch || metadata["operation"] != "3" {
		t.Errorf("ErrorInfo = %q, %v, %v; want what was put in", why, metadata, ok)
	}
}

func TestOtherErrorsHaveNoReason(t *testing.T) {
	for _, err := range []error{nil, errors.New("plain"), connect.NewError(connect.CodeInternal, "coded")} {
		if got := contract.ReasonOf(err); got != "" {
			t.Errorf("ReasonOf(%v) = %q, want none", err, got)
		}
	}
}
