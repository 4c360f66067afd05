package allocbench

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	extensionv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/extension/v1"
	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
)

// bareInsert writes groups of rows whose numbers nobody has to choose, over one connection for each client.
func bareInsert(db *crdb.DB, to tenant, group int) call {
	var last atomic.Int64
	last.Store(int64(to.rng.From))
	return func(ctx context.Context, _ int) error {
		next := last.Add(int64(group)) - int64(group)
		ns, owners := make([]number.Number, group), make([]uuid.UUID, group)
		for i := range group {
			ns[i], owners[i] = number.Number(next+int64(i)), uuid.Must(uuid.NewV7())
		}
		return insert(ctx, db.Pool(), to, ns, owners)
	}
}

// echo answers with as many numbers as it is asked for, and does nothing else.
type echo struct {
	extensionv1.UnimplementedAllocationServiceServer
}

func (echo) AllocateExtensions(_ context.Context, req *extensionv1.AllocateExtensionsRequest) (*extensionv1.AllocateExtensionsResponse, error) {
	res := &extensionv1.AllocateExtensionsResponse{Allocations: make([]*extensionv1.Allocation, len(req.GetAllocations()))}
	for i, a := range req.GetAllocations() {
		res.Allocations[i] = &extensionv1.Allocation{Owner: a.GetOwner(), Number: "1000000"}
	}
	return res, nil
}

// bareServer is gRPC without any interceptor, over the connections that the product uses.
type bareServer struct {
	*grpc.Server
	listener net.Listener
}

func (s bareServer) Addr() string { return s.listener.Addr().String() }

func (s bareServer) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, s.Stop)()
	return s.Serve(s.listener)
}

// bareCall runs the same RPC with nothing behind it.
func (w *world) bareCall() *target {
	w.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w, err)
	creds, err := mtls.Server(w.peers.TLS("extension"), w.logger())
	require.NoError(w, err)
	s := bareServer{grpc.NewServer(grpc.Creds(creds)), l}
	extensionv1.RegisterAllocationServiceServer(s, echo{})
	return w.serve(s, nil)
}
