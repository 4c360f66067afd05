module github.com/switchboard-phone/switchboard/deploy/local

go 1.26.0

require (
	github.com/coreos/go-oidc/v3 v3.21.0
	github.com/emersion/go-smtp v0.25.1
	github.com/go-jose/go-jose/v4 v4.1.9
	github.com/google/uuid v1.6.0
	github.com/jackc/pgx/v5 v5.12.0
	github.com/spf13/cobra v1.10.2
	github.com/stretchr/testify v1.12.1
	github.com/switchboard-phone/switchboard/gateway v0.0.0
	github.com/switchboard-phone/switchboard/services v0.0.0
	golang.org/x/sync v0.24.0
	google.golang.org/grpc v1.85.0
)

require (
	github.com/emersion/go-sasl v0.0.0-20241020182733-b788ff22d5a6 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/oauth2 v0.36.0 // indirect
)

replace (
	github.com/switchboard-phone/switchboard/gateway => ../../gateway
	github.com/switchboard-phone/switchboard/proto => ../../proto
	github.com/switchboard-phone/switchboard/services => ../../services
)
