package sender

import (
	"errors"
	"time"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
)

// Config says how mails are sent.
type Config struct {
	// Concurrency is the number of mails under way at once, each on a connection of its own.
	Concurrency int `koanf:"concurrency"`
	// Batch is the largest number of messages that are claimed ahead of being sent.
	Batch int `koanf:"batch"`
	// PollInterval is how often the queue is looked at when nothing else gives cause to.
	PollInterval time.Duration `koanf:"poll_interval"`
	// ClaimWindow is how long a claimed message may wait for its turn; one that waits longer is given back. A claim lasts this
	// long and as long as one delivery may take beyond it.
	ClaimWindow time.Duration `koanf:"claim_window"`
	// RetryInitial, RetryMultiplier, RetryMax, RetryJitter and MaxAttempts say when and how often a mail is tried again; see
	// message.RetryPolicy.
	RetryInitial    time.Duration `koanf:"retry_initial"`
	RetryMultiplier float64       `koanf:"retry_multiplier"`
	RetryMax        time.Duration `koanf:"retry_max"`
	RetryJitter     float64       `koanf:"retry_jitter"`
	MaxAttempts     int           `koanf:"max_attempts"`
	// OutagePause is the first pause after the mail server could not be reached; further ones are twice as long each, up to
	// OutagePauseMax.
	OutagePause    time.Duration `koanf:"outage_pause"`
	OutagePauseMax time.Duration `koanf:"outage_pause_max"`
	// StopTimeout is how long mails under way may go on when the service ends.
	StopTimeout time.Duration `koanf:"stop_timeout"`
}

// DefaultConfig returns the settings used where Config says nothing. A mail that is refused for now is tried for about five
// hours.
func DefaultConfig() Config {
	return Config{
		Concurrency: 8, Batch: 100, PollInterval: time.Second, ClaimWindow: 30 * time.Second,
		RetryInitial: 5 * time.Second, RetryMultiplier: 3, RetryMax: time.Hour, RetryJitter: 0.2, MaxAttempts: 12,
		OutagePause: time.Second, OutagePauseMax: 30 * time.Second, StopTimeout: 5 * time.Second,
	}
}

// Retry returns the rule by which mails are tried again.
func (c Config) Retry() message.RetryPolicy {
	return message.RetryPolicy{
		Initial: c.RetryInitial, Multiplier: c.RetryMultiplier, Max: c.RetryMax, Jitter: c.RetryJitter, MaxAttempts: c.MaxAttempts,
	}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	if c.Concurrency <= 0 || c.Batch <= 0 {
		return errors.New("sender: concurrency and batch must be positive")
	}
	if c.PollInterval <= 0 || c.ClaimWindow <= 0 || c.OutagePause <= 0 || c.OutagePauseMax < c.OutagePause || c.StopTimeout < 0 {
		return errors.New("sender: poll_interval, claim_window and outage_pause must be positive, outage_pause_max not shorter than outage_pause")
	}
	return c.Retry().Validate()
}
