package localca_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoBinaryLinksWhatIsLocal keeps authorities, issuers and databases that trust everybody out of what runs in production.
func TestNoBinaryLinksWhatIsLocal(t *testing.T) {
	t.Parallel()
	const root = "github.com/switchboard-phone/switchboard/"
	args := []string{"list", "-deps", root + "gateway/cmd/gateway", root + "services/switchboardctl"}
	for _, name := range []string{"license", "extension", "numbering", "notification"} {
		args = append(args, root+"services/"+name+"/cmd/"+name)
	}
	out, err := exec.CommandContext(t.Context(), "go", args...).Output()
	require.NoError(t, err)
	linked := strings.Fields(string(out))
	require.Contains(t, linked, root+"services/platform/mtls", "the list is the one that is meant")
	for _, pkg := range linked {
		for _, local := range []string{"services/platform/localca", "services/platform/localdb", "services/platform/localetcd", "services/platform/testkit", "deploy/local"} {
			require.False(t, strings.HasPrefix(pkg, root+local), "%s is linked into a binary", pkg)
		}
	}
}
