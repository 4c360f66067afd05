package remote

import (
	"context"

	notificationv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/notification/v1"
)

// Notifications implements provisioning.Notifications.
type Notifications struct {
	Client notificationv1.NotificationServiceClient
}

// Enqueue implements provisioning.Notifications.
func (n *Notifications) Enqueue(ctx context.Context, messages []*notificationv1.Message) error {
	_, err := n.Client.EnqueueMessages(ctx, &notificationv1.EnqueueMessagesRequest{Messages: messages})
	return err
}
