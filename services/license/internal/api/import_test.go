package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/api"
	"github.com/switchboard-phone/switchboard/services/license/internal/importing"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

// noCatalogue is an account without packages.
type noCatalogue struct{ importing.Catalogue }

func (noCatalogue) Packages(context.Context, uuid.UUID) ([]importing.Package, error) { return nil, nil }

// imports serves imports that nobody works on but the test itself.
func (w *world) imports() *api.ImportServer {
	return api.NewImportServer(w.store, importing.New(importing.DefaultConfig(), importing.Deps{
		Store: w.store, Catalogue: noCatalogue{}, Logger: slog.New(slog.DiscardHandler),
	}))
}

func (w *world) submit(t *testing.T, s *api.ImportServer, req *licensev1.ImportPhoneUsersRequest, lines ...string) *longrunningpb.Operation {
	t.Helper()
	req.Parent, req.Csv = w.account.GetName(), []byte(strings.Join(lines, "\n"))
	op, err := s.ImportPhoneUsers(w.admin, req)
	require.NoError(t, err)
	return op
}

func metadata(t *testing.T, op *longrunningpb.Operation) *licensev1.ImportMetadata {
	t.Helper()
	m := &licensev1.ImportMetadata{}
	require.NoError(t, op.GetMetadata().UnmarshalTo(m))
	return m
}

// record claims the import and gives rows outcomes: "A" assigned, "U" updated, "=" unchanged, "F" failed, "" none.
func (w *world) record(t *testing.T, outcomes ...string) *model.Import {
	t.Helper()
	m, err := w.store.ClaimImport(t.Context(), 0, time.Minute)
	require.NoError(t, err)
	require.NotNil(t, m)
	var rows []model.ImportRow
	for i, o := range outcomes {
		row := model.ImportRow{Number: i + 1, Outcome: map[string]model.ImportOutcome{
			"A": model.RowAssigned, "U": model.RowUpdated, "=": model.RowUnchanged, "F": model.RowFailed,
		}[o]}
		if o == "A" {
			row.PhoneUserID = uuid.New()
		}
		if o != "" {
			rows = append(rows, row)
		}
	}
	require.NoError(t, w.store.RecordRows(t.Context(), m, rows))
	return m
}

func TestImportOperation(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		s := w.imports()
		lines := []string{"email,phone_numbers", "a@example.com,351210000001", "b@example.com,what", "c@example.com,", "d@example.com,"}
		op := w.submit(t, s, &licensev1.ImportPhoneUsersRequest{ValidateOnly: true}, lines...)
		require.True(t, strings.HasPrefix(op.GetName(), "operations/"))
		require.False(t, op.GetDone())
		m := metadata(t, op)
		require.Equal(t, w.account.GetName(), m.GetAccount())
		require.True(t, m.GetValidateOnly())
		require.NotNil(t, m.GetCreateTime())
		require.Nil(t, m.GetEndTime())
		require.Equal(t, []int32{4, 1, 1, 1}, []int32{m.GetRowCount(), m.GetProcessedCount(), m.GetFailedCount(), m.GetWarningCount()})
		require.Len(t, m.GetErrors(), 1)
		require.Equal(t, int32(2), m.GetErrors()[0].GetRow())
		require.Equal(t, int32(3), m.GetErrors()[0].GetLine())
		require.Equal(t, "b@example.com", m.GetErrors()[0].GetKey())
		require.Equal(t, int32(codes.InvalidArgument), m.GetErrors()[0].GetError().GetCode())

		claimed := w.record(t, "A", "", "=", "U")
		require.NoError(t, w.store.EndImport(t.Context(), claimed, model.ImportSucceeded))
		op, err := s.GetOperation(w.admin, &licensev1.GetOperationRequest{Name: op.GetName()})
		require.NoError(t, err)
		require.True(t, op.GetDone())
		response := &licensev1.ImportResponse{}
		require.NoError(t, op.GetResponse().UnmarshalTo(response))
		sum := response.GetSummary()
		require.Equal(t, []int32{4, 4, 2, 1, 1}, []int32{
			sum.GetRowCount(), sum.GetProcessedCount(), sum.GetSucceededCount(), sum.GetUnchangedCount(), sum.GetFailedCount(),
		})
		require.Positive(t, sum.GetRowsPerSecond())
		require.NotNil(t, sum.GetEndTime())

		// Page by page, and only some of them.
		page, err := s.ListImportRows(w.admin, &licensev1.ListImportRowsRequest{Parent: op.GetName(), PageSize: 3})
		require.NoError(t, err)
		require.Len(t, page.GetRows(), 3)
		require.Equal(t, licensev1.ImportRow_ASSIGNED, page.GetRows()[0].GetOutcome())
		require.True(t, strings.HasPrefix(page.GetRows()[0].GetPhoneUser(), w.account.GetName()+"/phoneUsers/"))
		require.Len(t, page.GetRows()[0].GetWarnings(), 1)
		page, err = s.ListImportRows(w.admin, &licensev1.ListImportRowsRequest{Parent: op.GetName(), PageSize: 3, PageToken: page.GetNextPageToken()})
		require.NoError(t, err)
		require.Len(t, page.GetRows(), 1)
		require.Empty(t, page.GetNextPageToken())
		page, err = s.ListImportRows(w.admin, &licensev1.ListImportRowsRequest{Parent: op.GetName(), Outcome: licensev1.ImportRow_FAILED})
		require.NoError(t, err)
		require.Len(t, page.GetRows(), 1)
		require.Equal(t, "b@example.com", page.GetRows()[0].GetKey())
		_, err = s.ListImportRows(w.admin, &licensev1.ListImportRowsRequest{Parent: op.GetName(), PageToken: "x"})
		requireReason(t, commonv1.Reason_PAGE_TOKEN_INVALID, err)

		file := &pieces{ctx: w.admin}
		require.NoError(t, s.ExportImportRows(&licensev1.ExportImportRowsRequest{Parent: op.GetName(), Outcome: licensev1.ImportRow_FAILED}, file))
		require.Equal(t, "text/csv; charset=utf-8", file.contentType)
		require.Contains(t, file.text, "b@example.com,,,,,,what,FAILED,NUMBER_INVALID,")
		require.NotContains(t, file.text, "a@example.com")
	})
}

func TestImportRequestIDs(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		s := w.imports()
		op := w.submit(t, s, &licensev1.ImportPhoneUsersRequest{RequestId: "r"}, "email", "a@example.com")
		again := w.submit(t, s, &licensev1.ImportPhoneUsersRequest{RequestId: "r"}, "email", "a@example.com")
		require.Equal(t, op.GetName(), again.GetName())
		for _, dry := range []bool{true, false} {
			_, err := s.ImportPhoneUsers(w.admin, &licensev1.ImportPhoneUsersRequest{
				Parent: w.account.GetName(), Csv: []byte("email\nb@example.com"), RequestId: "r", ValidateOnly: dry,
			})
			requireReason(t, commonv1.Reason_REQUEST_ID_REUSED, err)
		}
		again = w.submit(t, s, &licensev1.ImportPhoneUsersRequest{RequestId: "r", ValidateOnly: true}, "email", "a@example.com")
		require.Equal(t, op.GetName(), again.GetName(), "what the real call is answered")
		_, err := s.ImportPhoneUsers(w.admin, &licensev1.ImportPhoneUsersRequest{
			Parent: w.account.GetName(), Csv: []byte("email\na@example.com"), RequestId: "r", Mode: licensev1.ImportPhoneUsersRequest_ASSIGN_ONLY,
		})
		requireReason(t, commonv1.Reason_REQUEST_ID_REUSED, err)

		// A dry run leaves the id to the real one.
		dry := w.submit(t, s, &licensev1.ImportPhoneUsersRequest{RequestId: "dry", ValidateOnly: true}, "email", "a@example.com")
		again = w.submit(t, s, &licensev1.ImportPhoneUsersRequest{RequestId: "dry", ValidateOnly: true}, "email", "a@example.com")
		require.Equal(t, dry.GetName(), again.GetName())
		require.True(t, metadata(t, again).GetValidateOnly())
		begun := w.submit(t, s, &licensev1.ImportPhoneUsersRequest{RequestId: "dry"}, "email", "a@example.com")
		require.NotEqual(t, dry.GetName(), begun.GetName())
		require.False(t, metadata(t, begun).GetValidateOnly())
		_, err = s.ImportPhoneUsers(w.admin, &licensev1.ImportPhoneUsersRequest{Parent: "accounts/x", Csv: []byte("email\na@example.com")})
		requireReason(t, commonv1.Reason_NOT_FOUND, err)
		_, err = s.ImportPhoneUsers(w.admin, &licensev1.ImportPhoneUsersRequest{Parent: w.account.GetName(), Csv: []byte("e-mail\na@example.com")})
		refusal, ok := errs.From(err)
		require.True(t, ok)
		require.Equal(t, map[string]string{"line": "1", "column": "e-mail", "suggestion": "email"}, refusal.Metadata())
	})
}

func TestOperationsOfOthers(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		s := w.imports()
		name := w.submit(t, s, &licensev1.ImportPhoneUsersRequest{}, "email", "a@example.com").GetName()
		stranger := authn.NewContext(t.Context(), authn.Identity{Subject: "eve", Account: uuid.NewString(), Role: "OWNER"})
		for _, c := range []struct {
			ctx  context.Context
			name string
		}{{stranger, name}, {t.Context(), name}, {w.admin, "operations/" + uuid.NewString()}, {w.admin, "operations/x"}, {w.admin, name + "/x"}} {
			_, err := s.GetOperation(c.ctx, &licensev1.GetOperationRequest{Name: c.name})
			requireReason(t, commonv1.Reason_NOT_FOUND, err)
			_, err = s.CancelOperation(c.ctx, &licensev1.CancelOperationRequest{Name: c.name})
			requireReason(t, commonv1.Reason_NOT_FOUND, err)
			_, err = s.ListImportRows(c.ctx, &licensev1.ListImportRowsRequest{Parent: c.name})
			requireReason(t, commonv1.Reason_NOT_FOUND, err)
			err = s.WatchOperation(&licensev1.WatchOperationRequest{Name: c.name}, &watcher{ctx: c.ctx})
			requireReason(t, commonv1.Reason_NOT_FOUND, err)
			err = s.ExportImportRows(&licensev1.ExportImportRowsRequest{Parent: c.name}, &pieces{ctx: c.ctx})
			requireReason(t, commonv1.Reason_NOT_FOUND, err)
		}
		op, err := s.GetOperation(w.operator, &licensev1.GetOperationRequest{Name: name})
		require.NoError(t, err, "operators may")
		require.False(t, metadata(t, op).GetCancelRequested(), "the stranger has not cancelled it")
	})
}

// watcher is the stream of a watched operation.
type watcher struct {
	grpc.ServerStream
	ctx context.Context

	mu   sync.Mutex
	seen []*longrunningpb.Operation
}

func (s *watcher) Context() context.Context { return s.ctx }

func (s *watcher) Send(op *longrunningpb.Operation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, op)
	return nil
}

func (s *watcher) all() []*longrunningpb.Operation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func TestWatchAndCancel(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		s := w.imports()
		name := w.submit(t, s, &licensev1.ImportPhoneUsersRequest{}, "email", "a@example.com", "b@example.com").GetName()
		stream := &watcher{ctx: w.admin}
		ended := make(chan error, 1)
		go func() { ended <- s.WatchOperation(&licensev1.WatchOperationRequest{Name: name}, stream) }()
		await := func(n int) *longrunningpb.Operation {
			var all []*longrunningpb.Operation
			testkit.Eventually(t, 20*time.Second, func() error {
				if all = stream.all(); len(all) < n {
					return fmt.Errorf("%d updates", len(all))
				}
				return nil
			})
			return all[n-1]
		}
		require.Zero(t, metadata(t, await(1)).GetProcessedCount(), "its present state at once")
		claimed := w.record(t, "A")
		testkit.Eventually(t, 20*time.Second, func() error {
			if last := stream.all(); metadata(t, last[len(last)-1]).GetProcessedCount() != 1 {
				return errors.New("the progress is not shown")
			}
			return nil
		})
		_, err := s.CancelOperation(w.admin, &licensev1.CancelOperationRequest{Name: name})
		require.NoError(t, err)
		testkit.Eventually(t, 20*time.Second, func() error {
			if last := stream.all(); !metadata(t, last[len(last)-1]).GetCancelRequested() {
				return errors.New("the request to stop is not shown")
			}
			return nil
		})
		require.NoError(t, w.store.EndImport(t.Context(), claimed, model.ImportCancelled))
		require.NoError(t, <-ended)
		all := stream.all()
		last := all[len(all)-1]
		require.True(t, last.GetDone())
		require.Equal(t, int32(codes.Canceled), last.GetError().GetCode())
		require.Equal(t, int32(1), metadata(t, last).GetSucceededCount())

		// Watching what is over shows it once. A watcher who leaves ends the stream.
		over := &watcher{ctx: w.admin}
		require.NoError(t, s.WatchOperation(&licensev1.WatchOperationRequest{Name: name}, over))
		require.Len(t, over.all(), 1)
		running := w.submit(t, s, &licensev1.ImportPhoneUsersRequest{}, "email", "a@example.com").GetName()
		ctx, leave := context.WithCancel(w.admin)
		go func() {
			ended <- s.WatchOperation(&licensev1.WatchOperationRequest{Name: running}, &watcher{ctx: ctx})
		}()
		leave()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// pieces is the stream of a file.
type pieces struct {
	grpc.ServerStream
	ctx               context.Context
	text, contentType string
}

func (s *pieces) Context() context.Context { return s.ctx }

func (s *pieces) Send(body *httpbody.HttpBody) error {
	s.text, s.contentType = s.text+string(body.GetData()), body.GetContentType()
	return nil
}

func TestExportPhoneUsers(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		s := w.imports()
		w.seed(t, nil,
			model.PhoneUser{DisplayName: "Ana", Email: "ana@example.com", State: model.StateActive, ExtensionNumber: "0101"},
			model.PhoneUser{DisplayName: "Bea", Email: "bea@example.com", State: model.StateTrashed, ExtensionNumber: "0102"},
			model.PhoneUser{DisplayName: "Cia", Email: "cia@example.com", State: model.StatePending},
		)
		file := &pieces{ctx: w.admin}
		require.NoError(t, s.ExportPhoneUsers(&licensev1.ExportPhoneUsersRequest{Parent: w.account.GetName()}, file))
		require.Equal(t, "email,room,site,package,template,extension,phone_numbers\nana@example.com,,Main site,,,0101,\n", file.text,
			"only those in service")
		err := s.ExportPhoneUsers(&licensev1.ExportPhoneUsersRequest{Parent: "accounts/" + uuid.NewString()}, file)
		requireReason(t, commonv1.Reason_NOT_FOUND, err)
	})
}
