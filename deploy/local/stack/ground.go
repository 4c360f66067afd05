package stack

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/switchboard-phone/switchboard/services/platform/localca"
	"github.com/switchboard-phone/switchboard/services/platform/localdb"
	"github.com/switchboard-phone/switchboard/services/platform/localetcd"
)

// linkKeyBytes is the size of the key that signs the links in mails.
const linkKeyBytes = 32

// startGround starts what the services stand on: database, etcd, mail sink, token issuer, files and schemas.
func (s *Stack) startGround(ctx context.Context) error {
	if err := s.makeRunDir(); err != nil {
		return err
	}
	// Each takes a moment to start and needs none of the others. What has started is stopped even if another one failed.
	var g errgroup.Group
	g.Go(func() error { return s.startDatabase(ctx) })
	var etcd *localetcd.Instance
	g.Go(func() (err error) {
		if len(s.opts.EtcdEndpoints) > 0 {
			return nil
		}
		etcd, err = localetcd.Start(ctx, localetcd.Options{DataDir: s.dataDir("etcd"), Log: s.opts.Log})
		return err
	})
	var front *front
	g.Go(func() (err error) {
		front, err = startFront(ctx, s.opts.DataDir, s.opts.Clock, s.people, s.opts.Log)
		return err
	})
	err := g.Wait()
	if s.database != nil && s.opts.Database == nil {
		s.onStop("the database", func(context.Context) error { return s.database.Stop() })
	}
	s.etcd = s.opts.EtcdEndpoints
	if etcd != nil {
		s.etcd = []string{etcd.Endpoint}
		s.onStop("etcd", func(context.Context) error { return etcd.Stop() })
	}
	if front != nil {
		s.front = front
		s.onStop("mail sink and token issuer", front.stop)
	}
	if err != nil {
		return err
	}
	s.info.Database = fmt.Sprintf("%s %s", s.database.Engine, s.database.Version)
	s.info.Etcd = strings.Join(s.etcd, ",")
	s.info.TokenURL, s.info.Mail = s.front.tokenURL(), s.front.url+mailPath
	return s.writeFiles()
}

// startDatabase starts the server and prepares a database of its own for each service.
func (s *Stack) startDatabase(ctx context.Context) (err error) {
	if s.database = s.opts.Database; s.database == nil {
		s.database, err = localdb.Start(ctx, localdb.Options{
			URL: s.opts.DatabaseURL, DataDir: s.dataDir("database"), Engine: s.opts.Engine, Log: s.opts.Log,
		})
		if err != nil {
			return err
		}
	}
	for _, name := range ServiceNames() {
		database := s.opts.DatabasePrefix + name
		if s.urls[name], err = s.database.CreateDatabase(ctx, database, database); err != nil {
			return err
		}
	}
	var g errgroup.Group
	for _, name := range ServiceNames() {
		url := s.urls[name]
		g.Go(func() error {
			if err := kinds[name].migrate(ctx, url, s.opts.Log); err != nil {
				return fmt.Errorf("preparing the database of %s: %w", name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// dataDir is a folder of the data folder; empty where nothing is kept.
func (s *Stack) dataDir(name string) string {
	if s.opts.DataDir == "" {
		return ""
	}
	return filepath.Join(s.opts.DataDir, name)
}

func (s *Stack) makeDataRunDir() error {
	dir, err := filepath.Abs(s.dataDir("run"))
	if err != nil {
		return fmt.Errorf("finding the data folder: %w", err)
	}
	// The folder itself is open to others: the database server may run as another user.
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	s.runDir = dir
	return nil
}

// linkKeyFile is where license finds the key for the links in mails.
func (s *Stack) linkKeyFile() string { return filepath.Join(s.runDir, "link.key") }

// writeFiles writes what services read from files: the certificate of each, and license's link key. The authority and the link key
// stay the same from run to run, so that people's tools and the links in mails stay good.
func (s *Stack) writeFiles() error {
	var err error
	if s.ca, err = localca.Open(s.runDir, ""); err != nil {
		return err
	}
	for _, name := range append(ServiceNames(), Gateway) {
		if s.identities[name], err = s.ca.Issue(name); err != nil {
			return err
		}
	}
	s.info.CAFile = s.ca.CAFile()
	return writeLinkKey(s.linkKeyFile())
}

func writeLinkKey(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key := make([]byte, linkKeyBytes)
	if _, err := rand.Read(key); err != nil {
		return fmt.Errorf("making the link key: %w", err)
	}
	if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)), 0o600); err != nil {
		return fmt.Errorf("writing the link key: %w", err)
	}
	return nil
}
