package gatewayclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Error is an answer that refuses: a google.rpc.Status in JSON.
type Error struct {
	// HTTPStatus is the HTTP status code.
	HTTPStatus int
	// Code is the gRPC status code, as a number.
	Code int
	// Message says in words what is wrong and what to do.
	Message string
	// Reason and Domain are those of ErrorInfo; empty where the answer has none.
	Reason, Domain string
	// Metadata is that of ErrorInfo.
	Metadata map[string]string
	// Violations are those of BadRequest, in the order of the answer.
	Violations []Violation
	// RetryDelay is that of RetryInfo; 0 where the answer has none.
	RetryDelay time.Duration
	// RequestID finds the call in the logs.
	RequestID string
	// Body is the answer as it came.
	Body []byte
}

// Violation is an offending field or item.
type Violation struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

// Error says what was refused.
func (e *Error) Error() string {
	text := fmt.Sprintf("HTTP %d %s: %s", e.HTTPStatus, e.Reason, e.Message)
	if len(e.Violations) > 0 {
		text += " (" + strings.Join(e.Fields(), ", ") + ")"
	}
	return text
}

// Fields lists the fields of the violations.
func (e *Error) Fields() []string {
	out := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		out[i] = v.Field
	}
	return slices.Compact(out)
}

// Reason is the reason of the refusal that err is, or empty.
func Reason(err error) string {
	var refused *Error
	if errors.As(err, &refused) {
		return refused.Reason
	}
	return ""
}

// status is google.rpc.Status in JSON.
type status struct {
	Code    int               `json:"code"`
	Message string            `json:"message"`
	Details []json.RawMessage `json:"details"`
}

// readError reads a refusal. One that is not of the documented shape comes back with an empty reason.
func readError(answer *Answer) *Error {
	e := &Error{HTTPStatus: answer.Status, Body: answer.Body, RequestID: answer.Header.Get("X-Request-Id")}
	var s status
	if err := json.Unmarshal(answer.Body, &s); err != nil {
		e.Message = "an answer that is no status: " + string(answer.Body[:min(len(answer.Body), 500)])
		return e
	}
	e.Code, e.Message = s.Code, s.Message
	for _, raw := range s.Details {
		e.addDetail(raw)
	}
	return e
}

func (e *Error) addDetail(raw json.RawMessage) {
	var detail struct {
		Type            string            `json:"@type"`
		Reason          string            `json:"reason"`
		Domain          string            `json:"domain"`
		Metadata        map[string]string `json:"metadata"`
		FieldViolations []Violation       `json:"fieldViolations"`
		RetryDelay      string            `json:"retryDelay"`
	}
	if err := json.Unmarshal(raw, &detail); err != nil {
		return
	}
	switch detail.Type {
	case "type.googleapis.com/google.rpc.ErrorInfo":
		e.Reason, e.Domain, e.Metadata = detail.Reason, detail.Domain, detail.Metadata
	case "type.googleapis.com/google.rpc.BadRequest":
		e.Violations = append(e.Violations, detail.FieldViolations...)
	case "type.googleapis.com/google.rpc.RetryInfo":
		e.RetryDelay, _ = time.ParseDuration(detail.RetryDelay)
	}
}
