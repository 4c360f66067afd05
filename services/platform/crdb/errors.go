package crdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/cockroachdb/cockroach-go/v2/crdb"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
)

// Class says what an error from the database means for the caller.
type Class int

const (
	// Unknown is everything without a class of its own, errors that do not come from the database included.
	Unknown Class = iota
	// NotFound is a query for one row that found none.
	NotFound
	// Retryable is a conflict with another transaction: nothing was written, run the whole again.
	Retryable
	// Ambiguous is a transaction whose result is not known. See AmbiguousError.
	Ambiguous
	// UniqueViolation is a row that exists already.
	UniqueViolation
	// ForeignKey is a row that refers to none, or that others refer to.
	ForeignKey
	// Check is a value that a CHECK or NOT NULL constraint refuses.
	Check
	// Unavailable is a database that cannot be reached or takes no work now; nothing was written.
	Unavailable
	// Timeout is a deadline or statement timeout that passed.
	Timeout
	// Canceled is a caller that gave up.
	Canceled
	// SchemaUnknown is a table, column or database that is not there: migrations are missing.
	SchemaUnknown
)

var classNames = [...]string{"unknown", "not_found", "retryable", "ambiguous", "unique_violation", "foreign_key", "check",
	"unavailable", "timeout", "canceled", "schema_unknown"}

// String returns the class as it appears in metrics.
func (c Class) String() string {
	if c < 0 || int(c) >= len(classNames) {
		return classNames[Unknown]
	}
	return classNames[c]
}

// AmbiguousError is a transaction of which it is not known whether it was committed: the connection broke, or the deadline
// passed, after COMMIT was sent. Read back under a key that the transaction wrote (see DB.TxReadBack) before repeating it.
type AmbiguousError struct {
	// Op is the operation.
	Op string
	// Err is the cause.
	Err error
}

// Error implements error.
func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%s: the result of the commit is not known: %v", e.Op, e.Err)
}

// Unwrap returns the cause.
func (e *AmbiguousError) Unwrap() error { return e.Err }

// IsAmbiguous says whether err is a transaction whose result is not known.
func IsAmbiguous(err error) bool { return Classify(err) == Ambiguous }

// UniqueConstraint returns the name of the violated constraint (on CockroachDB: of the index) when err is a unique violation.
func UniqueConstraint(err error) (string, bool) { return constraint(err, UniqueViolation) }

// ForeignKeyConstraint returns the name of the violated constraint when err is a foreign key violation.
func ForeignKeyConstraint(err error) (string, bool) { return constraint(err, ForeignKey) }

func constraint(err error, want Class) (string, bool) {
	var pe *pgconn.PgError
	if Classify(err) != want || !errors.As(err, &pe) {
		return "", false
	}
	if pe.ConstraintName != "" {
		return pe.ConstraintName, true
	}
	// CockroachDB 20.1 names the constraint in the message only: `… violates unique constraint "name"`.
	if _, rest, ok := strings.Cut(pe.Message, "constraint \""); ok {
		if name, _, ok := strings.Cut(rest, "\""); ok {
			return name, true
		}
	}
	return "", true
}

// Classify says what err means. It looks through wrapping.
func Classify(err error) Class {
	if err == nil {
		return Unknown
	}
	var amb *AmbiguousError
	if errors.As(err, &amb) {
		return Ambiguous
	}
	var lost *crdb.AmbiguousCommitError
	if errors.As(err, &lost) && !definiteAtCommit(err) {
		return Ambiguous
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		if pe.Code == "XXUUU" && nodeGone(pe.Message) {
			return Unavailable
		}
		return classifyCode(pe.Code)
	}
	return classifyDriver(err)
}

// nodeGone says whether an error that CockroachDB puts into no category tells of a node that died while others worked for it. The
// text is all there is to go by.
func nodeGone(message string) bool {
	return slices.ContainsFunc([]string{"rpc error", "failed to send RPC", "no inbound stream connection", "breaker open", "node unavailable"},
		func(said string) bool { return strings.Contains(message, said) })
}

func classifyCode(code string) Class {
	switch code {
	case "40001", "40P01", "CR000":
		return Retryable
	case "40003":
		return Ambiguous
	case "23505":
		return UniqueViolation
	case "23503":
		return ForeignKey
	case "23514", "23502":
		return Check
	case "57014": // query_canceled: statement_timeout, as pgx breaks the connection when a context ends
		return Timeout
	case "57P01", "57P02", "57P03", "53300", "53200", "53100", "58000",
		"58C00", "58C01": // CockroachDB: a range is unavailable, a node cannot reach another
		return Unavailable
	case "42P01", "42703", "3D000", "3F000", "42704":
		return SchemaUnknown
	}
	if strings.HasPrefix(code, "08") {
		return Unavailable
	}
	return Unknown
}

func classifyDriver(err error) Class {
	var connect *pgconn.ConnectError
	var op *net.OpError
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return NotFound
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.As(err, &connect): // before timeouts: a server that does not accept connections in time is as good as away
		return Unavailable
	case errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err):
		return Timeout
	case errors.As(err, &op), errors.Is(err, pgconn.ErrConnClosed), errors.Is(err, puddle.ErrClosedPool),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return Unavailable
	}
	return Unknown
}

// definiteAtCommit says whether err, got in answer to COMMIT or RELEASE, is a refusal by the server, after which nothing is
// written. Everything else leaves the result open. pgconn.SafeToRetry is no help here: when the connection breaks while the
// answer to COMMIT is awaited, pgx 5.12 returns an error that claims to have happened before anything was sent.
func definiteAtCommit(err error) bool {
	if errors.Is(err, pgx.ErrTxCommitRollback) || errors.Is(err, pgx.ErrTxClosed) {
		return true
	}
	var pe *pgconn.PgError
	if !errors.As(err, &pe) || pe.Severity == "FATAL" || pe.Severity == "PANIC" {
		return false
	}
	switch {
	case pe.Code == "40003":
		return false
	case strings.HasPrefix(pe.Code, "40"), strings.HasPrefix(pe.Code, "23"), strings.HasPrefix(pe.Code, "25"):
		return true
	}
	return false
}
