package excerpt_test

import (
	"errors"
	"io/fs"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/excerpt"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text  string
		limit int
		want  string
	}{
		{"hello", 10, "hello"},
		{"hello", 5, "hello"},
		{"hello", 4, "hell"},
		{"h\u00e9llo", 2, "h"},
		{"a\nb\x00c\x7fd\te", 20, "a b c d e"},
		{"\xff\xfeab", 10, "?ab"},
		{"hello", 0, ""},
	} {
		require.Equal(t, tc.want, excerpt.Of(tc.text, tc.limit))
	}
}

// cursed panics with a value that panics when it is printed.
type cursed struct{}

func (c *cursed) Error() string { panic(c) }

func TestErrorSurvivesAnErrorMethodThatPanics(t *testing.T) {
	t.Parallel()
	var typedNil *fs.PathError
	for want, err := range map[string]error{
		"a\u00e9b c": errors.New("a\u00e9b\nc and more"),
		"*fs.PathError, whose Error method panics":     typedNil,
		"*errors.joinError, whose Error method panics": errors.Join(typedNil),
		"*excerpt_test.cursed, whose Error method":     &cursed{},
	} {
		require.Equal(t, want, excerpt.Error(err, len(want)))
	}
}

func TestPanicSurvivesAValueThatPanics(t *testing.T) {
	t.Parallel()
	require.Equal(t, "boom", excerpt.Panic("boom", 10))
	require.NotEmpty(t, excerpt.Panic(&cursed{}, 100))
	require.NotEmpty(t, excerpt.Panic(nil, 100))
}

func FuzzOf(f *testing.F) {
	f.Add("héllo", 2)
	f.Add("\xff\xfe", 1)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = min(max(limit, 0), 1000)
		got := excerpt.Of(s, limit)
		require.True(t, utf8.ValidString(got))
		require.LessOrEqual(t, len(got), limit)
	})
}
