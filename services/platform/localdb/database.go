package localdb

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchboard-phone/switchboard/services/platform/crdb"
)

var identifier = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// CreateDatabase makes sure that a database and a user who may do everything in it (and nothing elsewhere) exist, and returns
// the URL with which that user opens it. Names are lower-case letters, digits and _, at most 63. On a server given by URL no
// user is created, since it would need a password: the URL's own user is used.
func (i *Instance) CreateDatabase(ctx context.Context, name, user string) (string, error) {
	return i.create(ctx, name, user, "")
}

// CreateDatabaseFrom is CreateDatabase with the tables and rows of template, a database of the same server that nobody is
// connected to. PostgreSQL only.
func (i *Instance) CreateDatabaseFrom(ctx context.Context, name, user, template string) (string, error) {
	return i.create(ctx, name, user, template)
}

func (i *Instance) create(ctx context.Context, name, user, template string) (string, error) {
	for _, id := range []string{name, user} {
		if !identifier.MatchString(id) {
			return "", fmt.Errorf("%q is not a name for a database or user", id)
		}
	}
	conn, err := pgx.Connect(ctx, i.adminURL())
	if err != nil {
		return "", fmt.Errorf("create database %s: %w", name, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if i.Engine == crdb.CockroachDB {
		err = i.createOnCockroach(ctx, conn, name, user)
	} else {
		err = i.createOnPostgres(ctx, conn, name, user, template)
	}
	if err != nil {
		return "", fmt.Errorf("create database %s: %w", name, err)
	}
	return i.userURL(name, user), nil
}

func (i *Instance) createOnCockroach(ctx context.Context, conn *pgx.Conn, name, user string) error {
	stmts := []string{"CREATE DATABASE IF NOT EXISTS " + name}
	if !i.given {
		stmts = append(stmts, "CREATE USER IF NOT EXISTS "+user, "GRANT ALL ON DATABASE "+name+" TO "+user,
			// See crdb.planByStatement: releases newer than 20.1 are told by the services.
			"SET CLUSTER SETTING sql.stats.histogram_collection.enabled = false")
	}
	for _, stmt := range stmts {
		if _, err := conn.Exec(ctx, stmt); err != nil {
			return err
		}
	}
	return nil
}

// createOnPostgres asks first, as PostgreSQL has no IF NOT EXISTS here, and lets a neighbour be faster.
func (i *Instance) createOnPostgres(ctx context.Context, conn *pgx.Conn, name, user, template string) error {
	missing := func(query, arg, stmt string) error {
		var there bool
		if err := conn.QueryRow(ctx, query, arg).Scan(&there); err != nil || there {
			return err
		}
		if _, err := conn.Exec(ctx, stmt); !existsBy(err) {
			return err
		}
		return nil
	}
	stmt := "CREATE DATABASE " + name
	if !i.given {
		if err := missing("SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1)", user, "CREATE ROLE "+user+" LOGIN"); err != nil {
			return err
		}
		stmt += " OWNER " + user
	}
	if template != "" {
		// Copying files beats logging every page, as template databases are small and few changes wait to be written.
		stmt += " TEMPLATE " + template + " STRATEGY file_copy"
	}
	return missing("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name, stmt)
}

// existsBy says whether err means that a neighbour made the thing meanwhile: while both were at it that is a unique violation of the
// catalogue, a moment later a role or database that exists.
func existsBy(err error) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && (pe.Code == "23505" || pe.Code == "42710" || pe.Code == "42P04")
}

// DropDatabase removes a database with all that is in it, connected or not. It is no error when there is none.
func (i *Instance) DropDatabase(ctx context.Context, name string) error {
	if !identifier.MatchString(name) {
		return fmt.Errorf("%q is not a name for a database", name)
	}
	conn, err := pgx.Connect(ctx, i.adminURL())
	if err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	stmt := "DROP DATABASE IF EXISTS " + name
	if i.Engine == crdb.CockroachDB {
		stmt += " CASCADE"
	} else {
		stmt += " WITH (FORCE)"
	}
	if _, err := conn.Exec(ctx, stmt); err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

func (i *Instance) userURL(name, user string) string {
	if i.given {
		return i.URL(name)
	}
	u := *i.base
	u.User = userinfo(user)
	u.Path = "/" + name
	return u.String()
}
