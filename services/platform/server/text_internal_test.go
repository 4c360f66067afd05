package server

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
)

func TestFieldWithNUL(t *testing.T) {
	t.Parallel()
	strange, err := structpb.NewStruct(map[string]any{"k": []any{"a", "b\x00"}})
	require.NoError(t, err)
	key, err := structpb.NewStruct(map[string]any{"k\x00": 1})
	require.NoError(t, err)
	for want, m := range map[string]proto.Message{
		"":                    &licensev1.ImportPhoneUsersRequest{Parent: "p", Csv: []byte{0}},
		"assignees[1]":        &licensev1.BatchAssignRequest{Assignees: []string{"a", "\x00"}},
		"users[0].given_name": &licensev1.BatchCreateUsersRequest{Users: []*licensev1.User{{GivenName: "a\x00"}}},
		"settings.language":   &licensev1.PhoneUser{Settings: &licensev1.Settings{Language: proto.String("\x00")}},
		`before.fields["k"].list_value.values[1].string_value`: &licensev1.LogEntry{Before: strange},
		`after.fields["k\x00"]`:                                &licensev1.LogEntry{After: key},
	} {
		require.Equal(t, want, fieldWithNUL(m.ProtoReflect()))
	}
}
