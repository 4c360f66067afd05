package sender

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
)

// maxRecord bounds the results that are written at once.
const maxRecord = 500

// recordAll writes down results, in the order of their arrival, until there are no more to come or ctx ends.
func (s *Sender) recordAll(ctx context.Context) {
	var held *result // taken, but to be written after the batch at hand
	for {
		batch, rest, more := s.collect(held)
		if len(batch) > 0 {
			s.write(ctx, batch)
		}
		if !more || ctx.Err() != nil {
			return
		}
		held = rest
	}
}

// collect waits for a result and takes those that have come together meanwhile. A message that is in the batch already ends
// it: held is its second result. more is false once the last result has been taken.
func (s *Sender) collect(first *result) (batch []result, held *result, more bool) {
	if first == nil {
		r, ok := <-s.results
		if !ok {
			return nil, nil, false
		}
		first = &r
	}
	batch = append(batch, *first)
	seen := map[message.Key]bool{first.Key: true}
	for len(batch) < maxRecord {
		select {
		case r, ok := <-s.results:
			if !ok {
				return batch, nil, false
			}
			if seen[r.Key] {
				return batch, &r, true
			}
			seen[r.Key] = true
			batch = append(batch, r)
		default:
			return batch, nil, true
		}
	}
	return batch, nil, true
}

// write writes a batch and tries until it has succeeded or ctx ends. What is not written is tried again by whoever claims the
// messages once their claims have run out.
func (s *Sender) write(ctx context.Context, batch []result) {
	var outcomes []message.Outcome
	var unused []message.Claim
	for _, r := range batch {
		if r.unused {
			unused = append(unused, r.Claim)
		} else {
			outcomes = append(outcomes, r.Outcome)
		}
	}
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 20*time.Millisecond, 2*time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		if err := s.queue.Record(ctx, outcomes); err != nil {
			return struct{}{}, err
		}
		outcomes = nil
		return struct{}{}, s.queue.Release(ctx, unused)
	}, backoff.WithBackOff(b), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, d time.Duration) {
		s.log.WarnContext(ctx, "outcomes cannot be written down", "error", err, "count", len(batch), "retry_after", d)
	}))
	if err != nil {
		s.metrics.unrecorded.Add(float64(len(outcomes)))
		s.log.ErrorContext(ctx, "outcomes are lost; the mails will be sent again", "error", err, "count", len(outcomes))
	}
}
