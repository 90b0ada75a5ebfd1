package decode_test

import (
	"encoding/base64"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processors/decode"
)

// bz2 is text as Python's bz2.compress writes it.
const bz2 = "QlpoOTFBWSZTWaSdllkAAAaXgEAEBAIIACYikAAgADEDQNAbVNA2p6mFBLxlJbLGMsZRwhRD4u5IpwoSFJOyyyA="

func fromKombu(compression any, body string) *processortest.Message {
	return processortest.NewMessage(processortest.Body(body), processortest.Header("kept", "header"), processortest.Header("compression", compression),
		processortest.Properties(processor.Properties{ContentType: "application/json", ContentEncoding: "utf-8"}))
}

func TestWhatKombuHasCompressedIsDecoded(t *testing.T) {
	t.Parallel()
	bzipped, err := base64.StdEncoding.DecodeString(bz2)
	require.NoError(t, err)
	for name, msg := range map[string]*processortest.Message{
		"zlib": fromKombu("application/x-gzip", zlibbed(text)), "gzip": fromKombu("application/x-gzip", gzipped(text)),
		"bzip2": fromKombu("application/x-bz2", string(bzipped)),
	} {
		got, err := process(t, msg)
		require.NoError(t, err, name)
		require.Equal(t, text, string(got.Body()), name)
		require.Equal(t, processor.Headers{"kept": "header"}, got.Headers(), name)
		require.Contains(t, msg.Headers(), "compression", "a copy has what came")
	}
}

func TestWhatKombuHasCompressedOtherwiseIsRejectedByName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"application/x-lzma", "application/x-brotli", "application/zstd"} {
		_, err := process(t, fromKombu(name, text))
		require.Equal(t, processor.Rejected, processor.Decide(err).Action)
		require.ErrorIs(t, err, decode.ErrUnknown)
		require.ErrorContains(t, err, name)
	}
	got, err := process(t, fromKombu("application/zstd", text), decode.Encoding("application/zstd", func(src io.Reader) (io.Reader, error) { return src, nil }))
	require.NoError(t, err)
	require.Equal(t, text, string(got.Body()))
	_, err = process(t, fromKombu("application/x-bz2", "BZh9 and no more"))
	require.Equal(t, processor.Rejected, processor.Decide(err).Action)
	require.NotErrorIs(t, err, decode.ErrUnknown)
}

func TestAHeaderOfAnotherKindIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, compression := range []any{"none", "gzip", int32(1), "application/x-gzip, application/x-bz2", nil} {
		msg := fromKombu(compression, text)
		got, err := process(t, msg)
		require.NoError(t, err)
		require.Equal(t, processor.Message(msg), got)
	}
}
