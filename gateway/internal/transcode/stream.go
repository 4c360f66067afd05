package transcode

import (
	"context"
	"net/http"
	"time"
)

// stream is the response of a streaming route. It moves the write deadline with every write, because a stream may last
// longer than any single answer, and drops what is written after an error has been the whole answer.
type stream struct {
	http.ResponseWriter
	request *http.Request
	// drain is done when the process stops.
	drain context.Context
	// deadline is how long a write may take.
	deadline time.Duration
	// begun means that something was written, ended that nothing more will be.
	begun, ended bool
	// file means that the messages are the pieces of one file (google.api.HttpBody): nothing comes between or behind them.
	file bool
}

type streamKey struct{}

func streamOf(ctx context.Context) *stream {
	s, _ := ctx.Value(streamKey{}).(*stream)
	return s
}

func (s *stream) draining() bool { return s.drain.Err() != nil }

// Unwrap lets http.ResponseController reach the connection.
func (s *stream) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (s *stream) WriteHeader(code int) {
	if !s.ended {
		s.begun = true
		s.ResponseWriter.WriteHeader(code)
	}
}

// Write implements http.ResponseWriter.
func (s *stream) Write(b []byte) (int, error) {
	if s.ended {
		return len(b), nil
	}
	if !s.begun {
		s.begun, s.file = true, s.Header().Get("Content-Type") != streamType
	}
	if s.file && string(b) == delimiter {
		return len(b), nil
	}
	// Not every connection has deadlines (those of tests, for one), and then there is none to move.
	_ = http.NewResponseController(s.ResponseWriter).SetWriteDeadline(time.Now().Add(s.deadline))
	return s.ResponseWriter.Write(b)
}
