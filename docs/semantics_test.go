package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/republish"
)

// copies is the section about what a copy keeps.
func copies(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("semantics.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "\n## What a copy keeps\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// strings in the code of a package, tests apart.
func literals(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	found := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(tree, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				value, err := strconv.Unquote(lit.Value)
				require.NoError(t, err)
				found[value] = true
			}
			return true
		})
	}
	return found
}

// header is a name as the code of internal/republish has it, and the table in backquotes.
var header = regexp.MustCompile(`^(warren-[a-z-]*[a-z]|swarrot_retry_attempts|x-[a-z-]+|CC|BCC)$`)

func TestTheTableOfCopiesNamesEveryHeaderOfTheCode(t *testing.T) {
	t.Parallel()
	inCode, inTable := map[string]bool{}, map[string]bool{}
	for value := range literals(t, "../internal/republish") {
		if header.MatchString(value) {
			inCode[value] = true
		}
	}
	for _, quoted := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(copies(t), -1) {
		if header.MatchString(quoted[1]) {
			inTable[quoted[1]] = true
		}
	}
	require.Equal(t, inCode, inTable)
	require.GreaterOrEqual(t, len(inCode), 24, "the test finds them")
	require.Contains(t, copies(t), "`"+republish.DelayPrefix+"0`")
}
