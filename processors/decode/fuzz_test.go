package decode_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/decode"
)

// FuzzDecode decodes any body: to no more than the limit, or with a rejection, and never with a
// panic. A message that is not decoded stays unchanged.
func FuzzDecode(f *testing.F) {
	for _, encoding := range []string{"gzip", "deflate", "deflate, gzip", "x-gzip,x-gzip,gzip", "utf-8", "br", ",,", "İ"} {
		for _, body := range []string{"", text, gzipped(text), zlibbed(text), deflated(text), gzipped(deflated(text)), gzipped(text) + gzipped("")} {
			f.Add(encoding, []byte(body))
		}
	}
	const limit = 4 << 10
	f.Fuzz(func(t *testing.T, encoding string, body []byte) {
		msg := message(encoding, string(body))
		got, err := process(t, msg, decode.MaxSize(limit))
		switch {
		case err != nil:
			require.Nil(t, got)
			require.Equal(t, processor.Decision{Action: processor.Rejected}, processor.Decide(err))
			require.Less(t, len(err.Error()), 400)
		case got == processor.Message(msg):
		default:
			require.LessOrEqual(t, len(got.Body()), limit)
			require.Empty(t, got.Properties().ContentEncoding)
		}
		require.Equal(t, string(body), string(msg.Body()))
	})
}

// FuzzRoundTrip encodes any body, and gets it back.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte(text))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, tc := range []struct {
			encoding string
			pack     func(string) string
		}{{"gzip", gzipped}, {"deflate", zlibbed}, {"deflate", deflated}} {
			got, err := process(t, message(tc.encoding, tc.pack(string(body))))
			require.NoError(t, err)
			require.Equal(t, string(body), string(got.Body()))
		}
	})
}
