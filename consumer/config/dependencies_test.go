package config_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever does not use this package does not link its parsers.
func TestNoOtherPackageDependsOnTheParsers(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}}: {{join .Deps " "}}`, "../../...").Output()
	require.NoError(t, err)
	const module = "github.com/gowarren/warren"
	seen := 0
	for line := range strings.Lines(string(out)) {
		pkg, deps, _ := strings.Cut(line, ": ")
		switch {
		case pkg == module+"/consumer/config":
			require.Contains(t, deps, "go.yaml.in/yaml/v3")
			require.Contains(t, deps, "github.com/pelletier/go-toml/v2")
		case strings.HasPrefix(pkg, module+"/examples/"), strings.Contains(deps, "stretchr/testify"): // programs, and helpers of tests
		default:
			seen++
			require.NotContains(t, deps, "github.com/pelletier/go-toml", pkg)
			require.NotContains(t, deps, module+"/consumer/config", pkg)
			require.NotContains(t, deps, "go.yaml.in/yaml", pkg)
		}
	}
	require.Greater(t, seen, 50)
}
