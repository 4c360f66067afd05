package crdb

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-phone/switchboard/services/platform/faults"
)

// Config says how to reach a database and how much of it to use. Zero values mean the defaults of DefaultConfig.
type Config struct {
	// URL is a postgres:// URL. It may hold a password, so it is treated as a secret; prefer URLFile.
	URL string `koanf:"url" secret:"true"`
	// URLFile is the path of a file that holds the URL. It wins over URL.
	URLFile string `koanf:"url_file"`
	// MaxConns bounds the connections of the pool.
	MaxConns int32 `koanf:"max_conns"`
	// MinConns is how many connections are kept open when idle.
	MinConns int32 `koanf:"min_conns"`
	// ConnectTimeout bounds one attempt to connect.
	ConnectTimeout time.Duration `koanf:"connect_timeout"`
	// StartTimeout bounds how long Open keeps trying while the database cannot be reached.
	StartTimeout time.Duration `koanf:"start_timeout"`
	// StatementTimeout makes the server end statements that run longer. Negative means no limit.
	StatementTimeout time.Duration `koanf:"statement_timeout"`
	// ConnLifetime is how long a connection is used before it is replaced, so that load spreads again after a node joins.
	ConnLifetime time.Duration `koanf:"conn_lifetime"`
	// MaxAttempts bounds how often an operation is run from its start.
	MaxAttempts int `koanf:"max_attempts"`
}

// DefaultConfig returns the settings used where Config says nothing.
func DefaultConfig() Config {
	return Config{
		MaxConns: 16, MinConns: 1,
		ConnectTimeout: 5 * time.Second, StartTimeout: 30 * time.Second,
		StatementTimeout: 30 * time.Second, ConnLifetime: 30 * time.Minute,
		MaxAttempts: 50,
	}
}

// Options are the parts that a composition root hands over. All may be left out.
type Options struct {
	// Logger gets retries that went on for long and ambiguous results. Default: none.
	Logger *slog.Logger
	// Registerer gets the metrics. Default: none are kept.
	Registerer prometheus.Registerer
	// TracerProvider gets one span per Tx or Do and one per statement. Default: none.
	TracerProvider trace.TracerProvider
	// Faults is asked around every Tx and Do. Default: none.
	Faults faults.Injector
}

func (c Config) withDefaults() Config {
	d := DefaultConfig()
	if c.MaxConns == 0 {
		c.MaxConns = d.MaxConns
	}
	if c.MinConns == 0 {
		c.MinConns = min(d.MinConns, c.MaxConns)
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = d.ConnectTimeout
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = d.StartTimeout
	}
	if c.StatementTimeout == 0 {
		c.StatementTimeout = d.StatementTimeout
	}
	if c.ConnLifetime == 0 {
		c.ConnLifetime = d.ConnLifetime
	}
	if c.MaxAttempts == 0 {
		c.MaxAttempts = d.MaxAttempts
	}
	return c
}

// ResolveURL returns the URL, read from URLFile when that is set.
func (c Config) ResolveURL() (string, error) {
	if c.URLFile != "" {
		b, err := os.ReadFile(c.URLFile)
		if err != nil {
			return "", fmt.Errorf("read database URL: %w", err)
		}
		return strings.TrimSpace(string(b)), nil
	}
	if c.URL == "" {
		return "", errors.New("no database URL is configured")
	}
	return c.URL, nil
}

// poolConfig turns the configuration into that of the driver.
func (c Config) poolConfig(opts Options) (*pgxpool.Config, error) {
	raw, err := c.ResolveURL()
	if err != nil {
		return nil, err
	}
	pc, err := pgxpool.ParseConfig(raw)
	if err != nil {
		// The driver's own message may quote parts of the URL.
		return nil, fmt.Errorf("the database URL %q cannot be parsed", Redact(raw))
	}
	pc.MaxConns, pc.MinConns = c.MaxConns, c.MinConns
	pc.MaxConnLifetime, pc.MaxConnLifetimeJitter = c.ConnLifetime, c.ConnLifetime/10
	pc.ConnConfig.ConnectTimeout = c.ConnectTimeout
	params := pc.ConnConfig.RuntimeParams
	// Everything runs serializable, single statements included: on CockroachDB that is the default anyway.
	params["default_transaction_isolation"] = "serializable"
	if c.StatementTimeout > 0 {
		params["statement_timeout"] = strconv.FormatInt(c.StatementTimeout.Milliseconds(), 10)
	}
	pc.AfterConnect = planByStatement
	if opts.TracerProvider != nil {
		pc.ConnConfig.Tracer = otelpgx.NewTracer(
			otelpgx.WithTracerProvider(opts.TracerProvider), otelpgx.WithDisableConnectionDetailsInAttributes())
	}
	return pc, nil
}

// Redact returns a database URL that is safe to print: user, host and database remain, passwords do not. What it cannot
// parse becomes a fixed text.
func Redact(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "(database URL)"
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), "xxxxx")
	}
	q := u.Query()
	for k := range q {
		if strings.Contains(strings.ToLower(k), "password") {
			q.Set(k, "xxxxx")
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}
