package processors_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"database/sql/driver"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/breaker"
	"github.com/gowarren/warren/processors/decode"
	"github.com/gowarren/warren/processors/dedup"
	"github.com/gowarren/warren/processors/instantretry"
	"github.com/gowarren/warren/processors/maxmessages"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/sqltx"
	"github.com/gowarren/warren/processors/throttle"
)

// Refused orders are built by hand here, to show that the refusal is right.

// byHand wraps the handler as a stack would, and refuses nothing.
func byHand(handler processor.Processor, outermost ...processor.Middleware) processor.Processor {
	for _, m := range slices.Backward(outermost) {
		handler = m(handler)
	}
	return handler
}

// calls is a handler that counts its calls and returns the next of its results each time.
type calls struct {
	n       int
	results []error
}

func (c *calls) Process(context.Context, processor.Message) error {
	c.n++
	if len(c.results) < c.n {
		return nil
	}
	return c.results[c.n-1]
}

func fails() *calls { return &calls{results: slices.Repeat([]error{errMail}, 100)} }

func message() *processortest.Message { return processortest.NewMessage(processortest.Body("hello")) }

func acked(t *testing.T, msg *processortest.Message) {
	t.Helper()
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
}

func TestSqltxOutsideAckLosesWhatIsNotCommitted(t *testing.T) {
	t.Parallel()
	w := blank()
	w.db = openDB(t, database{commit: errMail})
	msg := message()
	err := byHand(&calls{}, w.the("sqltx"), w.the("ack")).Process(t.Context(), msg)
	require.ErrorIs(t, err, errMail, "nothing is committed")
	acked(t, msg)
}

func TestSqltxOutsideRetryCommitsWhatHasFailed(t *testing.T) {
	t.Parallel()
	committed := 0
	msg := message()
	p := byHand(fails(), blank().the("ack"), sqltx.New(openDB(t, database{committed: &committed})), retrying(&processortest.Publisher{}))
	require.NoError(t, p.Process(t.Context(), msg))
	require.Equal(t, 1, committed)
}

func TestSqltxOutsideCatchCommitsWhatHasFailed(t *testing.T) {
	t.Parallel()
	committed := 0
	p := byHand(fails(), blank().the("ack"), sqltx.New(openDB(t, database{committed: &committed})), blank().the("catch"))
	require.NoError(t, p.Process(t.Context(), message()))
	require.Equal(t, 1, committed)
}

func TestSqltxOutsideInstantRetryTriesInOneTransaction(t *testing.T) {
	t.Parallel()
	begun := 0
	handler := &calls{results: []error{errMail, errMail}}
	p := byHand(handler, sqltx.New(openDB(t, database{begun: &begun})), instantretry.New(instantretry.Delay(0), instantretry.Logger(silent())))
	require.NoError(t, p.Process(t.Context(), message()))
	require.Equal(t, 3, handler.n)
	require.Equal(t, 1, begun, "what two failed tries had written is committed by the third")
}

func TestSqltxOutsideDedupSkipsWhatWasNotCommitted(t *testing.T) {
	t.Parallel()
	w := blank()
	w.db = openDB(t, database{commit: errMail})
	handler := &calls{}
	p := byHand(handler, w.the("ack"), w.the("sqltx"), dedup.New(dedup.NewMemory(10, time.Hour), dedup.Logger(silent())))
	require.ErrorIs(t, p.Process(t.Context(), message()), errMail)
	again := message()
	require.Error(t, p.Process(t.Context(), again))
	require.Equal(t, 1, handler.n, "the next delivery is skipped, and nothing was ever committed")
}

func TestSqltxOutsideThrottleHoldsATransactionWhileItWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := 0
		opened := openDB(t, database{begun: &begun})
		limiter := rate.NewLimiter(rate.Every(time.Hour), 1)
		p := byHand(&calls{}, sqltx.New(opened), throttle.New(limiter))
		require.NoError(t, p.Process(t.Context(), message()))
		done := make(chan error)
		go func() { done <- p.Process(t.Context(), message()) }()
		synctest.Wait()
		require.Equal(t, 2, begun)
		require.NoError(t, <-done)
		require.NoError(t, opened.Close())
	})
}

func TestDedupOutsideRetryLosesTheCopy(t *testing.T) {
	t.Parallel()
	handler := fails()
	pub := &processortest.Publisher{}
	p := byHand(handler, blank().the("ack"), blank().the("dedup"), retrying(pub))
	require.NoError(t, p.Process(t.Context(), message()))
	require.Len(t, pub.Published(), 1)
	retried := message()
	require.NoError(t, p.Process(t.Context(), retried))
	acked(t, retried)
	require.Equal(t, 1, handler.n, "nobody has ever processed it")
}

func TestDedupOutsideCatchMarksWhatHasFailed(t *testing.T) {
	t.Parallel()
	handler := fails()
	p := byHand(handler, blank().the("ack"), blank().the("dedup"), blank().the("catch"))
	require.NoError(t, p.Process(t.Context(), message()))
	require.NoError(t, p.Process(t.Context(), message()))
	require.Equal(t, 1, handler.n)
}

func TestDedupOutsideAckNeverSettlesWhatItSkips(t *testing.T) {
	t.Parallel()
	p := byHand(&calls{}, blank().the("dedup"), blank().the("ack"))
	require.NoError(t, p.Process(t.Context(), message()))
	msg := message()
	require.NoError(t, p.Process(t.Context(), msg))
	require.Empty(t, msg.Settlements())
}

func TestInstantRetryOutsideAckWorksOnWhatIsSettled(t *testing.T) {
	t.Parallel()
	p := byHand(fails(), blank().the("instantretry"), blank().the("ack"))
	msg := message()
	require.Error(t, p.Process(t.Context(), msg))
	require.Equal(t, []processortest.Settlement{processortest.Rejected}, msg.Settlements(), "after the first try")
}

func TestInstantRetryOutsideRetryTriesOnce(t *testing.T) {
	t.Parallel()
	for _, inner := range []processor.Middleware{retrying(&processortest.Publisher{}), blank().the("catch")} {
		handler := fails()
		require.NoError(t, byHand(handler, blank().the("ack"), blank().the("instantretry"), inner).Process(t.Context(), message()))
		require.Equal(t, 1, handler.n)
	}
}

func TestInstantRetryOutsideMaxMessagesCountsTries(t *testing.T) {
	t.Parallel()
	handler := fails()
	p := byHand(handler, instantretry.New(instantretry.Delay(0), instantretry.Logger(silent())),
		maxmessages.New(maxmessages.Max(3), maxmessages.Logger(silent())))
	require.True(t, processor.Decide(p.Process(t.Context(), message())).Stop, "after one message")
	require.Equal(t, 3, handler.n)
}

// Without retry or ack inside, a message that takes too long is retried or nacked.
func TestTimeoutOutsideRetryBringsTheMessageBackForEver(t *testing.T) {
	t.Parallel()
	for _, r := range []recipe{{"ack", "timeout", "retry"}, {"timeout", "ack", "retry"}, {"ack", "timeout", "xdeath"}} {
		synctest.Test(t, func(t *testing.T) {
			f := live(t, stack.CaseTimeout, func(w *world, handler processor.Processor) (*stack.Pipeline, error) {
				var layers []processor.Middleware
				for _, name := range r {
					layers = append(layers, w.the(name))
				}
				return stack.New().ThenFunc(byHand(handler, layers...).Process) // hides the layers from the stack
			})
			if slices.Contains(r, "xdeath") {
				require.Equal(t, stack.SettledByNack, f.settled, "unjudged, back by way of the dead letters")
				return
			}
			require.Equal(t, map[string]int{work: 1}, f.holds, "%v", r)
		})
	}
}

func TestDecodeOutsideRetryPublishesOtherContent(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("hello"))
	require.NoError(t, z.Close())
	pub := &processortest.Publisher{}
	p := byHand(fails(), blank().the("ack"), decode.New(), retrying(pub))
	msg := processortest.NewMessage(processortest.Body(packed.String()),
		processortest.Properties(processor.Properties{ContentEncoding: "gzip"}))
	require.NoError(t, p.Process(t.Context(), msg))
	require.NotEqual(t, packed.Bytes(), pub.Published()[0].Envelope.Body)
}

func TestDecodeOutsideAckNeverSettlesWhatDoesNotDecode(t *testing.T) {
	t.Parallel()
	msg := processortest.NewMessage(processortest.Properties(processor.Properties{ContentEncoding: "gzip"}))
	require.Error(t, byHand(&calls{}, decode.New(), blank().the("ack")).Process(t.Context(), msg))
	require.Empty(t, msg.Settlements())
}

func TestBreakerOutsideRetryNeverOpens(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	for _, inner := range []processor.Middleware{retrying(pub), blank().the("catch")} {
		handler := fails()
		p := byHand(handler, blank().the("ack"), breaker.New("mail server", breaker.Logger(silent())), inner)
		for range 20 {
			require.NoError(t, p.Process(t.Context(), message()))
		}
		require.Equal(t, 20, handler.n)
	}
	require.Len(t, pub.Published(), 20)
}

func TestRecoveryOutsideXDeathHidesPanics(t *testing.T) {
	t.Parallel()
	for _, inner := range []string{"xdeath", "retry", "ack"} {
		pub := &processortest.Publisher{}
		layers := map[string]processor.Middleware{"xdeath": blank().the("xdeath"), "retry": retrying(pub), "ack": blank().the("ack")}
		msg := message()
		require.ErrorIs(t, byHand(handler(stack.CasePanic, nil), blank().the("recovery"), layers[inner]).Process(t.Context(), msg), errMail)
		require.Empty(t, pub.Published())
		require.Empty(t, msg.Settlements())
	}
}

func retrying(p processor.Publisher) processor.Middleware {
	return retry.New(p, "retry_%attempt%", retry.ParkKey(parked), retry.Logger(silent()))
}

func openDB(t *testing.T, d driver.Connector) *sql.DB {
	t.Helper()
	opened := sql.OpenDB(d)
	t.Cleanup(func() { require.NoError(t, opened.Close()) })
	return opened
}
