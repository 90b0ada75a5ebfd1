package writefiles_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processors/writefiles"
)

// evil are pieces of names that have done harm somewhere.
var evil = []string{
	"..", ".", "/", "\\", "../../etc/passwd", "/etc/passwd", "C:", "\x00", "\n", "\r", "\t", "\x7f", " ", "~", "-", "--", "-rf", "$", "${unique}", "{date}",
	"CON", "con.txt", "NUL", "aux", "COM1", "com¹", "LPT9.x", "CONIN$", "PRN .x", ":stream", "a:b", "*", "?", "\"", "<x@y>", "|", "%2F", "%", "%00", "%zz",
	"\xff", "\xc0\xaf", "\xe2\x80", "\xed\xa0\x80", "é", "e\u0301", "ß", "ẞ", "İ", "ı", "K", "\u212a", "\u202e", "\u200b", "\u00a0", "\u2028", "\ufeff", "∕", "／", "．．",
	"𝔘", "👩‍👩‍👧", "A", "a", ".warren-", ".warren-ABCDEFGHIJKLMNOPQRSTUVWXYZ.body", headersfile.Suffix, ".HEADERS.JSON", ".txt", ".", "_", "",
	strings.Repeat("x", 4000), strings.Repeat("é", 2000), strings.Repeat("\xff", 4000), strings.Repeat("../", 1000), strings.Repeat(".", 300), strings.Repeat("x", 255),
}

func hostile(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(4) {
		b.WriteString(evil[r.IntN(len(evil))])
	}
	return b.String()
}

// requireSafe fails unless name is valid on every file system.
func requireSafe(t *testing.T, name string, longest int) {
	t.Helper()
	require.LessOrEqual(t, len(name), longest, "%q", name)
	require.True(t, utf8.ValidString(name), "%q", name)
	require.False(t, strings.ContainsAny(name, "/\\:*?\"<>|\x00\n\r\t\x7f"), "%q", name)
	require.NotContains(t, []byte{'.', ' ', '-'}, name[0], "%q", name)
	require.NotContains(t, []byte{'.', ' '}, name[len(name)-1], "%q", name)
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	require.NotContains(t, []string{"CON", "PRN", "AUX", "NUL", "COM1", "LPT9", "CONIN$", "COM¹"}, strings.TrimRight(base, " "), "%q", name)
}

// requireConfined fails unless what a directory has is safe, and lies that deep.
func requireConfined(t *testing.T, directory string, depth int) {
	t.Helper()
	for _, path := range list(t, directory) {
		names := strings.Split(path, "/")
		require.Len(t, names, depth, "%q", path)
		for _, name := range names[:depth-1] {
			requireSafe(t, name, 255)
		}
		name := names[depth-1]
		body := strings.TrimSuffix(name, headersfile.Suffix)
		require.False(t, headersfile.Is(body), "%q", name)
		requireSafe(t, body, 255-len(headersfile.Suffix))
	}
}

// prison is a directory beside others, which nothing may be written into.
func prison(t *testing.T) (directory string, requireUntouched func()) {
	t.Helper()
	outside := inMemory(t)
	directory = filepath.Join(outside, "a", "b", "inside")
	require.NoError(t, os.MkdirAll(directory, 0o700))
	return directory, func() {
		t.Helper()
		for up, only := directory, "inside"; up != outside; only = filepath.Base(up) {
			up = filepath.Dir(up)
			entries := must.Have(os.ReadDir(up))
			require.Len(t, entries, 1, up)
			require.Equal(t, only, entries[0].Name())
		}
	}
}

func TestTenThousandHostileNames(t *testing.T) {
	t.Parallel()
	const each = 2500
	for pattern, depth := range map[string]int{
		"${xfilename}": 1, "${msgid}/{xfilename}": 2, writefiles.DefaultPattern: 1, "{routing_key}{msgid}{xfilename}/a-{xfilename}.b": 2,
	} {
		t.Run(strings.ReplaceAll(pattern, "/", "|"), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(1, uint64(depth)))
			directory, requireUntouched := prison(t)
			h := handler(t, directory, writefiles.Pattern(pattern))
			sent := map[string]processor.Envelope{}
			for i := range each {
				key, id, name, body := hostile(r), hostile(r), hostile(r), fmt.Sprint(i)
				key, id = key[:min(len(key), 255)], id[:min(len(id), 255)]
				sent[body] = processor.Envelope{Headers: processor.Headers{"X-Filename": name}, Properties: processor.Properties{ID: id}}
				require.NoError(t, h.Process(t.Context(), message(key, id, body, processortest.Header("X-Filename", name))), "%q %q %q", key, id, name)
			}
			requireUntouched()
			requireConfined(t, directory, depth)
			for _, f := range read(t, directory) {
				want, there := sent[string(f.Body)]
				require.True(t, there)
				require.Equal(t, want.Headers, f.Headers)
				require.Equal(t, want.Properties, f.Properties)
				delete(sent, string(f.Body))
			}
			require.Empty(t, sent)
		})
	}
}

func FuzzNames(f *testing.F) {
	for i, s := range evil {
		f.Add(s, evil[(i+1)%len(evil)], evil[(i+7)%len(evil)], "{routing_key}/{msgid}/{xfilename}")
	}
	f.Add("a", "b", "c", writefiles.DefaultPattern)
	f.Fuzz(func(t *testing.T, key, id, name, pattern string) {
		key, id = key[:min(len(key), 255)], id[:min(len(id), 255)]
		directory, requireUntouched := prison(t)
		depth := strings.Count(pattern, "/") + 1
		h := writefiles.Handler(directory, writefiles.Pattern(pattern))
		if processor.Check(h) != nil {
			pattern, depth = "{routing_key}/{msgid}-{date}/{xfilename}", 3
			h = writefiles.Handler(directory, writefiles.Pattern(pattern))
		}
		defer func() { require.NoError(t, stop(h)) }()
		for _, body := range []string{"1", "2", "3"} {
			require.NoError(t, h.Process(t.Context(), message(key, id, body, processortest.Header("X-Filename", name))))
		}
		requireUntouched()
		for _, path := range list(t, directory) {
			require.Len(t, strings.Split(path, "/"), depth)
		}
		require.Len(t, read(t, directory), 3)
	})
}
