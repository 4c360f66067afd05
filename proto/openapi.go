// Package proto holds the definitions of Switchboard's services. The generated Go code is under gen/go; this package carries
// the OpenAPI document made of the same definitions.
package proto

import _ "embed" // for OpenAPI

// OpenAPI is the OpenAPI 2.0 document, in JSON, of every route of the gateway. Do not change its bytes.
//
//go:embed gen/openapi/switchboard.swagger.json
var OpenAPI []byte
