package shortstring_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/shortstring"
)

func TestProblem(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"":                       "",
		"größe":                  "",
		"a\x00\n":                "",
		strings.Repeat("k", 255): "",
		strings.Repeat("k", 256): "has 256 bytes, the limit is 255",
		"a\xffb":                 "is not UTF-8",
		"cut off \xc3":           "is not UTF-8",
	} {
		require.Equal(t, want, shortstring.Problem(name), "%q", name)
	}
}
