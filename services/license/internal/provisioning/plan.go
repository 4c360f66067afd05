package provisioning

import (
	"google.golang.org/protobuf/encoding/protojson"

	licensev1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/license/v1"
)

// settingsJSON are settings inside a plan.
type settingsJSON struct{ *licensev1.Settings }

// MarshalJSON implements json.Marshaler.
func (s *settingsJSON) MarshalJSON() ([]byte, error) { return protojson.Marshal(s.Settings) }

// UnmarshalJSON implements json.Unmarshaler.
func (s *settingsJSON) UnmarshalJSON(text []byte) error {
	s.Settings = &licensev1.Settings{}
	return (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, s.Settings)
}
