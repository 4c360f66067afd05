package store

import (
	"strings"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	"github.com/switchboard-phone/switchboard/services/license/internal/model"
	"github.com/switchboard-phone/switchboard/services/platform/errs"
)

// SiteInUse is the refusal to delete a site that others refer to; usedBy says who, in plain words.
func SiteInUse(s *model.Site, usedBy ...string) error {
	by := strings.Join(usedBy, ", ")
	return errs.New(commonv1.Reason_RESOURCE_IN_USE, "the site %q is in use by %s", s.DisplayName, by).
		With("used_by", by).With("resource", model.SiteName(s.AccountID, s.ID))
}
