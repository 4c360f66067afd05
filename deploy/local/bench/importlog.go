package bench

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
)

// assignedOnce reads an exported account log and counts the assignees who were assigned a licence. One who was assigned twice is an
// error.
func assignedOnce(log io.Reader) (int, error) {
	lines := csv.NewReader(log)
	lines.ReuseRecord = true
	header, err := lines.Read()
	if err != nil {
		return 0, fmt.Errorf("reading the log: %w", err)
	}
	kind, assignee := slices.Index(header, "kind"), slices.Index(header, "assignee")
	if kind < 0 || assignee < 0 {
		return 0, fmt.Errorf("the log has the columns %v", header)
	}
	seen := map[string]bool{}
	for {
		cells, err := lines.Read()
		switch {
		case errors.Is(err, io.EOF):
			return len(seen), nil
		case err != nil:
			return 0, fmt.Errorf("reading the log: %w", err)
		case cells[kind] != "ASSIGNED":
			continue
		case seen[cells[assignee]]:
			return 0, fmt.Errorf("%s was assigned a licence twice", cells[assignee])
		}
		seen[cells[assignee]] = true
	}
}
