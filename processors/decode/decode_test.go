package decode_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/decode"
	"github.com/gowarren/warren/processors/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware { return decode.New() },
	})
}

// pack writes text through a writer of package compress.
func pack(text string, w func(io.Writer) io.WriteCloser) string {
	var out bytes.Buffer
	z := w(&out)
	_, _ = io.WriteString(z, text) // into a buffer, which does not fail
	_ = z.Close()
	return out.String()
}

func gzipped(text string) string {
	return pack(text, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}

func zlibbed(text string) string {
	return pack(text, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
}

func deflated(text string) string {
	return pack(text, func(w io.Writer) io.WriteCloser {
		z, _ := flate.NewWriter(w, flate.DefaultCompression) // a level that exists
		return z
	})
}

func message(encoding, body string) *processortest.Message {
	return processortest.NewMessage(processortest.Body(body), processortest.Header("kept", "header"),
		processortest.Properties(processor.Properties{ID: "1", ContentType: "text/plain", ContentEncoding: encoding}))
}

// process returns the handler's message, nil if it was not called.
func process(tb testing.TB, msg processor.Message, opts ...decode.Option) (got processor.Message, err error) {
	tb.Helper()
	p, err := stack.New(decode.New(opts...)).
		ThenFunc(func(_ context.Context, msg processor.Message) error { got = msg; return nil })
	require.NoError(tb, err)
	err = p.Process(tb.Context(), msg)
	return got, err
}

func rejects(tb testing.TB, msg processor.Message, opts ...decode.Option) error {
	tb.Helper()
	got, err := process(tb, msg, opts...)
	require.Error(tb, err)
	require.Nil(tb, got, "the handler is not called")
	require.Equal(tb, processor.Rejected, processor.Decide(err).Action)
	return err
}

const text = "Dear Sir or Madam, Dear Sir or Madam, Dear Sir or Madam"

func TestEncodingsAreUndone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ encoding, body string }{
		{"gzip", gzipped(text)},
		{"x-gzip", gzipped(text)},
		{" GZip ", gzipped(text)},
		{"deflate", zlibbed(text)},
		{"deflate", deflated(text)},
		{"deflate, gzip", gzipped(zlibbed(text))},
		{"gzip,deflate", deflated(gzipped(text))},
		{"utf-8, gzip, identity,", gzipped(text)},
		{"gzip, x-gzip, gzip", gzipped(gzipped(gzipped(text)))},
		{"gzip", gzipped(text[:10]) + gzipped(text[10:])},
	} {
		got, err := process(t, message(tc.encoding, tc.body))
		require.NoError(t, err, tc.encoding)
		require.Equal(t, text, string(got.Body()), tc.encoding)
	}
	got, err := process(t, message("gzip", gzipped("")))
	require.NoError(t, err)
	require.Empty(t, got.Body())
}

func TestTheInnerMessageDiffersInBodyAndEncodingOnly(t *testing.T) {
	t.Parallel()
	outer := message("gzip", gzipped(text))
	got, err := process(t, outer)
	require.NoError(t, err)
	require.Equal(t, processor.Properties{ID: "1", ContentType: "text/plain"}, got.Properties())
	require.Equal(t, outer.Headers(), got.Headers())
	require.Equal(t, outer.Origin(), got.Origin())
	require.NoError(t, got.Ack())
	require.Equal(t, []processortest.Settlement{processortest.Acked}, outer.Settlements())
	require.Equal(t, gzipped(text), string(outer.Body()))
	require.Equal(t, "gzip", outer.Properties().ContentEncoding)
}

// nameko and kombu send utf-8, others any word.
func TestCharsetsPassUntouched(t *testing.T) {
	t.Parallel()
	for _, word := range []string{
		"", " ", ",", "identity", "Identity", "utf-8", "UTF-8", "utf8", "UTF-16LE", "binary", "us-ascii", "8bit",
		"iso-8859-1", "ISO-8859-15", "latin1", "windows-1252", "cp1251", "Shift_JIS", "utf-8, identity", "plain", "None",
		"utf_8", "UTF_16_LE", "utf-8-sig", "iso8859_1", "iso_8859_15", "ISO_8859-1", "iso-8859-8-i", "windows_1252", "latin_1", "us_ascii", "euc_jp", "koi8_r",
	} {
		msg := message(word, text)
		got, err := process(t, msg, decode.Ignore("PLAIN", " none"))
		require.NoError(t, err, word)
		require.Same(t, msg, got, word)
	}
}

func TestOtherEncodingsAreRejectedByName(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"br", "zstd", "compress", "base64", "gzip, br", "br, gzip", "application/json", "gzip;q=1",
		"utf-8;gzip", "utf-8 gzip", "utf-8+gzip", "utf-8/gzip", "windows-1252;gzip", "cp1252=gzip", "utf-", "utf_8;gzip", "utf-8\x00", "utf-é",
	} {
		require.ErrorIs(t, rejects(t, message(word, gzipped(text))), decode.ErrUnknown, word)
	}
	err := rejects(t, message("BR", text))
	require.ErrorContains(t, err, `"br"; known are application/x-bz2, application/x-gzip, deflate, gzip, x-gzip:`)
	err = rejects(t, message("\x1b[31m"+strings.Repeat("x", 1<<20), text))
	require.Less(t, len(err.Error()), 300)
	require.NotContains(t, err.Error(), "\x1b")
	require.ErrorContains(t, rejects(t, message("gzip,gzip,gzip,gzip", text)), "more than 3 encodings")
}

func TestABodyMustBeWholeAndNothingElse(t *testing.T) {
	t.Parallel()
	flipped := []byte(gzipped(text))
	flipped[len(flipped)-5] ^= 1 // in the checksum
	flippedZlib := []byte(zlibbed(text))
	flippedZlib[len(flippedZlib)-1] ^= 1
	for name, tc := range map[string]struct {
		encoding, body string
		want           error
	}{
		"empty gzip":       {"gzip", "", io.ErrUnexpectedEOF},
		"empty deflate":    {"deflate", "", io.ErrUnexpectedEOF},
		"not gzip":         {"gzip", text, gzip.ErrHeader},
		"not deflate":      {"deflate", text, nil},
		"gzip in deflate":  {"deflate", gzipped(text), nil},
		"zlib in gzip":     {"gzip", zlibbed(text), gzip.ErrHeader},
		"gzip, cut":        {"gzip", gzipped(text)[:20], io.ErrUnexpectedEOF},
		"gzip, no trailer": {"gzip", strings.TrimSuffix(gzipped(text), gzipped(text)[len(gzipped(text))-8:]), io.ErrUnexpectedEOF},
		"zlib, cut":        {"deflate", zlibbed(text)[:10], io.ErrUnexpectedEOF},
		"zlib, a byte":     {"deflate", "\x78", nil},
		"raw, cut":         {"deflate", deflated(text)[:10], io.ErrUnexpectedEOF},
		"gzip, checksum":   {"gzip", string(flipped), gzip.ErrChecksum},
		"zlib, checksum":   {"deflate", string(flippedZlib), zlib.ErrChecksum},
		"zlib, dictionary": {"deflate", "\x78\xbb\x00\x00\x00\x02", zlib.ErrDictionary},
		"gzip, garbage":    {"gzip", gzipped(text) + "garbage of some length", gzip.ErrHeader},
		"gzip, zeros":      {"gzip", gzipped(text) + "\x00\x00\x00", nil},
		"zlib, garbage":    {"deflate", zlibbed(text) + "x", nil},
		"raw, garbage":     {"deflate", deflated(text) + "x", nil},
		"inner, cut":       {"gzip, gzip", gzipped(gzipped(text)[:20]), io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := rejects(t, message(tc.encoding, tc.body))
			if tc.want != nil {
				require.ErrorIs(t, err, tc.want)
			}
			// The readers are reused: a message must not affect the next.
			got, err := process(t, message("gzip", gzipped(text)))
			require.NoError(t, err)
			require.Equal(t, text, string(got.Body()))
		})
	}
}

func TestMaxSizeIsTheLastThatPasses(t *testing.T) {
	t.Parallel()
	for encoding, pack := range map[string]func(string) string{"gzip": gzipped, "deflate": deflated} {
		body := pack(text)
		_, err := process(t, message(encoding, body), decode.MaxSize(len(text)))
		require.NoError(t, err)
		require.ErrorIs(t, rejects(t, message(encoding, body), decode.MaxSize(len(text)-1)), decode.ErrTooLarge)
	}
	_, err := process(t, message("", text), decode.MaxSize(1))
	require.NoError(t, err, "what is not encoded is not measured")
}

// endless is a reader that counts the bytes read from it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) { e.read += len(p); return len(p), nil }

func TestABombStopsAtTheLimit(t *testing.T) {
	t.Parallel()
	var e endless
	bomb := decode.Encoding("bomb", func(io.Reader) (io.Reader, error) { return &e, nil })
	require.ErrorIs(t, rejects(t, message("bomb", "!"), bomb, decode.MaxSize(100_000)), decode.ErrTooLarge)
	require.Equal(t, 100_001, e.read)

	zeros := strings.Repeat("\x00", decode.DefaultMaxSize)
	require.ErrorIs(t, rejects(t, message("gzip", gzipped(zeros+"\x00"))), decode.ErrTooLarge)
	_, err := process(t, message("gzip", gzipped(zeros)))
	require.NoError(t, err)
}

// Empty gzip members: a step in the middle could have gone on for hours with a small result.
func TestABombInTheMiddleOfAListStopsToo(t *testing.T) {
	t.Parallel()
	nothing := strings.Repeat(gzipped(""), 10_000)
	require.ErrorIs(t, rejects(t, message("gzip, gzip", gzipped(nothing)), decode.MaxSize(len(nothing)-1)), decode.ErrTooLarge)
	_, err := process(t, message("gzip, gzip", gzipped(nothing)), decode.MaxSize(len(nothing)))
	require.NoError(t, err)
}

type closing struct {
	io.Reader
	closed *bool
}

func (c closing) Close() error { *c.closed = true; return nil }

func TestADecoderOfTheUsersOwn(t *testing.T) {
	t.Parallel()
	var closed bool
	opts := []decode.Option{decode.Encoding("Base64", func(src io.Reader) (io.Reader, error) {
		return closing{base64.NewDecoder(base64.StdEncoding, src), &closed}, nil
	})}
	got, err := process(t, message("gzip, base64", base64.StdEncoding.EncodeToString([]byte(gzipped(text)))), opts...)
	require.NoError(t, err)
	require.Equal(t, text, string(got.Body()))
	require.True(t, closed)

	var corrupt base64.CorruptInputError
	require.ErrorAs(t, rejects(t, message("base64", "!!!!"), opts...), &corrupt)
}

func TestADecoderReplacesABuiltInOne(t *testing.T) {
	t.Parallel()
	got, err := process(t, message("gzip", text), decode.Encoding("gzip", func(src io.Reader) (io.Reader, error) { return src, nil }))
	require.NoError(t, err)
	require.Equal(t, text, string(got.Body()))
	_, err = process(t, message("gzip", text), decode.Ignore("gzip"))
	require.NoError(t, err)
}

func TestADecoderThatFailsRejects(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reader func(src io.Reader) io.Reader
		err    error
	}{
		"error":       {nil, processor.Requeue(io.ErrNoProgress)},
		"EOF":         {nil, io.EOF},
		"no reader":   {func(io.Reader) io.Reader { return nil }, nil},
		"typed nil":   {func(io.Reader) io.Reader { return (*bytes.Reader)(nil) }, nil},
		"panic":       {func(io.Reader) io.Reader { panic(processor.Requeue(errors.New("boom"))) }, nil},
		"late panic":  {func(io.Reader) io.Reader { return struct{ io.Reader }{} }, nil},
		"reads part":  {func(src io.Reader) io.Reader { return io.LimitReader(src, 3) }, nil},
		"reads none":  {func(io.Reader) io.Reader { return strings.NewReader("other") }, nil},
		"fails later": {func(io.Reader) io.Reader { return errReader{} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := rejects(t, message("x", text), decode.Encoding("x", func(src io.Reader) (io.Reader, error) {
				if tc.err != nil {
					return nil, tc.err
				}
				return tc.reader(src), nil
			}))
			require.ErrorContains(t, err, "decode: x: ")
		})
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrNoProgress }

func TestRetryRepublishesWhatCame(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	quiet := retry.Logger(slog.New(slog.DiscardHandler))
	p, err := stack.New(ack.New(), retry.New(pub, "retry_%attempt%", retry.ParkKey("parked"), quiet), decode.New()).
		ThenFunc(func(context.Context, processor.Message) error { return errors.New("mail server says no") })
	require.NoError(t, err)
	require.NoError(t, p.Process(t.Context(), message("gzip", gzipped(text))))
	require.NoError(t, p.Process(t.Context(), message("gzip", text)))
	require.Equal(t, "retry_1", pub.Published()[0].To.RoutingKey)
	require.Equal(t, "parked", pub.Published()[1].To.RoutingKey, "what does not decode is not retried")
	e := pub.Published()[0].Envelope
	require.Equal(t, gzipped(text), string(e.Body))
	require.Equal(t, "gzip", e.ContentEncoding)
}

func TestStackRefusesDecodeOutsideAckOrRetry(t *testing.T) {
	t.Parallel()
	handler := func(context.Context, processor.Message) error { return nil }
	_, err := stack.New(decode.New(), ack.New()).ThenFunc(handler)
	require.ErrorIs(t, err, stack.ErrOrder)
	_, err = stack.New(decode.New(), retry.New(&processortest.Publisher{}, "r_%attempt%")).ThenFunc(handler)
	require.ErrorIs(t, err, stack.ErrOrder)
}

// The readers are shared: each message must get its own body, and keep it.
func TestManyWorkersShareTheReaders(t *testing.T) {
	t.Parallel()
	p, err := stack.New(decode.New()).ThenFunc(func(_ context.Context, msg processor.Message) error {
		if want := msg.Headers()["want"]; string(msg.Body()) != want {
			return fmt.Errorf("got %q, want %q", msg.Body(), want)
		}
		return nil
	})
	require.NoError(t, err)
	packers := map[string]func(string) string{"gzip": gzipped, "deflate": zlibbed, "Deflate": deflated}
	var wg sync.WaitGroup
	errs := make(chan error, 3*8*10)
	for encoding, pack := range packers {
		for worker := range 8 {
			wg.Go(func() {
				for i := range 10 {
					want := fmt.Sprintf("%s %d %d %s", encoding, worker, i, text)
					errs <- p.Process(t.Context(), processortest.NewMessage(processortest.Body(pack(want)),
						processortest.Header("want", want), processortest.Properties(processor.Properties{ContentEncoding: encoding})))
				}
			})
		}
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

func TestWhatIsNotEncodedCostsNoAllocation(t *testing.T) {
	p, err := stack.New(decode.New()).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)
	for _, encoding := range []string{"", "utf-8", "identity", "binary, utf-8"} {
		msg, ctx := message(encoding, text), t.Context()
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = p.Process(ctx, msg) }), encoding)
	}
}

func TestWrongOptionsShowWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	same := func(src io.Reader) (io.Reader, error) { return src, nil }
	for want, opt := range map[string]decode.Option{
		"decode: option 1 is nil":             nil,
		"decode: MaxSize is 0":                decode.MaxSize(0),
		"decode: MaxSize is 2147483648":       decode.MaxSize(1 << 31), // plus one, it would read nothing at 1<<63-1
		`decode: the decoder of "x" is nil`:   decode.Encoding("x", nil),
		`decode: " " is no name`:              decode.Encoding(" ", same),
		`decode: "gzip, x" is no name`:        decode.Encoding("gzip, x", same),
		`decode: "" is no name of an encodin`: decode.Ignore("", "plain"),
	} {
		_, err := stack.New(decode.New(opt)).ThenFunc(func(context.Context, processor.Message) error { return nil })
		require.ErrorContains(t, err, want)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	p, err := stack.New(decode.New(decode.Ignore("plain"))).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)
	require.Equal(t, []stack.Setting{
		{Name: "max size", Value: "16MiB"},
		{Name: "decoders", Value: "application/x-bz2, application/x-gzip, deflate, gzip, x-gzip"},
		{Name: "ignore", Value: "charsets, identity, plain"},
	}, p.Describe().Layers[0].Settings)
	p, err = stack.New(decode.New(decode.MaxSize(100_000))).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)
	require.Contains(t, p.Describe().Layers[0].Settings, stack.Setting{Name: "max size", Value: "100000 bytes"})
}
