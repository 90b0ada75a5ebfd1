package publish

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
)

var (
	errCrash   = &amqp.Error{Code: amqp.InternalError, Reason: "INTERNAL_ERROR"}
	aDecimal   = processor.Envelope{Headers: processor.Headers{"price": processor.Decimal{Scale: 2, Value: 1999}}}
	queueOrNot = processor.Destination{RoutingKey: "q"}
)

func TestAPlaceIsTriedAgainAfterACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c crashes
		h := unusual(queueOrNot, aDecimal)
		c.add(h, time.Now(), errors.New("the connection was lost"))
		require.NoError(t, c.check(h), "it was no crash")
		refusal := processor.ErrRefused // the first may be another's
		for _, wait := range []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second} {
			c.add(h, time.Now(), errCrash)
			require.ErrorIs(t, c.check(h), refusal)
			require.NoError(t, c.check(unusual(queueOrNot, processor.Envelope{})))
			require.NoError(t, c.check(unusual(queueOrNot, processor.Envelope{Properties: processor.Properties{Type: "amqp-1.0"}})))
			time.Sleep(wait - time.Nanosecond)
			require.ErrorIs(t, c.check(h), refusal)
			time.Sleep(time.Nanosecond)
			require.NoError(t, c.check(h), "one message tries it")
			require.ErrorIs(t, c.check(h), refusal)
			refusal = processor.ErrHeaderType
		}
		for range 20 {
			time.Sleep(time.Nanosecond)
			c.add(h, time.Now(), errCrash)
		}
		time.Sleep(time.Hour - time.Nanosecond)
		require.ErrorIs(t, c.check(h), processor.ErrHeaderType)
		time.Sleep(time.Nanosecond)
		require.NoError(t, c.check(h), "an hour at most")
		c.taken(h)
		for range 2 {
			require.NoError(t, c.check(h))
		}
	})
}

// The caller of the one message had stopped waiting, and a good place was refused for an hour more.
func TestAPlaceIsTriedAgainSoonIfTheTryHasNoAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c crashes
		h := unusual(queueOrNot, aDecimal)
		for range 20 {
			time.Sleep(time.Nanosecond)
			c.add(h, time.Now(), errCrash)
		}
		time.Sleep(time.Hour)
		for range 3 {
			require.NoError(t, c.check(h), "one message tries it")
			require.ErrorIs(t, c.check(h), processor.ErrHeaderType)
			time.Sleep(10 * time.Second)
		}
	})
}

// The broker crashed over something else, and 1,000 good messages that waited were refused for an hour.
func TestAPlaceThatTookSuchAMessageIsNotBlamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c crashes
		h := unusual(queueOrNot, aDecimal)
		c.taken(h)
		crashedOver(&c, h, 1000)
		require.NoError(t, c.check(h))
		require.NoError(t, c.check(h), "all may be sent, not only one")
		crashedOver(&c, h, 1000)
		require.ErrorIs(t, c.check(h), processor.ErrRefused, "it may be a stream by now")
	})
}

// Each of the messages that waited counted as a crash: ten of them were an hour.
func TestACrashCountsOnceForAllThatWaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c crashes
		h := unusual(queueOrNot, aDecimal)
		crashedOver(&c, h, 1000)
		require.ErrorIs(t, c.check(h), processor.ErrRefused)
		time.Sleep(firstCrash)
		require.NoError(t, c.check(h))
	})
}

// crashedOver tells c that the broker has crashed while n messages waited, whose callers notice it one
// after the other.
func crashedOver(c *crashes, h hazard, n int) {
	sent := time.Now()
	for range n {
		time.Sleep(time.Microsecond)
		c.add(h, sent, errCrash)
	}
}

// Each request has another address, but all of one node are refused.
func TestReplyAddressesAreToldApartByNode(t *testing.T) {
	t.Parallel()
	const ours, alsoOurs, theirs = "amq.rabbitmq.reply-to.g1h2AA5yZXBseUAyNzk0NDUwMAAAAuAAAAAAaw4JoQ==.XMVt8sFfwtvKmlOweM7GJQ==",
		"amq.rabbitmq.reply-to.g1h2AA5yZXBseUAyNzk0NDUwMAAAV+AAAAAAaw4JoQ==.AAAA",
		"amq.rabbitmq.reply-to.g1h2AA5yZXBseUA2Nzc5MDM1NgAAAwwAAAAAaw4Jlg==.DH4CsBYXQv0Y4uuZTVwqaA=="
	at := func(key string) hazard { return unusual(processor.Destination{RoutingKey: key}, processor.Envelope{}) }
	require.Contains(t, at(ours).what, "reply@27944500")
	var c crashes
	c.add(at(ours), time.Now(), errCrash)
	require.ErrorIs(t, c.check(at(alsoOurs)), processor.ErrUnroutable)
	require.NoError(t, c.check(at(theirs)))
	require.Empty(t, unusual(processor.Destination{Exchange: "x", RoutingKey: ours}, processor.Envelope{}).what)
}

func BenchmarkUnusual(b *testing.B) {
	e := processor.Envelope{Headers: processor.Headers{"a": "b", "n": int64(5)}}
	b.ReportAllocs()
	for b.Loop() {
		_ = unusual(queueOrNot, e)
	}
}
