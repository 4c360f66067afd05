package api

import (
	"context"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/leaks"
)

// ReconciliationServer implements licensev1.ReconciliationServiceServer.
type ReconciliationServer struct {
	licensev1.UnimplementedReconciliationServiceServer

	finder *leaks.Finder
}

// NewReconciliationServer returns a server of what the finder finds.
func NewReconciliationServer(finder *leaks.Finder) *ReconciliationServer {
	return &ReconciliationServer{finder: finder}
}

// ReconcileExtensions implements licensev1.ReconciliationServiceServer.
func (s *ReconciliationServer) ReconcileExtensions(ctx context.Context, req *licensev1.ReconcileExtensionsRequest) (*licensev1.ReconcileExtensionsResponse, error) {
	rep, err := s.finder.Now(ctx, req.GetDryRun())
	if err != nil {
		return nil, err
	}
	res := &licensev1.ReconcileExtensionsResponse{
		Examined: int64(rep.Examined), Missing: int64(rep.Missing), Released: int64(rep.Released), Stopped: rep.Stopped,
	}
	for _, l := range rep.Leaks {
		res.Leaked = append(res.Leaked, &licensev1.LeakedExtension{Owner: l.GetOwner(), Number: l.GetNumber(), Rounds: l.GetRounds()})
	}
	return res, nil
}
