package decode_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/decode"
)

func BenchmarkDecode(b *testing.B) {
	body := strings.Repeat(text, 200) // 11 KB
	for name, msg := range map[string]processor.Message{
		"none": message("", body), "utf-8": message("utf-8", body),
		"gzip": message("gzip", gzipped(body)), "zlib": message("deflate", zlibbed(body)),
	} {
		b.Run(name, func(b *testing.B) {
			p, err := stack.New(decode.New()).ThenFunc(func(context.Context, processor.Message) error { return nil })
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Process(b.Context(), msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
