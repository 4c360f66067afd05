package leaks_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/leaks"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
)

// books is an extension service: it frees at the third round running, as the real one does (its own tests show that).
type books struct {
	owners []*extensionv1.ExtensionOwner
	round  int64
	rounds map[string]int32
	calls  []string
}

func (b *books) BeginReconciliation(_ context.Context, _ *extensionv1.BeginReconciliationRequest, _ ...grpc.CallOption) (*extensionv1.BeginReconciliationResponse, error) {
	b.calls = append(b.calls, "begin")
	b.round++
	return &extensionv1.BeginReconciliationResponse{Round: b.round}, nil
}

func (b *books) ListExtensionOwners(_ context.Context, req *extensionv1.ListExtensionOwnersRequest, _ ...grpc.CallOption) (*extensionv1.ListExtensionOwnersResponse, error) {
	from := 0
	if req.GetPageToken() != "" {
		if _, err := fmt.Sscan(req.GetPageToken(), &from); err != nil {
			return nil, err
		}
	}
	res := &extensionv1.ListExtensionOwnersResponse{Owners: b.owners[from:min(from+3, len(b.owners))]}
	if from+3 < len(b.owners) {
		res.NextPageToken = fmt.Sprint(from + 3)
	}
	return res, nil
}

func (b *books) ReportMissingOwners(_ context.Context, req *extensionv1.ReportMissingOwnersRequest, _ ...grpc.CallOption) (*extensionv1.ReportMissingOwnersResponse, error) {
	res := &extensionv1.ReportMissingOwnersResponse{}
	for _, m := range req.GetMissing() {
		if !req.GetDryRun() {
			b.rounds[m.GetOwner()]++
		}
		res.Missing = append(res.Missing, &extensionv1.ExtensionOwner{Owner: m.GetOwner(), Number: m.GetNumber(), Rounds: b.rounds[m.GetOwner()]})
	}
	return res, nil
}

func (b *books) FinishReconciliation(context.Context, *extensionv1.FinishReconciliationRequest, ...grpc.CallOption) (*extensionv1.FinishReconciliationResponse, error) {
	b.calls = append(b.calls, "finish")
	res := &extensionv1.FinishReconciliationResponse{}
	for _, o := range b.owners {
		if b.rounds[o.GetOwner()] == 3 {
			res.Released = append(res.Released, o)
			delete(b.rounds, o.GetOwner())
		}
	}
	return res, nil
}

// phoneUsers are those that there are.
type phoneUsers map[uuid.UUID]bool

func (p phoneUsers) MissingPhoneUsers(_ context.Context, _ uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	out := map[uuid.UUID]bool{}
	for _, id := range ids {
		if !p[id] {
			out[id] = true
		}
	}
	return out, nil
}

func setup(t *testing.T, cfg leaks.Config, existing, missing int) (*leaks.Finder, *books) {
	t.Helper()
	b := &books{rounds: map[string]int32{}}
	known := phoneUsers{}
	for i := range existing + missing {
		id := uuid.New()
		known[id] = i >= missing
		b.owners = append(b.owners, &extensionv1.ExtensionOwner{Owner: model.PhoneUserName(uuid.New(), id), Number: fmt.Sprint(1000 + i), Revision: "r"})
	}
	return leaks.New(cfg, known, b, clock.NewFake(time.Now()), slog.New(slog.DiscardHandler), nil), b
}

func TestThirdRoundFrees(t *testing.T) {
	t.Parallel()
	f, b := setup(t, leaks.DefaultConfig(), 6, 2)
	for _, released := range []int{0, 0, 2} {
		rep, err := f.Now(t.Context(), false)
		require.NoError(t, err)
		require.Equal(t, 8, rep.Examined)
		require.Equal(t, 2, rep.Missing)
		require.Equal(t, released, rep.Released)
		require.Equal(t, []string{"1000", "1001"}, []string{rep.Leaks[0].GetNumber(), rep.Leaks[1].GetNumber()})
		require.False(t, rep.Stopped)
	}
	require.EqualValues(t, 3, b.round)
}

func TestDryRunChangesNothing(t *testing.T) {
	t.Parallel()
	f, b := setup(t, leaks.DefaultConfig(), 6, 2)
	for range 4 {
		rep, err := f.Now(t.Context(), true)
		require.NoError(t, err)
		require.Equal(t, 2, rep.Missing)
		require.Zero(t, rep.Leaks[0].GetRounds())
	}
	require.Empty(t, b.calls)
	require.Empty(t, b.rounds)
}

func TestTooManyMissingFreeNothing(t *testing.T) {
	t.Parallel()
	f, b := setup(t, leaks.Config{MaxShare: 0.5, MaxCount: 1}, 3, 4)
	for range 4 {
		rep, err := f.Now(t.Context(), false)
		require.NoError(t, err)
		require.True(t, rep.Stopped)
		require.Zero(t, rep.Released)
	}
	require.NotContains(t, b.calls, "finish")
}
