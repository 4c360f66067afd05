package gateway

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/httpbody"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

func (f *fakeLicense) ExportPhoneUsers(_ *licensev1.ExportPhoneUsersRequest, s licensev1.ImportService_ExportPhoneUsersServer) error {
	for _, piece := range f.pieces {
		if err := s.Send(&httpbody.HttpBody{ContentType: "text/csv; charset=utf-8", Data: []byte(piece)}); err != nil {
			return err
		}
	}
	return f.err
}

// download reads an export.
func (b *testBundle) download(t *testing.T) (resp *http.Response, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/v1/accounts/a/phoneUsers:export", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer t")
	resp, err = (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

func TestFiles_ByteForByte(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fake.pieces = []string{"email,site\n", "a@example.com,Lisbon\n", "b@example.com,Porto\n"}
	resp, body, err := b.download(t)
	require.NoError(t, err)
	require.Equal(t, "text/csv; charset=utf-8", resp.Header.Get("Content-Type"))
	require.Equal(t, "email,site\na@example.com,Lisbon\nb@example.com,Porto\n", body)
}

func TestFiles_Refused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fake.err = errs.New(commonv1.Reason_NOT_FOUND, "no account").GRPCStatus().Err()
	got := b.do(t, "GET", "/v1/accounts/a/phoneUsers:export", "")
	require.Equal(t, 404, got.code)
	require.Equal(t, "NOT_FOUND", got.refused(t).reason(t))
}

// A file that breaks off is not to be taken for complete.
func TestFiles_BrokenInTheMiddle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fake.pieces, b.fake.err = []string{"email,site\n"}, errors.New("node 7 fell over")
	resp, body, err := b.download(t)
	require.Equal(t, 200, resp.StatusCode)
	require.Error(t, err)
	require.Equal(t, "email,site\n", body)
}
