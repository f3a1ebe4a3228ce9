package reason_test

import (
	"errors"
	"fmt"
	"testing"

	"connectrpc.com/connect/v2"

	"key-value/internal/reason"
)

func TestAReasonTravelsWithItsError(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", reason.KeyNotFound.Errorf("there is no %s", "key"))
	if got := reason.Of(err); got != reason.KeyNotFound {
		t.Errorf("Of = %q, want KEY_NOT_FOUND", got)
	}
	if got := connect.CodeOf(err); got != connect.CodeNotFound {
		t.Errorf("code = %v, want not_found", got)
	}
}

func TestMetadataTravelsWithItsError(t *testing.T) {
	err := reason.ETagMismatch.With(connect.CodeAborted, map[string]string{"operation": "3"}, "no")
	why, metadata, ok := reason.Info(err)
	if !ok || why != reason.ETagMismatch || metadata["operation"] != "3" {
		t.Errorf("Info = %q, %v, %v; want what was put in", why, metadata, ok)
	}
}

func TestOtherErrorsHaveNoReason(t *testing.T) {
	for _, err := range []error{nil, errors.New("plain"), connect.NewError(connect.CodeInternal, "coded")} {
		if got := reason.Of(err); got != "" {
			t.Errorf("Of(%v) = %q, want none", err, got)
		}
	}
}
