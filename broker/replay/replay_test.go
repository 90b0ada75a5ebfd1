package replay_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/replay"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/retry"
)

func TestWhatGoesBackCarriesNoTraceOfTheFailure(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		opts []replay.Option
		want processor.Headers
	}{
		"retries begin anew": {nil, processor.Headers{
			"app": int32(7), "warren-original-expiration": "60000", "warren-original-user-id": "sender",
		}},
		"kept": {[]replay.Option{replay.KeepAttempts()}, processor.Headers{
			"app": int32(7), retry.HeaderAttempts: int64(3), "warren-backoffs": int64(2),
			"warren-original-exchange": "mail", "warren-original-routing-key": "mail", "warren-first-failed-at": "2026-01-02T11:00:00Z",
			"warren-original-expiration": "60000", "warren-original-user-id": "sender",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			p := processor.Properties{ID: "id", CorrelationID: "c", ReplyTo: "r", Type: "t", ContentType: "text/plain", Priority: 3}
			put(t, b, parkedQueue, processor.Envelope{
				Body: []byte("hello"), Properties: p,
				Headers: headers(processor.Headers{
					"app": int32(7), "x-death": []any{processor.Headers{"count": int64(9)}},
					"warren-original-expiration": "60000", "warren-original-user-id": "sender",
				}),
			})
			counts, err := replay.Run(t.Context(), b, parkedQueue, fromMail, tc.opts...)
			require.NoError(t, err)
			require.Equal(t, replay.Counts{Total: 1, Seen: 1, Moved: 1}, counts)
			msg := drain(t, b, "mail", 1)[0]
			require.Equal(t, "hello", string(msg.Body()))
			require.Equal(t, tc.want, msg.Headers())
			require.Equal(t, p, msg.Properties())
			require.Equal(t, processor.Origin{Queue: "mail", Exchange: "mail", RoutingKey: "mail"}, msg.Origin())
			require.Zero(t, ready(t, b, parkedQueue))
		})
	}
}

// A message that a stack has parked returns to it, with all its retries again.
func TestWhatRetryParksGoesBack(t *testing.T) {
	t.Parallel()
	b := open(t)
	p, err := stack.New(retry.New(b.Publisher(), "retry", retry.Retries(1), retry.ParkKey(parkedQueue))).
		ThenFunc(func(context.Context, processor.Message) error { return processor.Reject(errors.New("no such user")) })
	require.NoError(t, err)
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage(
		processortest.Origin(processor.Origin{Queue: "mail", Exchange: "mail", RoutingKey: "mail"}))))
	var why replay.Failure
	counts, err := replay.Run(t.Context(), b, parkedQueue, fromMail,
		replay.OnEvent(func(e replay.Event) { why = replay.FailureOf(e.Message) }))
	require.NoError(t, err)
	require.Equal(t, 1, counts.Moved)
	host, err := os.Hostname()
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), why.At, time.Minute)
	require.Equal(t, replay.Failure{
		Error: "no such user", Type: "*errors.errorString", First: why.At, At: why.At, Failures: 1, Host: host,
	}, why)
	require.Empty(t, drain(t, b, "mail", 1)[0].Headers())
}

func TestTheFilterLeavesTheOthersInOrder(t *testing.T) {
	t.Parallel()
	b := open(t)
	park(t, b, parkedQueue, 10, nil)
	var events []string
	counts, err := replay.Run(t.Context(), b, parkedQueue, fromMail, replay.Filter(even),
		replay.OnEvent(func(e replay.Event) {
			require.NoError(t, e.Err)
			events = append(events, fmt.Sprint(e.Message.Properties().ID, e.Outcome, e.Counts.Seen))
		}))
	require.NoError(t, err)
	require.Equal(t, replay.Counts{Total: 10, Seen: 10, Moved: 5, Left: 5}, counts)
	require.Equal(t, []string{"0", "2", "4", "6", "8"}, ids(t, b, "mail", 5))
	require.Equal(t, []string{"1", "3", "5", "7", "9"}, ids(t, b, parkedQueue, 5))
	require.Len(t, events, 10)
	require.Equal(t, "3left4", events[3])
}

func TestADryRunMovesNothing(t *testing.T) {
	t.Parallel()
	b := open(t)
	park(t, b, parkedQueue, 200, nil)
	before := headers(nil)
	for range 3 {
		var to processor.Destination
		counts, err := replay.Run(t.Context(), b, parkedQueue, fromMail, replay.DryRun(), replay.Filter(even), replay.Rate(0.1),
			replay.OnEvent(func(e replay.Event) {
				if e.Outcome == replay.Moved {
					to = e.To
				}
			}))
		require.NoError(t, err)
		require.Equal(t, replay.Counts{Total: 200, Seen: 200, Moved: 100, Left: 100}, counts)
		require.Equal(t, processor.Destination{Exchange: "mail", RoutingKey: "mail"}, to)
	}
	require.Zero(t, ready(t, b, "mail"))
	for i, msg := range drain(t, b, parkedQueue, 200) {
		require.Equal(t, fmt.Sprint(i), msg.Properties().ID)
		require.Equal(t, before, msg.Headers())
	}
}

func TestALimitEndsTheRun(t *testing.T) {
	t.Parallel()
	for _, dry := range []bool{true, false} {
		b := open(t)
		park(t, b, parkedQueue, 100, nil)
		opts := []replay.Option{replay.MaxMessages(3), replay.Filter(even)}
		moved := 3
		if dry {
			opts, moved = append(opts, replay.DryRun()), 0
		}
		counts, err := replay.Run(t.Context(), b, parkedQueue, fromMail, opts...)
		require.NoError(t, err)
		require.Equal(t, replay.Counts{Total: 100, Seen: 5, Moved: 3, Left: 2}, counts)
		require.Equal(t, moved, ready(t, b, "mail"))
		require.Equal(t, 100-moved, ready(t, b, parkedQueue))
	}
}

// Every publisher to the work queue can write these headers.
func TestForgedOriginsAreLeftAndTold(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		forged processor.Headers
		want   error
	}{
		"no exchange":          {processor.Headers{"warren-original-exchange": nil}, replay.ErrNoOrigin},
		"no key":               {processor.Headers{"warren-original-routing-key": nil}, replay.ErrNoOrigin},
		"a number":             {processor.Headers{"warren-original-exchange": int64(1)}, replay.ErrNoOrigin},
		"bytes":                {processor.Headers{"warren-original-routing-key": []byte("mail")}, replay.ErrNoOrigin},
		"a table":              {processor.Headers{"warren-original-exchange": processor.Headers{"mail": "mail"}}, replay.ErrNoOrigin},
		"too long":             {processor.Headers{"warren-original-routing-key": strings.Repeat("k", 256)}, replay.ErrNoOrigin},
		"another exchange":     {processor.Headers{"warren-original-exchange": "money"}, replay.ErrNotAllowed},
		"another queue":        {processor.Headers{"warren-original-exchange": "", "warren-original-routing-key": "money"}, replay.ErrNotAllowed},
		"the queue it lies in": {processor.Headers{"warren-original-exchange": "", "warren-original-routing-key": parkedQueue}, replay.ErrSameQueue},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			put(t, b, parkedQueue, processor.Envelope{Headers: headers(tc.forged)})
			route := replay.ToOrigin(processor.Destination{Exchange: "mail"},
				processor.Destination{RoutingKey: "mail"}, processor.Destination{RoutingKey: parkedQueue})
			var why error
			counts, err := replay.Run(t.Context(), b, parkedQueue, route, replay.OnEvent(func(e replay.Event) { why = e.Err }))
			require.NoError(t, err)
			require.Equal(t, replay.Counts{Total: 1, Seen: 1, Left: 1}, counts)
			require.ErrorIs(t, why, tc.want)
			require.Equal(t, 1, ready(t, b, parkedQueue))
		})
	}
}

func TestAllowedPlaces(t *testing.T) {
	t.Parallel()
	type place = processor.Destination
	for _, tc := range []struct {
		allowed, origin place
		want            bool
	}{
		{place{Exchange: "mail"}, place{Exchange: "mail", RoutingKey: "mail"}, true},
		{place{Exchange: "mail"}, place{Exchange: "mail", RoutingKey: ""}, true},
		{place{Exchange: "mail"}, place{Exchange: "mail2", RoutingKey: "mail"}, false},
		{place{Exchange: "mail", RoutingKey: "a"}, place{Exchange: "mail", RoutingKey: "a"}, true},
		{place{Exchange: "mail", RoutingKey: "a"}, place{Exchange: "mail", RoutingKey: "b"}, false},
		{place{RoutingKey: "mail"}, place{RoutingKey: "mail"}, true},
		{place{RoutingKey: "mail"}, place{Exchange: "mail", RoutingKey: "mail"}, false},
		{place{}, place{RoutingKey: "mail"}, false},
		{place{}, place{}, false},
	} {
		msg := processortest.NewMessage(
			processortest.Header("warren-original-exchange", tc.origin.Exchange),
			processortest.Header("warren-original-routing-key", tc.origin.RoutingKey))
		got, err := replay.ToOrigin(tc.allowed)(msg)
		if tc.want {
			require.NoError(t, err)
			require.Equal(t, tc.origin, got)
		} else {
			require.ErrorIs(t, err, replay.ErrNotAllowed)
		}
		_, err = replay.ToOrigin()(msg)
		require.ErrorIs(t, err, replay.ErrNotAllowed)
	}
}

func TestAnotherPlaceForAllAsksNoHeader(t *testing.T) {
	t.Parallel()
	b := open(t)
	put(t, b, parkedQueue, processor.Envelope{})
	put(t, b, parkedQueue, processor.Envelope{Headers: headers(processor.Headers{"warren-original-exchange": "money"})})
	counts, err := replay.Run(t.Context(), b, parkedQueue, replay.To(processor.Destination{RoutingKey: "mail"}))
	require.NoError(t, err)
	require.Equal(t, 2, counts.Moved)
	require.Equal(t, 2, ready(t, b, "mail"))
}

func TestWhatTheBrokerDoesNotTakeStays(t *testing.T) {
	t.Parallel()
	b := open(t)
	park(t, b, parkedQueue, 3, processor.Headers{"warren-original-routing-key": "nobody"})
	park(t, b, parkedQueue, 2, nil)
	var failures []error
	counts, err := replay.Run(t.Context(), b, parkedQueue, fromMail, replay.OnEvent(func(e replay.Event) {
		if e.Outcome == replay.Failed {
			require.Equal(t, "nobody", e.To.RoutingKey)
			failures = append(failures, e.Err)
		}
	}))
	require.NoError(t, err)
	require.Equal(t, replay.Counts{Total: 5, Seen: 5, Moved: 2, Failed: 3}, counts)
	require.Len(t, failures, 3)
	require.ErrorIs(t, failures[0], processor.ErrUnroutable)
	require.Equal(t, []string{"0", "1", "2"}, ids(t, b, parkedQueue, 3))
}

// More messages stay than any prefetch allows.
func TestWhatStaysIsSeenOnce(t *testing.T) {
	t.Parallel()
	b := open(t)
	const n = 20_000
	park(t, b, parkedQueue, n, nil)
	seen := map[string]int{}
	counts, err := replay.Run(t.Context(), b, parkedQueue, fromMail, replay.Filter(func(msg processor.Message) bool {
		id := msg.Properties().ID
		seen[id]++
		return strings.HasSuffix(id, "999")
	}))
	require.NoError(t, err)
	require.Equal(t, replay.Counts{Total: n, Seen: n, Moved: 20, Left: n - 20}, counts)
	require.Len(t, seen, n)
	require.Equal(t, "999", ids(t, b, "mail", 20)[0])
	left := ids(t, b, parkedQueue, n-20)
	require.Equal(t, "0", left[0])
	require.Equal(t, "1000", left[999])
	require.Equal(t, fmt.Sprint(n-2), left[len(left)-1])
}

func TestAnEmptyQueueAndAMissingOne(t *testing.T) {
	t.Parallel()
	b := open(t)
	counts, err := replay.Run(t.Context(), b, parkedQueue, fromMail)
	require.NoError(t, err)
	require.Zero(t, counts)
	_, err = replay.Run(t.Context(), b, "missing", fromMail)
	require.Error(t, err)
}

func TestWrongOptionsAreRefused(t *testing.T) {
	t.Parallel()
	b := open(t)
	park(t, b, parkedQueue, 1, nil)
	for name, o := range map[string]replay.Option{
		"nil": nil, "slow": replay.Rate(0.01), "negative": replay.Rate(0), "not a number": replay.Rate(math.NaN()),
		"endless": replay.Rate(math.Inf(1)), "limit": replay.MaxMessages(0), "hold": replay.HoldFor(0), "no unit": replay.HoldFor(20),
	} {
		_, err := replay.Run(t.Context(), b, parkedQueue, fromMail, o)
		require.ErrorContains(t, err, "replay: ", name)
	}
	_, err := replay.Run(t.Context(), nil, parkedQueue, fromMail)
	require.Error(t, err)
	_, err = replay.Run(t.Context(), b, "", fromMail)
	require.Error(t, err)
	_, err = replay.Run(t.Context(), b, parkedQueue, nil)
	require.Error(t, err)
	_, err = replay.Run(t.Context(), b, parkedQueue, fromMail, replay.Filter(nil), replay.OnEvent(nil), replay.DryRun())
	require.NoError(t, err)
	require.Equal(t, 1, ready(t, b, parkedQueue))
}

func TestAFunctionThatPanicsLosesNothing(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]replay.Option{
		"filter": replay.Filter(func(msg processor.Message) bool { return msg.Properties().ID != "5" || panics() }),
		"event": replay.OnEvent(func(e replay.Event) {
			if e.Message.Properties().ID == "4" {
				panics()
			}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			park(t, b, parkedQueue, 10, nil)
			require.Panics(t, func() { _, _ = replay.Run(t.Context(), b, parkedQueue, fromMail, opt) })
			require.Equal(t, []string{"0", "1", "2", "3", "4"}, ids(t, b, "mail", 5))
			require.Equal(t, []string{"5", "6", "7", "8", "9"}, ids(t, b, parkedQueue, 5))
		})
	}
}

func panics() bool { panic("on purpose") }

func TestFailureOf(t *testing.T) {
	t.Parallel()
	var written []processortest.Option
	for name, value := range headers(nil) {
		written = append(written, processortest.Header(name, value))
	}
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	require.Equal(t, replay.Failure{
		Error: "550 no such user", Type: "*smtp.Error", First: noon.Add(-time.Hour), At: noon, Failures: 4, Host: "worker-1",
	}, replay.FailureOf(processortest.NewMessage(written...)))
	require.Zero(t, replay.FailureOf(processortest.NewMessage()))
}

func TestWhatIsWrittenAboutAFailureIsAClaim(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x\n", 10_000)
	short := strings.Repeat("x ", 512)
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	require.Equal(t, replay.Failure{Error: short, Type: short, Host: short}, replay.FailureOf(processortest.NewMessage(
		processortest.Header("warren-error", long), processortest.Header("warren-error-type", long), processortest.Header("warren-host", long),
		processortest.Header("warren-failed-at", "yesterday"), processortest.Header("warren-first-failed-at", long),
		processortest.Header("warren-failures", int64(-1)))))
	require.Equal(t, replay.Failure{At: noon, First: noon}, replay.FailureOf(processortest.NewMessage(
		processortest.Header("warren-error", int64(1)), processortest.Header("warren-host", true),
		processortest.Header("warren-failed-at", noon), processortest.Header("warren-first-failed-at", "2026-01-02T13:00:00+01:00"),
		processortest.Header("warren-failures", "many"))))
}
