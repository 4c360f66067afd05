package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/switchboard-phone/switchboard/deploy/local/issuer"
	"github.com/switchboard-phone/switchboard/deploy/local/mailsink"
	"github.com/switchboard-phone/switchboard/services/platform/clock"
)

// mailPath is where the front lists the mails.
const mailPath = "/mail"

// front holds what stands for the world outside the product: the token issuer and the mail server.
type front struct {
	issuer *issuer.Issuer
	mail   *mailsink.Sink
	web    *http.Server
	url    string
	// smtpAddr is where the mail server listens.
	smtpAddr string
	done     chan error
}

// startFront starts the issuer and the mail sink on free ports. mails are also kept below dataDir, where it is not empty.
// people is who the issuer's sign-in page lists.
func startFront(ctx context.Context, dataDir string, clk clock.Clock, people issuer.Directory, log *slog.Logger) (*front, error) {
	var mailDir string
	if dataDir != "" {
		mailDir = filepath.Join(dataDir, "mail")
	}
	sink, err := mailsink.New(mailDir, log)
	if err != nil {
		return nil, err
	}
	web, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	smtp, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, web.Close())
	}
	f := &front{mail: sink, url: "http://" + web.Addr().String(), smtpAddr: smtp.Addr().String(), done: make(chan error, 2)}
	if f.issuer, err = issuer.New(f.url, issuer.Config{Now: clk.Now, Directory: people}); err != nil {
		return nil, errors.Join(err, web.Close(), smtp.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("/", f.issuer.Handler())
	mux.Handle(mailPath, sink)
	f.web = &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() {
		err := f.web.Serve(web)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		f.done <- err
	}()
	go func() { f.done <- sink.Serve(smtp) }()
	return f, nil
}

// tokenURL is where tokens are to be had.
func (f *front) tokenURL() string { return f.url + issuer.TokenPath }

// stop ends both servers.
func (f *front) stop(ctx context.Context) error {
	err := errors.Join(f.mail.Close(ctx), f.web.Shutdown(ctx))
	return errors.Join(err, <-f.done, <-f.done)
}

// listen opens a TCP port of this machine.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	return lis, nil
}
