package crdb_test

import (
	"testing"
	"fmt"
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func TestDbg(t *testing.T) {
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		p, through := newProxy(t, e.NewURL(t, schema))
		db := e.Open(t, through)
		p.cutAt(commitText(e), true)
		tx, _ := db.Pool().BeginTx(context.Background(), pgx.TxOptions{IsoLevel: pgx.Serializable})
		_, err := tx.Exec(context.Background(), "INSERT INTO requests VALUES ($1)", uuid.New())
		fmt.Println(err)
		err = tx.Commit(context.Background())
		fmt.Printf("%v %#v\n", err, err)
	})
}
