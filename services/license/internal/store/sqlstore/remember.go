package sqlstore

import (
	"bytes"
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/crdb"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// exists returns a committed function for crdb.DB.TxInsert.
func exists(query string, args ...any) func(ctx context.Context, q crdb.Querier) (bool, error) {
	return func(ctx context.Context, q crdb.Querier) (bool, error) {
		var found bool
		err := q.QueryRow(ctx, "SELECT EXISTS ("+query+")", args...).Scan(&found)
		return found, err
	}
}

// remembered returns the answer kept under a request id, nil if there is none, or refuses the use of the id.
func remembered(ctx context.Context, q crdb.Querier, account uuid.UUID, r store.Remember) ([]byte, error) {
	if r.RequestID == "" {
		return nil, nil
	}
	var hash, answer []byte
	err := q.QueryRow(ctx, `SELECT body_hash, response FROM requests WHERE account_id = $1 AND request_id = $2`,
		account, r.Key()).Scan(&hash, &answer)
	switch {
	case crdb.Classify(err) == crdb.NotFound:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read remembered request: %w", err)
	case !bytes.Equal(hash, r.BodyHash):
		return nil, store.RequestIDReused(r.RequestID)
	case answer == nil:
		return nil, errs.New(commonv1.Reason_OPERATION_IN_PROGRESS,
			"the first call under this request id is still under way: repeat the call").With("resource", model.AccountName(account))
	}
	return answer, nil
}

func queueRemember(batch *pgx.Batch, account uuid.UUID, r store.Remember) {
	if r.RequestID != "" {
		batch.Queue(`INSERT INTO requests (account_id, request_id, body_hash, response, create_time) VALUES ($1, $2, $3, $4, now())`,
			account, r.Key(), r.BodyHash, r.Answer)
	}
}
