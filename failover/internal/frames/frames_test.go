package frames_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover/internal/frames"
)

// frame is a frame with its payload.
func frame(kind byte, payload ...string) string {
	body := strings.Join(payload, "")
	head := binary.BigEndian.AppendUint32([]byte{kind, 0, 1}, uint32(len(body)))
	return string(head) + body + "\xCE"
}

func sized(s string) string { return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s }

func short(s string) string { return string(byte(len(s))) + s }

// content is a content header with a content type, this table and a message id.
func content(table string) string {
	return frame(2, "\x00\x3C\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x05", "\xA0\x80", short("text"), sized(table), short("id"))
}

// field is an entry of a table.
func field(key, value string) string { return short(key) + value }

func text(s string) string  { return "S" + sized(s) }
func table(s string) string { return "F" + sized(s) }
func list(s string) string  { return "A" + sized(s) }
func data(s string) string  { return "x" + sized(s) }

func nested(levels int) string {
	if levels == 0 {
		return ""
	}
	return field("t", table(nested(levels-1)))
}

func long(letter string, v uint64) string {
	return letter + string(binary.BigEndian.AppendUint64(nil, v))
}

// headers returns n entries with different keys.
func headers(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(field(fmt.Sprint(i), "V"))
	}
	return b.String()
}

func TestTablesThatTheClientCannotReadAreMadeReadable(t *testing.T) {
	t.Parallel()
	good := field("a", text("b")) + field("n", long("l", 7)) + field("e", table("")) + field("l", list("Vt\x01"))
	deep := func(levels int, bottom string) string {
		for range levels {
			bottom = field("t", table(bottom))
		}
		return bottom
	}
	lists := func(levels int, bottom string) string {
		for range levels {
			bottom = list(bottom)
		}
		return field("l", bottom)
	}
	for name, tc := range map[string]struct{ from, to string }{
		"readable":                {good, good},
		"none":                    {"", ""},
		"L":                       {field("n", long("L", 1<<40)), field("n", long("l", 1<<40))},
		"L over the signed range": {field("n", long("L", math.MaxUint64)), field("n", long("l", math.MaxUint64))},
		"L in a list in a table":  {field("a", table(field("b", list(long("L", 1)+"V")))), field("a", table(field("b", list(long("l", 1)+"V"))))},
		"twice":                   {field("a", "V") + field("b", "V") + field("a", "t\x01"), field("a", "V") + field("b", "V")},
		"twice, and L":            {field("a", long("L", 1)) + field("a", "t\x01"), field("a", long("l", 1))},
		"twice in an entry":       {field("x-death", list(table(field("count", text("x"))+field("count", long("l", 1))))), field("x-death", list(table(field("count", text("x")))))},
		"twice among many":        {headers(100) + field("7", "t\x01"), headers(100)},
		"the empty key twice":     {field("", "V") + field("", "t\x01"), field("", "V")},
		"32 tables":               {nested(32), nested(32)},
		"33 tables":               {nested(33), deep(32, field("t", data("")))},
		"40 tables":               {field("a", "V") + nested(40) + field("b", "V"), field("a", "V") + deep(32, field("t", data(nested(7)))) + field("b", "V")},
		"40 lists": {lists(40, "V"), func() string {
			s := data(list(list(list(list(list(list(list("V"))))))))
			for range 32 {
				s = list(s)
			}
			return field("l", s)
		}()},
		"8192 in a list":                    {field("l", list(strings.Repeat("V", 8192))), field("l", list(strings.Repeat("V", 8192)))},
		"8193 in a list":                    {field("l", list(strings.Repeat("V", 8193))), field("l", data(strings.Repeat("V", 8193)))},
		"8192 in a table":                   {field("a", table(headers(8192))), field("a", table(headers(8192)))},
		"8193 in a table":                   {field("a", table(headers(8193))), field("a", data(headers(8193)))},
		"8192 headers":                      {headers(8192), headers(8192)},
		"8193 headers":                      {headers(8193), headers(8000) + field(frames.Header, data(strings.TrimPrefix(headers(8193), headers(8000))))},
		"an unknown type":                   {field("a", "V") + field("b", "?12") + field("c", "V"), field("a", "V") + field(frames.Header, data(field("b", "?12")+field("c", "V")))},
		"an unknown type in a table":        {field("a", table(field("b", "?12"))) + field("c", "V"), field("a", data(field("b", "?12"))) + field("c", "V")},
		"a length that lies":                {field("a", "S\x00\x00\x01\x00no"), field(frames.Header, data(field("a", "S\x00\x00\x01\x00no")))},
		"a length that lies in a list":      {field("a", list("S\x00\x00\x01\x00no")) + field("c", "V"), field("a", data("S\x00\x00\x01\x00no")) + field("c", "V")},
		"a key that is cut off":             {field("a", "V") + "\x09b", field("a", "V") + field(frames.Header, data("\x09b"))},
		"a header of our own, and a broken": {field(frames.Header, "V") + field("b", "?"), field(frames.Header, data(field("b", "?")))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := string(frames.Change([]byte(content(tc.from)), 0))
			require.Equal(t, content(tc.to), got)
			require.Equal(t, content(tc.to), string(frames.Change([]byte(got), 0)), "it is readable now")
			_, err := client.table([]byte(tc.to), 0)
			require.NoError(t, err)
		})
	}
}

// What is no content header with a table is none of its business.
func TestOtherFramesPassUnchanged(t *testing.T) {
	t.Parallel()
	bad := sized(field("n", long("L", 1)))
	for name, raw := range map[string]string{
		"a body":                       frame(3, bad),
		"a method":                     frame(1, "\x00\x0A\x00\x0A\x00\x09", bad), //nolint:dupword // bytes
		"a heartbeat":                  frame(8),
		"no headers":                   frame(2, "\x00\x3C\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x05", "\x80\x00", short("text"), bad),
		"another class":                frame(2, "\x00\x3D\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x05", "\x20\x00", bad),
		"no end":                       strings.TrimSuffix(content(field("n", long("L", 1))), "\xCE") + "\xCF",
		"a table longer than the rest": frame(2, "\x00\x3C\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x05", "\x20\x00", "\x00\x00\x01\x00", field("n", long("L", 1))),
		"a content type longer":        frame(2, "\x00\x3C\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x05", "\xA0\x00", "\xFFno"),
		"nothing":                      frame(2),
		"another protocol":             "HTTP/1.1 400 Bad Request\r\n\r\n",
		"a few bytes":                  "AMQP",
	} {
		stream := frame(1, "\x00\x0A\x00\x1E") + raw + frame(8)
		for cut := 1; cut < 40; cut++ {
			require.Equal(t, stream, read(t, stream, cut, 0), name)
		}
		if name != "a method" { // it is not what begins a connection
			require.Equal(t, raw, read(t, raw, 4, 0), name)
		}
	}
}

// The server's properties are a table too, in the first frame.
func TestTheServersPropertiesAreMadeReadable(t *testing.T) {
	t.Parallel()
	start := func(table string) string {
		return frame(1, "\x00\x0A\x00\x0A\x00\x09", sized(table), sized("PLAIN"), sized("en_US")) //nolint:dupword // bytes
	}
	product := field("product", text("RabbitMQ"))
	from := start(product + field("n", long("L", 1)) + field("t", table(nested(40))) + field("product", "V"))
	want := start(product + field("n", long("l", 1)) + field("t", table(deepest)))
	for cut := 1; cut < 600; cut += 7 {
		require.Equal(t, want+from, read(t, from+from, cut, 0), "and only in the first")
	}
}

// deepest is what becomes of nested(40) in a table.
var deepest = func() string {
	s := field("t", data(nested(8)))
	for range 31 {
		s = field("t", table(s))
	}
	return s
}()

// With 3.10 and more than 600 queues in x-death, or another client's larger frames.
func TestATableThatIsTooLargeForAFrameIsLeftOutInPart(t *testing.T) {
	t.Parallel()
	const limit = 128 << 10
	small := field("a", text("b")) + field("x-stream-offset", long("l", 7))
	death := field("x-death", list(table(field("queue", text(strings.Repeat("q", 100<<10))))))
	large := field("large", text(strings.Repeat("l", 100<<10)))
	for name, tc := range map[string]struct{ from, kept, left string }{
		"x-death":               {small + death + field("mine", text(strings.Repeat("m", 40<<10))), small + field("mine", text(strings.Repeat("m", 40<<10))), death},
		"both":                  {large + small + death, small, death + large},
		"a larger one":          {large + small + field("larger", text(strings.Repeat("m", 101<<10))), small, field("larger", text(strings.Repeat("m", 101<<10)))},
		"one over 1 MiB less 1": {small + field("larger", text(strings.Repeat("m", frames.MaxHeld-100))), small, field("larger", text(strings.Repeat("m", frames.MaxHeld-100)))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, cut := range []int{1, 4096, 1 << 21} {
				got := read(t, content(tc.from)+frame(3, "12345"), cut, limit)
				require.Equal(t, content(tc.kept+field(frames.Header, data(tc.left[:16<<10])))+frame(3, "12345"), got)
			}
		})
	}
}

// Nothing more of such a frame is kept than fits.
func TestAFrameThatIsTooLargeToBeHeldBecomesASmallOne(t *testing.T) {
	t.Parallel()
	from := content(field("large", text(strings.Repeat("l", frames.MaxHeld))))
	want := frame(2, "\x00\x3C\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x05", "\x20\x00", sized(field(frames.Header, data(""))))
	for _, cut := range []int{1, 20, 21, 22, 4096, 100_000} {
		require.Equal(t, want+frame(3, "12345")+want, read(t, from+frame(3, "12345")+from, cut, 128<<10))
	}
}

// read reads a stream that comes in pieces of up to cut bytes, with buffers of other sizes.
func read(tb testing.TB, stream string, cut, limit int) string {
	tb.Helper()
	r := frames.NewReader(&pieces{s: stream, cut: cut})
	r.Limit(limit)
	got, err := io.ReadAll(struct{ io.Reader }{r})
	require.NoError(tb, err)
	_, err = r.Read(make([]byte, 1))
	require.Equal(tb, io.EOF, err, "again")
	return string(got)
}

type pieces struct {
	s   string
	cut int
}

func (p *pieces) Read(b []byte) (int, error) {
	n := copy(b[:min(len(b), p.cut)], p.s)
	p.s = p.s[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func TestErrorsOfTheSourceComeAfterWhatWasRead(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	whole := frame(8) + content(field("n", long("L", 1)))
	for end := range len(whole) {
		r := frames.NewReader(io.MultiReader(strings.NewReader(whole[:end]), iotest.ErrReader(broken)))
		got, err := io.ReadAll(r)
		require.ErrorIs(t, err, broken)
		require.Equal(t, whole[:end], string(got), "a frame that is cut off is not changed")
	}
	// After a deadline it goes on where it was.
	for cut := 1; cut < 40; cut++ {
		r := frames.NewReader(&sleepy{pieces: pieces{s: whole, cut: cut}})
		var got []byte
		for {
			p := make([]byte, 50)
			n, err := r.Read(p)
			got = append(got, p[:n]...)
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				require.Equal(t, io.EOF, err)
				break
			}
		}
		require.Equal(t, frame(8)+content(field("n", long("l", 1))), string(got))
	}
}

// sleepy misses a deadline before each piece.
type sleepy struct {
	pieces

	awake bool
}

func (s *sleepy) Read(p []byte) (int, error) {
	if s.awake = !s.awake; s.awake {
		return 0, os.ErrDeadlineExceeded
	}
	return s.pieces.Read(p)
}

// FuzzStream compares a stream that comes in pieces with one that comes as a whole, and that with
// the frames changed one by one.
func FuzzStream(f *testing.F) {
	f.Add([]byte(content(headers(3)+field("1", "V"))+frame(3, "12345")), uint64(1), uint16(0))
	f.Add([]byte(frame(1, "\x00\x3C\x00\x3C")+content(field("n", long("L", 1)))+frame(3, "12345")), uint64(2), uint16(4096))
	f.Add([]byte(content(nested(40))+content(headers(9000))), uint64(3), uint16(4096))
	f.Add([]byte(content(headers(2000))), uint64(4), uint16(4096))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, limit uint16) {
		if limit > 0 {
			limit = max(limit, 4096)
		}
		var want []byte
		for rest := stream; len(rest) > 0; {
			size := len(rest)
			if len(rest) >= 7 {
				size = int(min(uint64(binary.BigEndian.Uint32(rest[3:]))+8, uint64(len(rest)+1)))
			}
			if len(rest) >= 7 && rest[0] == 2 && binary.BigEndian.Uint32(rest[3:]) > frames.MaxHeld-8 {
				return // such a frame has a test of its own
			}
			switch first := len(rest) == len(stream); {
			case len(rest) < 7 || size > len(rest):
				want, rest = append(want, rest...), nil
			case rest[0] == 2 || first && rest[0] == 1:
				want = append(want, frames.Change(bytes.Clone(rest[:size]), int(limit))...)
				rest = rest[size:]
			default:
				want, rest = append(want, rest[:size]...), rest[size:]
			}
		}
		random := rand.New(rand.NewPCG(seed, 0))
		r := frames.NewReader(&shreds{b: bytes.Clone(stream), random: random})
		r.Limit(int(limit))
		var got []byte
		for {
			p := make([]byte, 1+random.IntN(200))
			n, err := r.Read(p)
			got = append(got, p[:n]...)
			if err != nil {
				require.ErrorIs(t, err, io.EOF)
				break
			}
		}
		require.Equal(t, want, got)
	})
}

// shreds returns random pieces.
type shreds struct {
	b      []byte
	random *rand.Rand
}

func (s *shreds) Read(p []byte) (int, error) {
	n := copy(p[:min(len(p), s.random.IntN(100))], s.b)
	s.b = s.b[n:]
	if len(s.b) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// FuzzTable compares what the client reads of a changed table with what RabbitMQ reads of the
// original.
func FuzzTable(f *testing.F) {
	f.Add([]byte(headers(3) + field("1", "V") + field("n", long("L", 1))))
	f.Add([]byte(nested(31) + field("a", list(list(list("Vt\x01"))))))
	f.Add([]byte(nested(40)))
	f.Add([]byte(field("a", list(strings.Repeat("V", 9000)))))
	f.Add([]byte(headers(20) + field("19", "V")))
	f.Fuzz(func(t *testing.T, from []byte) {
		changed := frames.Change([]byte(content(string(from))), 0)
		prefix, suffix := len(content(""))-4-len(short("id"))-1, len(short("id"))+1
		to := changed[prefix+4 : len(changed)-suffix]
		got, err := client.table(to, 0)
		require.NoError(t, err)
		require.Equal(t, firsts(got), got, "no key is given twice")
		require.Equal(t, changed, frames.Change(bytes.Clone(changed), 0))

		want, err := rabbitmq.table(from, 0)
		if err != nil {
			return
		}
		if _, err := client.table(bytes.ReplaceAll(from, []byte("L"), []byte("l")), 0); err != nil {
			return
		}
		require.Equal(t, firsts(want), got, "the client reads all of it")
	})
}

func TestReadingAllocatesNothing(t *testing.T) {
	for name, headers := range map[string]string{"few": headers(5) + field("n", long("l", 1)), "many": headers(200)} {
		message := frame(1, strings.Repeat("m", 60)) + content(headers) + frame(3, strings.Repeat("b", 100))
		r := frames.NewReader(&endless{s: message})
		r.Limit(128 << 10)
		p := make([]byte, 4096)
		n := testing.AllocsPerRun(1000, func() { _, _ = r.Read(p) })
		require.Zero(t, n, name)
	}
}

// endless repeats s.
type endless struct {
	s  string
	at int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		k := copy(p[n:], e.s[e.at:])
		n += k
		e.at = (e.at + k) % len(e.s)
	}
	return n, nil
}
