package message

import (
	"errors"
	"math"
	"time"
)

// RetryPolicy says when a message is tried again after a failure that may pass.
type RetryPolicy struct {
	// Initial is the wait after the first failure.
	Initial time.Duration
	// Multiplier is by how much each further wait is longer, at least 1.
	Multiplier float64
	// Max is the longest wait.
	Max time.Duration
	// Jitter is the part of a wait that is left to chance, 0 to 1: a wait w becomes one between w·(1−Jitter) and w.
	Jitter float64
	// MaxAttempts is how often a message is tried before it is given up.
	MaxAttempts int
}

// Validate says what is wrong with the policy.
func (p RetryPolicy) Validate() error {
	switch {
	case p.Initial <= 0:
		return errors.New("retry: the initial wait must be positive")
	case p.Multiplier < 1:
		return errors.New("retry: the multiplier must be at least 1")
	case p.Max < p.Initial:
		return errors.New("retry: the longest wait must not be shorter than the initial one")
	case p.Jitter < 0 || p.Jitter > 1:
		return errors.New("retry: the jitter must be between 0 and 1")
	case p.MaxAttempts < 1:
		return errors.New("retry: at least one attempt must be allowed")
	}
	return nil
}

// Next says how long to wait after the failure of the given attempt (counted from 1), or that the message is given up (false).
// chance is a random number in [0,1).
func (p RetryPolicy) Next(attempt int, chance float64) (time.Duration, bool) {
	if attempt >= p.MaxAttempts {
		return 0, false
	}
	wait := float64(p.Initial) * math.Pow(p.Multiplier, float64(attempt-1))
	wait = min(wait, float64(p.Max))
	return time.Duration(wait * (1 - p.Jitter*chance)), true
}
