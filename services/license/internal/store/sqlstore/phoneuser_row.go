package sqlstore

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
)

// phoneUserColumns are the columns that scanPhoneUser reads, in its order.
const phoneUserColumns = `account_id, phone_user_id, assignee_kind, assignee_id, display_name, email, state,
	extension_number, site_id, package_id, phone_numbers, trashed_package_id, trashed_phone_numbers, settings::TEXT, setup_complete, invited, resend_time, saga_id,
	revision, create_time, update_time, delete_time, purge_time`

func scanPhoneUser(row pgx.Row) (model.PhoneUser, error) {
	var (
		p                                   model.PhoneUser
		packageID, trashedPackageID, sagaID *uuid.UUID
		phoneNumbers, trashed, settings     string
		resendTime, deleteTime, purgeTime   *time.Time
	)
	err := row.Scan(&p.AccountID, &p.ID, &p.AssigneeKind, &p.AssigneeID, &p.DisplayName, &p.Email, &p.State,
		&p.ExtensionNumber, &p.SiteID, &packageID, &phoneNumbers, &trashedPackageID, &trashed, &settings, &p.SetupComplete, &p.Invited, &resendTime, &sagaID,
		&p.Revision, &p.CreateTime, &p.UpdateTime, &deleteTime, &purgeTime)
	if err != nil {
		return p, err
	}
	p.PackageID, p.SagaID = fromNull(packageID), fromNull(sagaID)
	p.ResendTime, p.DeleteTime, p.PurgeTime = fromNull(resendTime), fromNull(deleteTime), fromNull(purgeTime)
	p.PhoneNumbers = splitList(phoneNumbers)
	p.TrashedPackageID, p.TrashedPhoneNumbers = fromNull(trashedPackageID), splitList(trashed)
	p.Settings, err = parseSettings(settings)
	return p, err
}

// collectPhoneUsers reads all rows of a query for phoneUserColumns.
func collectPhoneUsers(rows pgx.Rows) ([]model.PhoneUser, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (model.PhoneUser, error) { return scanPhoneUser(row) })
}

// phoneUserRow is a phone user with the text of its settings.
type phoneUserRow struct {
	*model.PhoneUser
	settings string
}

func phoneUserRows(ps []model.PhoneUser) ([]phoneUserRow, error) {
	rows := make([]phoneUserRow, len(ps))
	for i := range ps {
		settings, err := formatSettings(ps[i].Settings)
		if err != nil {
			return nil, err
		}
		rows[i] = phoneUserRow{PhoneUser: &ps[i], settings: settings}
	}
	return rows, nil
}

var insertPhoneUsers = bulk[phoneUserRow]{table: "phone_users", columns: []column[phoneUserRow]{
	col("account_id", "UUID", func(p *phoneUserRow) uuid.UUID { return p.AccountID }),
	col("phone_user_id", "UUID", func(p *phoneUserRow) uuid.UUID { return p.ID }),
	col("assignee_kind", "TEXT", func(p *phoneUserRow) string { return string(p.AssigneeKind) }),
	col("assignee_id", "UUID", func(p *phoneUserRow) uuid.UUID { return p.AssigneeID }),
	col("live_assignee_id", "UUID", func(p *phoneUserRow) *uuid.UUID {
		if p.Live() {
			return &p.AssigneeID
		}
		return nil
	}),
	col("display_name", "TEXT", func(p *phoneUserRow) string { return p.DisplayName }),
	col("email", "TEXT", func(p *phoneUserRow) string { return p.Email }),
	col("sort_key", "TEXT", func(p *phoneUserRow) string { return model.Fold(p.DisplayName) }),
	col("search_text", "TEXT", func(p *phoneUserRow) string { return model.PhoneUserSearchText(p.DisplayName, p.Email) }),
	col("state", "TEXT", func(p *phoneUserRow) string { return string(p.State) }),
	col("extension_number", "TEXT", func(p *phoneUserRow) string { return p.ExtensionNumber }),
	col("site_id", "UUID", func(p *phoneUserRow) uuid.UUID { return p.SiteID }),
	col("package_id", "UUID", func(p *phoneUserRow) *uuid.UUID { return toNull(p.PackageID) }),
	col("phone_numbers", "TEXT", func(p *phoneUserRow) string { return strings.Join(p.PhoneNumbers, ",") }),
	col("trashed_package_id", "UUID", func(p *phoneUserRow) *uuid.UUID { return toNull(p.TrashedPackageID) }),
	col("trashed_phone_numbers", "TEXT", func(p *phoneUserRow) string { return strings.Join(p.TrashedPhoneNumbers, ",") }),
	jsonCol("settings", func(p *phoneUserRow) string { return p.settings }),
	col("setup_complete", "BOOL", func(p *phoneUserRow) bool { return p.SetupComplete }),
	col("invited", "BOOL", func(p *phoneUserRow) bool { return p.Invited }),
	col("resend_time", "TIMESTAMPTZ", func(p *phoneUserRow) *time.Time { return toNull(p.ResendTime) }),
	col("saga_id", "UUID", func(p *phoneUserRow) *uuid.UUID { return toNull(p.SagaID) }),
	col("revision", "INT8", func(p *phoneUserRow) int64 { return p.Revision }),
	col("create_time", "TIMESTAMPTZ", func(p *phoneUserRow) time.Time { return p.CreateTime }),
	col("update_time", "TIMESTAMPTZ", func(p *phoneUserRow) time.Time { return p.UpdateTime }),
	col("delete_time", "TIMESTAMPTZ", func(p *phoneUserRow) *time.Time { return toNull(p.DeleteTime) }),
	col("purge_time", "TIMESTAMPTZ", func(p *phoneUserRow) *time.Time { return toNull(p.PurgeTime) }),
}}

// updatePhoneUsers writes phone users that exist, with the next revision. It is an insert that always meets its row, rather than an
// UPDATE … FROM: that way each row is found by its key, whatever the planner thinks of the table's size. What never changes
// (assignee, names, create time) is left alone.
var updatePhoneUsers = bulk[phoneUserRow]{table: "phone_users", columns: insertPhoneUsers.columns, conflict: `
	ON CONFLICT (account_id, phone_user_id) DO UPDATE SET
		live_assignee_id = excluded.live_assignee_id, state = excluded.state, extension_number = excluded.extension_number,
		site_id = excluded.site_id, package_id = excluded.package_id, phone_numbers = excluded.phone_numbers,
		trashed_package_id = excluded.trashed_package_id, trashed_phone_numbers = excluded.trashed_phone_numbers,
		settings = excluded.settings, setup_complete = excluded.setup_complete, invited = excluded.invited,
		resend_time = excluded.resend_time, saga_id = excluded.saga_id, revision = phone_users.revision + 1,
		update_time = excluded.update_time, delete_time = excluded.delete_time, purge_time = excluded.purge_time`}

// queuePhoneUsers adds the statement that writes phone users.
func queuePhoneUsers(batch *pgx.Batch, how bulk[phoneUserRow], ps []model.PhoneUser) error {
	rows, err := phoneUserRows(ps)
	if err != nil {
		return err
	}
	how.queue(batch, rows)
	return nil
}

// logRow is a log entry with the text of its fields.
type logRow struct {
	*model.LogEntry
	before, after string
}

var insertLog = bulk[logRow]{table: "account_log", columns: []column[logRow]{
	col("account_id", "UUID", func(e *logRow) uuid.UUID { return e.AccountID }),
	col("time", "TIMESTAMPTZ", func(e *logRow) time.Time { return e.Time }),
	col("entry_id", "UUID", func(e *logRow) uuid.UUID { return e.ID }),
	col("kind", "TEXT", func(e *logRow) string { return string(e.Kind) }),
	col("phone_user_id", "UUID", func(e *logRow) uuid.UUID { return e.PhoneUserID }),
	col("assignee_kind", "TEXT", func(e *logRow) string { return string(e.AssigneeKind) }),
	col("assignee_id", "UUID", func(e *logRow) uuid.UUID { return e.AssigneeID }),
	col("display_name", "TEXT", func(e *logRow) string { return e.DisplayName }),
	col("actor", "TEXT", func(e *logRow) string { return e.Actor }),
	col("request_id", "TEXT", func(e *logRow) string { return e.RequestID }),
	jsonCol("before", func(e *logRow) string { return e.before }),
	jsonCol("after", func(e *logRow) string { return e.after }),
}}

// queueInsertLog adds the statement that writes log entries.
func queueInsertLog(batch *pgx.Batch, entries []model.LogEntry) error {
	rows := make([]logRow, len(entries))
	for i := range entries {
		before, err := formatFields(entries[i].Before)
		if err != nil {
			return err
		}
		after, err := formatFields(entries[i].After)
		if err != nil {
			return err
		}
		rows[i] = logRow{LogEntry: &entries[i], before: before, after: after}
	}
	insertLog.queue(batch, rows)
	return nil
}

func formatFields(fields map[string]any) (string, error) {
	if fields == nil {
		return "{}", nil
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return "", fmt.Errorf("log fields: %w", err)
	}
	return string(text), nil
}

func parseSettings(text string) (*licensev1.Settings, error) {
	s := &licensev1.Settings{}
	// A field that an older version of the service does not know is left alone rather than a reason to fail.
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal([]byte(text), s); err != nil {
		return nil, fmt.Errorf("stored settings: %w", err)
	}
	return s, nil
}

func formatSettings(s *licensev1.Settings) (string, error) {
	if s == nil {
		return "{}", nil
	}
	text, err := protojson.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("settings: %w", err)
	}
	return string(text), nil
}

// toNull stores the zero value as NULL; fromNull reads it back.
func toNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func fromNull[T any](v *T) T {
	if v == nil {
		var zero T
		return zero
	}
	return *v
}

func splitList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
