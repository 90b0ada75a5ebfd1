package republish_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processors/recovery"
)

// php-amqplib, and so Swarrot, can read a table, a decimal, or a number over 2^31, and not publish
// it again: the message would be lost there. It makes numbers of timestamps. So Again and
// Park add only text and smaller counts to a message, and little of it, whatever
// the message and the error are.
func TestWhatCopiesAddIsFlatAndSmall(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é\x00", 10_000)
	most := processortest.NewMessage(
		processortest.Origin(processor.Origin{Queue: strings.Repeat("q", 255), Exchange: strings.Repeat("x", 255), RoutingKey: strings.Repeat("k", 255)}),
		processortest.Properties(processor.Properties{Expiration: 10 * 365 * 24 * time.Hour, UserID: strings.Repeat("u", 255)}),
	)
	why := errors.Join(&recovery.PanicError{Stack: []byte(long)}, errors.New(long))
	copies := map[string]processor.Headers{
		"again": republish.Again(most, noon).Headers,
		"final": republish.Park(most, republish.Failure{Err: why, At: noon, First: noon.Add(-time.Hour), Count: math.MaxInt64, Stack: true}).Headers,
	}
	for name, h := range copies {
		size := 0
		for header, value := range h {
			size += len(header)
			switch value := value.(type) {
			case string:
				size += len(value)
			case int64:
				size += 8
				require.LessOrEqual(t, value, int64(math.MaxInt32), "%s: %s", name, header)
			default:
				t.Errorf("%s: %s is a %T", name, header, value)
			}
		}
		require.Less(t, size, 6<<10, name)
	}
	for _, header := range append(republish.OriginHeaders, republish.HeaderOriginalQueue, republish.HeaderOriginalExpiration, republish.HeaderOriginalUserID) {
		require.Contains(t, copies["again"], header)
		require.Contains(t, copies["final"], header)
	}
	for _, header := range republish.FinalHeaders {
		require.Contains(t, copies["final"], header)
	}
}
