// Package api serves the methods of the notification service. Callers are authenticated, admitted and their requests validated
// against the rules in the proto files before they get here.
package api

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
	"github.com/switchboard-phone/switchboard/services/notification/internal/message"
	"github.com/switchboard-phone/switchboard/services/notification/internal/names"
	"github.com/switchboard-phone/switchboard/services/notification/internal/render"
	"github.com/switchboard-phone/switchboard/services/notification/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// Server implements notificationv1.NotificationServiceServer.
type Server struct {
	notificationv1.UnimplementedNotificationServiceServer
	store    store.Store
	renderer *render.Renderer
	wake     func()
}

// New returns a Server. wake is called after messages were put into the queue.
func New(s store.Store, r *render.Renderer, wake func()) *Server {
	return &Server{store: s, renderer: r, wake: wake}
}

// parseAccount reads the name of an account in the given field of a request.
func parseAccount(field, name string) (uuid.UUID, error) {
	id, err := names.ParseAccount(name)
	return id, nameError(field, name, err)
}

// nameError turns an error of package names into one for the caller.
func nameError(field, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, names.ErrNoID):
		return notFound(name)
	}
	return errs.New(commonv1.Reason_FIELD_INVALID, "%s: %v", field, err).Violation(field, err.Error())
}

func notFound(name string) error {
	return errs.New(commonv1.Reason_NOT_FOUND, "%s does not exist", name).With("resource", name)
}

// kind and state have the same names in the proto files and in the domain.
func kind(k message.Kind) notificationv1.Notification_Kind {
	return notificationv1.Notification_Kind(notificationv1.Notification_Kind_value[string(k)])
}

func state(s message.State) notificationv1.Notification_State {
	return notificationv1.Notification_State(notificationv1.Notification_State_value[string(s)])
}

// indexed names a field of the i-th message of a batch.
func indexed(i int, field string) string { return fmt.Sprintf("messages[%d].%s", i, field) }
