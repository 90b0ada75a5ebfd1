package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// program is the whole worker in the README.
func program(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, code, found := strings.Cut(string(text), "```go\npackage main")
	require.True(t, found, "the README has a program")
	code, _, _ = strings.Cut(code, "```")
	return "package main" + code
}

// The README's program compiles, and is as short as the README says by showing it: imports, blank lines and
// lines that are only a comment do not count.
func TestTheReadmesProgram(t *testing.T) {
	t.Parallel()
	code := program(t)
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(code), 0o600))
	for _, args := range [][]string{{"build", "-o", os.DevNull, file}, {"vet", file}} {
		out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
		require.NoError(t, err, "go %v: %s", args, out)
	}

	before, after, _ := strings.Cut(code, "import (")
	_, after, _ = strings.Cut(after, "\n)")
	lines := 0
	for line := range strings.Lines(before + after) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			lines++
		}
	}
	t.Logf("%d lines", lines)
	require.LessOrEqual(t, lines, 22)
}
