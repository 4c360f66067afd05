// Package directory asks license, which keeps the directory, who a caller is and which role the person has. Services that keep no
// directory of their own link it.
package directory

import (
	"context"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/platform/authn"
	"github.com/switchboard-phone/switchboard/services/platform/mtls"
	"github.com/switchboard-phone/switchboard/services/platform/server"
)

// Dial returns a directory at the license service that to names, asked as the process with the identity tls and at most every
// cfg.RoleTTL about the same person, and a function that closes it. Nothing is asked yet.
func Dial(to server.ClientConfig, tls mtls.Config, cfg authn.Config, opts server.ClientOptions) (authn.Directory, func() error, error) {
	opts.Service, opts.TLS = "license", tls
	opts.Idempotent = []string{"/switchboard.license.v1.DirectoryService/ResolvePerson"}
	conn, err := server.Dial(to, opts)
	if err != nil {
		return nil, nil, err
	}
	return authn.Remember(remote{licensev1.NewDirectoryServiceClient(conn)}, cfg.RoleTTL, nil), conn.Close, nil
}

type remote struct {
	client licensev1.DirectoryServiceClient
}

// Find implements authn.Directory.
func (r remote) Find(ctx context.Context, account, subject, email string) (authn.Person, error) {
	found, err := r.client.ResolvePerson(ctx, &licensev1.ResolvePersonRequest{Parent: "accounts/" + account, Subject: subject, Email: email})
	if err != nil {
		return authn.Person{}, err
	}
	p := authn.Person{ID: found.GetUserId()}
	if found.GetRole() != 0 {
		p.Role = found.GetRole().String()
	}
	return p, nil
}
