package storetest

import (
	"errors"
	"testing"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
)

// The assertions here may be used on any goroutine, unlike those of require.

func assertNoError(t *testing.T, err error) bool {
	t.Helper()
	if err != nil {
		t.Errorf("unexpected error: %v", err)
	}
	return err == nil
}

func assertIs(t *testing.T, err, target error) bool {
	t.Helper()
	ok := errors.Is(err, target)
	if !ok {
		t.Errorf("error %v is not %v", err, target)
	}
	return ok
}

func assertAs(t *testing.T, err error, target any) bool {
	t.Helper()
	ok := errors.As(err, target)
	if !ok {
		t.Errorf("error %v is no %T", err, target)
	}
	return ok
}

func numbers(texts ...string) []number.Number {
	var out []number.Number
	for _, s := range texts {
		out = append(out, n(s))
	}
	return out
}
