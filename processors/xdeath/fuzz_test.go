package xdeath_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/xdeath"
)

// FuzzDeaths reads any JSON as x-death, with numbers and times besides. It must not panic, must
// keep the error, and must not count what is not there.
func FuzzDeaths(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `[]`, `"expired"`, `[{"queue":"test-queue","count":300}]`, `[{"queue":"test-queue","count":"300"}]`,
		`[{"queue":["test-queue"],"count":{}}]`, `[[[[]]],null,1,"x",{"queue":null,"time":1}]`,
	} {
		f.Add([]byte(seed), int64(1), int64(0))
		f.Add([]byte(seed), int64(-1), int64(1)<<62)
	}
	f.Fuzz(func(t *testing.T, data []byte, count, seconds int64) {
		var decoded any
		_ = json.Unmarshal(data, &decoded) // nil if it does not decode
		list, _ := decoded.([]any)
		own := entry("test-queue", "count", count, "time", time.Unix(seconds, 0))
		for _, claim := range []any{decoded, list, append(list, own), []any{own, own, decoded, list}} {
			msg := message(processor.Headers{"x-death": claim})
			e, err := process(t, msg, errMail)
			require.ErrorIs(t, err, errMail)
			if e == nil {
				require.NotErrorIs(t, err, xdeath.ErrMaxCount)
				continue
			}
			require.GreaterOrEqual(t, e.Count, int64(0))
			require.False(t, e.First.After(time.Now()))
			require.NotEmpty(t, err.Error())
			if errors.Is(e.Limit, xdeath.ErrMaxLifetime) {
				require.GreaterOrEqual(t, time.Since(e.First), xdeath.DefaultMaxLifetime)
			} else {
				require.GreaterOrEqual(t, e.Count, int64(xdeath.DefaultMaxCount))
			}
		}
	})
}
