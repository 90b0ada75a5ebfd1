package frames_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover/internal/frames"
)

const marker = "\x11" + frames.HeaderPriority0 + "V"

// message is a content header with these flags and properties.
func message(flags string, properties ...string) string {
	return frame(2, "\x00\x3C\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x05", flags, strings.Join(properties, ""))
}

// pairs are content headers as the broker sends and gets them, and as the client does.
var pairs = map[string]struct{ broker, client string }{
	"with headers":       {message("\x38\x00", sized(field("a", "V")), "\x02", "\x00"), message("\x30\x00", sized(field("a", "V")+marker), "\x02")},
	"with a type and id": {message("\xB8\x80", short("text"), sized(""), "\x02", "\x00", short("id")), message("\xB0\x80", short("text"), sized(marker), "\x02", short("id"))},
	"without a mode":     {message("\x28\x00", sized(field("a", "V")), "\x00"), message("\x20\x00", sized(field("a", "V")+marker))},
}

func TestAPriorityOf0IsAHeaderForTheClient(t *testing.T) {
	t.Parallel()
	for name, p := range pairs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, p.client, string(frames.Change([]byte(p.broker), 0)))
			require.Equal(t, p.client, string(frames.Change([]byte(p.client), 0)))
			require.Equal(t, p.broker, write(t, p.client, len(p.client)))
		})
	}
	bare := message("\x48\x00", short("utf-8"), "\x00")
	require.Equal(t, message("\x60\x00", short("utf-8"), sized(marker)), string(frames.Change([]byte(bare), 0)), "that had no headers")
	for _, other := range []string{
		message("\x38\x00", sized(field("a", "V")), "\x02", "\x01"),
		message("\x30\x00", sized(field("a", "V")), "\x02"),
		message("\x38\x00", sized(""), "\x02"),
		message("\x08\x00"),
		message("\x38\x00", "\x00\x00\x01\x00"),
	} {
		require.Equal(t, other, string(frames.Change([]byte(other), 0)))
	}
}

func TestAPriorityOf0IsNoHeaderWhereTheClientCouldNotReadIt(t *testing.T) {
	t.Parallel()
	p := pairs["with headers"]
	require.Equal(t, p.broker, string(frames.Change([]byte(p.broker), len(p.client)-1)))
	for _, entries := range []int{8191, 8192} {
		table := headers(entries)
		m := message("\x38\x00", sized(table), "\x02", "\x00")
		require.Equal(t, m, string(frames.Change([]byte(m), 0)))
	}
}

// A header that only looks like it, and another class, pass.
func TestTheClientsOtherFramesPassUnchanged(t *testing.T) {
	t.Parallel()
	for _, f := range []string{
		message("\x20\x00", sized(field("a", text(marker)))),
		message("\x20\x00", sized(field("a", table(marker)))),
		message("\x20\x00", sized(field("a", "?")+marker)),
		message("\x80\x00", short("x"+marker)),
		frame(2, "\x00\x3D\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x05", "\x20\x00", sized(marker)),
		frame(1, "\x00\x3C\x00\x28", marker), frame(3, marker), frame(8), frame(2), frame(2, marker),
	} {
		require.Equal(t, f, write(t, f, 7))
	}
}

func TestAWriterThatFailsSaysSo(t *testing.T) {
	t.Parallel()
	w := frames.NewWriter(failing{})
	_, err := w.Write([]byte("AMQP0091"))
	require.EqualError(t, err, "broken")
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("broken") }

// write is what a writer makes of the stream that opens with a protocol header, in pieces of that size.
func write(tb testing.TB, stream string, piece int) string {
	tb.Helper()
	var got bytes.Buffer
	w := frames.NewWriter(&got)
	rest := []byte("AMQP\x00\x00\x09\x01" + stream)
	for len(rest) > 0 {
		p := bytes.Clone(rest[:min(piece, len(rest))])
		n, err := w.Write(p)
		require.NoError(tb, err)
		require.Equal(tb, len(p), n)
		for i := range p {
			p[i] = 0xFF // it is the client's again
		}
		rest = rest[n:]
	}
	require.Equal(tb, "AMQP\x00\x00\x09\x01", got.String()[:8])
	return got.String()[8:]
}

func TestAStreamIsWrittenInWhateverPieces(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var from, to strings.Builder
	for range 60 {
		var a, b string
		switch random.IntN(4) {
		case 0:
			a = frame(3, strings.Repeat("b", random.IntN(300)))
			b = a
		case 1:
			a = content(headers(random.IntN(20)))
			b = a
		case 2:
			p := pairs["with headers"]
			a, b = p.client, p.broker
		default:
			p := pairs["with a type and id"]
			a, b = p.client, p.broker
		}
		from.WriteString(a)
		to.WriteString(b)
	}
	for piece := 1; piece < from.Len(); piece += 1 + piece/10 {
		require.Equal(t, to.String(), write(t, from.String(), piece))
		require.Equal(t, write(t, from.String(), 1<<20), to.String())
	}
}

func TestWritingAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun
	stream := []byte(strings.Repeat(content(headers(5))+frame(3, strings.Repeat("b", 77)), 50))
	w := frames.NewWriter(io.Discard)
	_, _ = w.Write([]byte("AMQP0091"))
	at := 0
	allocs := testing.AllocsPerRun(1000, func() {
		end := min(at+513, len(stream))
		_, _ = w.Write(stream[at:end])
		at = end % len(stream)
	})
	require.Zero(t, allocs)
}

func FuzzWriter(f *testing.F) {
	for _, p := range pairs {
		f.Add([]byte(p.client), 3)
	}
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		whole := write(t, string(stream), len(stream)+8)
		require.Equal(t, whole, write(t, string(stream), min(max(piece, 1), 100)))
		if !bytes.Contains(stream, []byte(frames.HeaderPriority0)) {
			require.True(t, strings.HasPrefix(string(stream), whole), "only a beginning is held")
		}
	})
}
