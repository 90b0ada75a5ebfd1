package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Go files that a document names, such as `consumer/run.go`, exist: one with a path under the root, one without
// somewhere.
func TestTheFilesThatDocumentsName(t *testing.T) {
	t.Parallel()
	files := map[string]bool{}
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "bin") {
			return fs.SkipDir // others write there meanwhile
		}
		if strings.HasSuffix(path, ".go") {
			files[filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator)))] = true
			files[d.Name()] = true
		}
		return err
	}))
	documents, err := filepath.Glob("*.md")
	require.NoError(t, err)
	named := 0
	for _, document := range append(documents, "../README.md", "../CONTRIBUTING.md") {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile("`([\\w/.-]+\\.go)`").FindAllStringSubmatch(string(text), -1) {
			require.True(t, files[m[1]], "%s names %s", document, m[1])
			named++
		}
	}
	require.Greater(t, named, 20)
}
