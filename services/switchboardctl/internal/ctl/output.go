package ctl

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
)

// json prints a message as one line of JSON, in the gateway's form.
func (a *app) json(m proto.Message) error {
	text, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.Out, string(text))
	return err
}

// printTable prints rows under a header.
func (a *app) printTable(header string, rows [][]string) error {
	w := tabwriter.NewWriter(a.Out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, strings.ReplaceAll(header, " ", "\t"))
	for _, row := range rows {
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// phoneUsers prints phone users, as lines of JSON or as a table.
func (a *app) phoneUsers(ps []*licensev1.PhoneUser) error {
	var rows [][]string
	for _, p := range ps {
		if a.output == jsonLines {
			if err := a.json(p); err != nil {
				return err
			}
			continue
		}
		calling := "-"
		if p.GetPackage() != "" {
			calling = strings.ToLower(p.GetPackageState().String())
		}
		rows = append(rows, []string{
			p.GetDisplayName(), orDash(p.GetEmail()), orDash(p.GetExtensionNumber()), calling,
			orDash(strings.Join(p.GetPhoneNumbers(), " ")), p.GetState().String(), orDash(p.GetName()),
		})
	}
	if a.output == jsonLines {
		return nil
	}
	return a.printTable("PERSON EMAIL EXTENSION PACKAGE NUMBERS STATE NAME", rows)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func at(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.AsTime().Local().Format(time.DateTime)
}
