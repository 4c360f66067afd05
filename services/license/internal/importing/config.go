package importing

import "time"

// Config bounds imports.
type Config struct {
	// MaxRows is how many rows a file may have.
	MaxRows int `koanf:"max_rows"`
	// Workers is how many imports a replica works on at once.
	Workers int `koanf:"workers"`
	// Chunk is how many rows are looked up and recorded together, Batch how many people one operation takes (at most what the
	// provisioning engine takes), and Parallel how many operations of an import are under way at once.
	Chunk    int `koanf:"chunk"`
	Batch    int `koanf:"batch"`
	Parallel int `koanf:"parallel"`
	// PollInterval is how often a worker without work looks for some that it was not woken for.
	PollInterval time.Duration `koanf:"poll_interval"`
	// Claim is how long an import belongs to a worker that shows no sign of life.
	Claim time.Duration `koanf:"claim"`
	// CallTimeout bounds one operation. It should be longer than the engine drives an operation itself.
	CallTimeout time.Duration `koanf:"call_timeout"`
	// StallTimeout is how long rows that cannot be carried out for the moment are tried again without any row getting done,
	// before they are given up.
	StallTimeout time.Duration `koanf:"stall_timeout"`
	// Kept is how long imports that are over can be read, Abandoned how long an upload may take.
	Kept      time.Duration `koanf:"kept"`
	Abandoned time.Duration `koanf:"abandoned"`
}

// DefaultConfig returns the settings used where Config says nothing.
func DefaultConfig() Config {
	return Config{
		MaxRows: 100_000, Workers: 2, Chunk: 1000, Batch: 100, Parallel: 10, PollInterval: time.Second, Claim: 9 * time.Second,
		CallTimeout: 30 * time.Second, StallTimeout: 30 * time.Minute, Kept: 30 * 24 * time.Hour, Abandoned: time.Hour,
	}
}
