package importing

import (
	"context"
	"strings"

	"github.com/google/uuid"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/license/internal/sheet"
	"github.com/switchboard-phone/switchboard/services/license/internal/store"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// exportPage is how many records are read at a time.
const exportPage = 1000

// ExportPhoneUsers hands all active phone users of an account to send as a CSV file that can be imported again and then changes
// nothing. Refused with NOT_FOUND.
func (im *Importer) ExportPhoneUsers(ctx context.Context, account uuid.UUID, send func(piece []byte) error) error {
	if _, err := im.Store.GetAccount(ctx, account); err != nil {
		return err
	}
	sites, err := im.siteNames(ctx, account)
	if err != nil {
		return err
	}
	packages, err := im.packageNames(ctx, account)
	if err != nil {
		return err
	}
	out := sheet.NewWriter(send)
	if err := out.Write(columns); err != nil {
		return err
	}
	q := store.PhoneUserQuery{States: []model.State{model.StateActive}, Order: store.ByDisplayName, Limit: exportPage}
	for {
		page, err := im.Store.ListPhoneUsers(ctx, account, q)
		if err != nil {
			return err
		}
		for i := range page {
			if err := out.Write(exportCells(&page[i], sites, packages)); err != nil {
				return err
			}
		}
		if len(page) < exportPage {
			return out.Flush()
		}
		after := store.PhoneUserAfter(&page[exportPage-1], q.Order)
		q.After = &after
	}
}

// exportCells are the cells of a phone user, in the order of columns.
func exportCells(p *model.PhoneUser, sites *named[model.Site], packages *named[Package]) []string {
	var c model.ImportCells
	if c.Email = p.Email; p.AssigneeKind == model.KindRoom {
		c.Email, c.Room = "", plain(p.DisplayName, model.RoomName(p.AccountID, p.AssigneeID))
	}
	c.Site = sites.export(p.SiteID, model.SiteName(p.AccountID, p.SiteID))
	c.Package = packages.export(p.PackageID, model.PackageName(p.AccountID, p.PackageID))
	c.Extension, c.PhoneNumbers = p.ExtensionNumber, strings.Join(p.PhoneNumbers, ";")
	return cellsOf(&c)
}

func cellsOf(c *model.ImportCells) []string {
	out := make([]string, len(columns))
	for i, column := range columns {
		out[i] = *cell(c, column)
	}
	return out
}

// export is the display name of the thing with the id where that finds it again, else its resource name.
func (n *named[T]) export(id uuid.UUID, resource string) string {
	i, known := n.byID[id]
	if !known {
		return resource
	}
	name := n.displayName(&n.all[i])
	if found, err := n.find(name); err != nil || found != &n.all[i] {
		return resource
	}
	return plain(name, resource)
}

// plain is name, or resource where a reader of the file would not take the name for what it is: an import, the sign that clears; a
// spreadsheet, a formula.
func plain(name, resource string) string {
	if name == "" || strings.TrimSpace(name) != name || strings.ContainsRune("=+-@\t\r", rune(name[0])) || len(name) > maxCell {
		return resource
	}
	return name
}

// ExportRows hands the rows of an import to send as a CSV file with their outcomes. outcome is the only one wanted, where only
// is set.
func (im *Importer) ExportRows(ctx context.Context, id uuid.UUID, outcome model.ImportOutcome, only bool, send func(piece []byte) error) error {
	out := sheet.NewWriter(send)
	if err := out.Write(append(columns[:len(columns):len(columns)], resultColumns...)); err != nil {
		return err
	}
	q := store.ImportRowQuery{Outcome: outcome, OnlyOutcome: only, Limit: exportPage}
	for {
		page, err := im.Store.ListImportRows(ctx, id, q)
		if err != nil {
			return err
		}
		for i := range page {
			if err := out.Write(append(cellsOf(&page[i].Cells), resultCells(&page[i])...)); err != nil {
				return err
			}
		}
		if len(page) < exportPage {
			return out.Flush()
		}
		q.After = page[exportPage-1].Number
	}
}

// resultCells are the cells of resultColumns.
func resultCells(r *model.ImportRow) []string {
	reason, message := "", ""
	if r.Outcome == model.RowFailed {
		var st statuspb.Status
		if err := proto.Unmarshal(r.Error, &st); err == nil {
			message = st.GetMessage()
			if e, ok := errs.From(status.FromProto(&st).Err()); ok {
				reason = e.Reason().String()
			}
		}
	}
	return []string{string(r.Outcome), reason, message, strings.Join(r.Warnings, "; ")}
}
