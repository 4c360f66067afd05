package importing

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

func requireReason(t *testing.T, want commonv1.Reason, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, errs.Reason(err), "%v", err)
}

func logOf(limit int) store.LogQuery { return store.LogQuery{Limit: limit} }

func join(lines []string) string { return strings.Join(lines, "\n") + "\n" }
