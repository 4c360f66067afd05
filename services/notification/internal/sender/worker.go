package sender

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/notification/internal/smtp"
	"github.com/switchboard-phone/switchboard/services/platform/faults"
	"github.com/switchboard-phone/switchboard/services/platform/telemetry"
)

// result is what a worker hands to the recorder.
type result struct {
	message.Outcome
	// unused is set when no try was begun: the claim is given back.
	unused bool
}

// work delivers jobs over one connection until the list is closed. Once ctx has ended it gives back what it takes. deliver
// ends what is under way, record ends waiting for the recorder.
func (s *Sender) work(ctx, deliver, record context.Context) {
	conn := s.client.Conn()
	defer conn.Close()
	idle := time.NewTimer(conn.IdleTimeout())
	defer idle.Stop()
	for {
		select {
		case <-idle.C:
			conn.Close()
		case j, ok := <-s.jobs:
			if !ok {
				return
			}
			signal(s.taken)
			r := s.handle(ctx, deliver, conn, j)
			select {
			case s.results <- r:
			case <-record.Done():
			}
			idle.Reset(conn.IdleTimeout())
		}
	}
}

// handle delivers one job, if that may still begin.
func (s *Sender) handle(ctx, deliver context.Context, conn *smtp.Conn, j job) result {
	late := !time.Now().Before(j.closes)
	if ctx.Err() != nil || late || (s.outage.down() && !j.probe) {
		return result{Outcome: message.Outcome{Claim: j.Claim}, unused: true}
	}
	deliver, endSpan := s.span(deliver, j)
	start := time.Now()
	err := s.deliver(deliver, conn, j)
	telemetry.Observe(deliver, s.metrics.smtpSeconds, time.Since(start).Seconds())
	o := s.judge(deliver, j, err)
	endSpan(o, err)
	s.metrics.deliveries.WithLabelValues(string(j.Kind), outcomeLabel(o, err)).Inc()
	if o.State == message.Sent {
		telemetry.Observe(deliver, s.metrics.delay, max(0, time.Since(j.CreateTime).Seconds()))
	}
	return result{Outcome: o}
}

// span continues the trace, and the request id, of the call that caused a mail; the function it returns ends the span.
func (s *Sender) span(ctx context.Context, j job) (context.Context, func(message.Outcome, error)) {
	ctx = telemetry.WithTraceParent(telemetry.WithRequestID(ctx, j.RequestID), j.TraceParent)
	ctx, span := s.tracer.Start(ctx, "smtp.Deliver", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("switchboard.notification.id", j.ID.String()), attribute.String("switchboard.notification.kind", string(j.Kind)),
		attribute.Int("switchboard.notification.attempt", j.Attempt)))
	telemetry.MarkSpan(ctx)
	return ctx, func(o message.Outcome, err error) {
		span.SetAttributes(attribute.Int("smtp.reply_code", o.SMTPCode))
		if err != nil {
			// The outcome only: texts of mail servers quote addresses.
			span.SetStatus(codes.Error, outcomeLabel(o, err))
		}
		span.End()
	}
}

// deliver hands a message to the mail server. A panic becomes an error, so that one mail cannot stop the others.
func (s *Sender) deliver(ctx context.Context, conn *smtp.Conn, j job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.ErrorContext(ctx, "panic while sending", append(label(j.Claim), "panic", p, "stack", string(debug.Stack()))...)
			err = errors.New("internal error")
		}
	}()
	if err := faults.Before(ctx, s.faults, DeliverPoint); err != nil {
		return err
	}
	return faults.After(ctx, s.faults, DeliverPoint, conn.Deliver(ctx, smtp.Mail{
		ID: j.ID.String(), Date: j.CreateTime, Recipient: j.Recipient, Name: j.DisplayName,
		Subject: j.Subject, Text: j.MailText, HTML: j.MailHTML, RequestID: j.RequestID,
	}))
}

// judge says what a try means for the message, and for whether the mail server can be reached.
func (s *Sender) judge(ctx context.Context, j job, err error) message.Outcome {
	o := message.Outcome{Claim: j.Claim}
	var failure *smtp.Error
	if err != nil && !errors.As(err, &failure) {
		failure = &smtp.Error{Kind: smtp.Temporary}
	}
	if failure != nil && failure.Kind == smtp.Unreachable {
		if s.outage.unreachable(j.probe) {
			s.log.WarnContext(ctx, "mail server cannot be reached; sending pauses", "error", err)
		}
		// Not the mail's fault, so it does not bring it nearer to being given up.
		o.State, o.RetryAfter, o.SMTPCode, o.Error = message.Queued, s.cfg.RetryInitial, failure.Code, err.Error()
		return o
	}
	if !errors.Is(err, context.Canceled) && s.outage.reached() {
		s.log.InfoContext(ctx, "mail server can be reached again; sending goes on")
	}
	if err == nil {
		o.State, o.SMTPCode = message.Sent, smtp.CodeOK
		return o
	}
	o.Counts, o.SMTPCode, o.Error = true, failure.Code, err.Error()
	wait, again := s.retry.Next(j.Failures+1, rand.Float64())
	if failure.Kind == smtp.Permanent || !again {
		o.State = message.Failed
		s.log.WarnContext(ctx, "mail given up", append(label(j.Claim), "smtp_code", o.SMTPCode)...)
		return o
	}
	o.State, o.RetryAfter = message.Queued, wait
	s.log.InfoContext(ctx, "mail refused for now", append(label(j.Claim), "smtp_code", o.SMTPCode, "retry_after", wait)...)
	return o
}

func outcomeLabel(o message.Outcome, err error) string {
	var failure *smtp.Error
	switch {
	case o.State == message.Sent:
		return "sent"
	case o.State == message.Failed:
		return "failed"
	case errors.As(err, &failure) && failure.Kind == smtp.Unreachable:
		return "unreachable"
	}
	return "retry"
}
