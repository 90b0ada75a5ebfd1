package republish_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
)

var errMail = errors.New("mail server says no")

var parked = processor.Destination{RoutingKey: "parked"}

// answers is a publisher that gives one answer after the other, and then repeats the last. It
// records when it was called, and with what.
type answers struct {
	say       []error
	at        []time.Time
	envelopes []processor.Envelope
	to        []processor.Destination
}

func (a *answers) Publish(_ context.Context, to processor.Destination, e processor.Envelope) error {
	a.at, a.envelopes, a.to = append(a.at, time.Now()), append(a.envelopes, e), append(a.to, to)
	return a.say[min(len(a.at), len(a.say))-1]
}

func sender(p processor.Publisher, keepTrying time.Duration) *republish.Sender {
	return &republish.Sender{Name: "retry", Publisher: p, KeepTrying: keepTrying, Log: slog.New(slog.DiscardHandler)}
}

func TestSendTriesAgainWhatMayPass(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		say   []error
		keep  time.Duration
		tries int
	}{
		"sent at once":        {[]error{nil}, time.Hour, 1},
		"sent later":          {[]error{processor.ErrRefused, processor.ErrIndeterminate, processor.ErrUnroutable, nil}, time.Hour, 4},
		"one try":             {[]error{processor.ErrRefused}, 0, 1},
		"too large":           {[]error{processor.ErrTooLarge}, time.Hour, 1},
		"a header":            {[]error{processor.ErrHeaderType}, time.Hour, 1},
		"closed":              {[]error{processor.ErrClosed}, time.Hour, 1},
		"forbidden":           {[]error{processor.ErrForbidden}, time.Hour, 1},
		"closed, in the end":  {[]error{processor.ErrRefused, processor.ErrClosed}, time.Hour, 2},
		"a try when it ends":  {[]error{processor.ErrRefused}, 40 * time.Millisecond, 2},
		"not for a minute":    {[]error{processor.ErrBlocked}, 150 * time.Millisecond, 3},
		"nil after the limit": {[]error{processor.ErrBlocked, nil}, time.Millisecond, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pub, start := &answers{say: tc.say}, time.Now()
				err := sender(pub, tc.keep).To(t.Context(), processortest.NewMessage(), parked, processor.Envelope{})
				require.Equal(t, tc.say[len(tc.say)-1], err)
				require.Len(t, pub.at, tc.tries)
				require.LessOrEqual(t, time.Since(start), tc.keep)
			})
		})
	}
}

func TestPausesGrowUpToFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pub, start := &answers{say: []error{processor.ErrRefused}}, time.Now()
		require.ErrorIs(t, sender(pub, time.Minute).To(t.Context(), processortest.NewMessage(), parked, processor.Envelope{}), processor.ErrRefused)
		require.Equal(t, time.Minute, time.Since(start), "the last try is at the end")
		nominal := 100 * time.Millisecond
		for i := 1; i < len(pub.at)-1; i++ {
			pause := pub.at[i].Sub(pub.at[i-1])
			require.GreaterOrEqual(t, pause, nominal/2)
			require.LessOrEqual(t, pause, nominal)
			nominal = min(2*nominal, 5*time.Second)
		}
	})
}

func TestTheContextEndsThePause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond) // before the shortest pause ends
		defer cancel()
		pub, start := &answers{say: []error{processor.ErrRefused}}, time.Now()
		require.ErrorIs(t, sender(pub, time.Hour).To(ctx, processortest.NewMessage(), parked, processor.Envelope{}), processor.ErrRefused)
		require.Equal(t, 30*time.Millisecond, time.Since(start))
		require.Len(t, pub.at, 1)
	})
}

func TestOnlyTheFirstTryIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := sender(&answers{say: []error{processor.ErrRefused}}, time.Minute)
		s.Log = slog.New(slog.NewTextHandler(&out, nil))
		require.Error(t, s.To(t.Context(), processortest.NewMessage(), parked, processor.Envelope{}))
		require.Equal(t, 1, bytes.Count(out.Bytes(), []byte("level=WARN")))
		require.Contains(t, out.String(), `message_id=test-message`)
		require.Contains(t, out.String(), `to="queue \"parked\" (default exchange)" for=1m0s`)

		out.Reset()
		s.KeepTrying = 0
		require.Error(t, s.To(t.Context(), processortest.NewMessage(), parked, processor.Envelope{}))
		require.Empty(t, out.String(), "there is no other try")
	})
}

func TestPark(t *testing.T) {
	t.Parallel()
	told := processor.Envelope{Headers: processor.Headers{"app": int64(1), "warren-error": "550"}}
	msg := processortest.NewMessage(processortest.Header("app", int64(1)), processortest.Header("x-death", []any{}),
		processortest.Properties(processor.Properties{UserID: "mallory", Expiration: time.Minute}))
	asItCame := processor.Envelope{Headers: processor.Headers{"app": int64(1)}}
	for name, tc := range map[string]struct {
		say       []error
		parked    bool
		unsent    bool
		problems  []error
		published []processor.Envelope
	}{
		"with its reasons":    {[]error{nil}, true, false, nil, []processor.Envelope{told}},
		"as it came":          {[]error{processor.ErrTooLarge, nil}, true, true, []error{processor.ErrTooLarge}, []processor.Envelope{told, asItCame}},
		"not as it came":      {[]error{processor.ErrHeaderType, processor.ErrRefused}, false, true, []error{processor.ErrHeaderType, processor.ErrRefused}, []processor.Envelope{told, asItCame}},
		"not at all":          {[]error{processor.ErrTooLarge}, false, true, []error{processor.ErrTooLarge}, []processor.Envelope{told, asItCame}},
		"refused":             {[]error{processor.ErrRefused}, false, true, []error{processor.ErrRefused}, []processor.Envelope{told}},
		"closed":              {[]error{processor.ErrClosed}, false, true, []error{processor.ErrClosed}, []processor.Envelope{told}},
		"dropped, it says":    {[]error{processor.Drop(processor.ErrRefused)}, false, true, []error{processor.ErrRefused}, []processor.Envelope{told}},
		"stopped, as it says": {[]error{processor.ErrStop}, false, true, nil, []processor.Envelope{told}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pub := &answers{say: tc.say}
			failure := processor.RetryAfter(errMail, time.Minute)
			ok, err := sender(pub, 0).Park(t.Context(), msg, parked, told, failure)
			require.Equal(t, tc.parked, ok)
			require.Equal(t, tc.published, pub.envelopes)
			for _, to := range pub.to {
				require.Equal(t, parked, to)
			}
			require.ErrorIs(t, err, errMail)
			for _, problem := range tc.problems {
				require.ErrorIs(t, err, problem)
			}
			require.Equal(t, tc.unsent, republish.IsUnsent(err))
			require.Equal(t, processor.Decide(failure), processor.Decide(err), "only the handler's decision counts")
			if !tc.unsent {
				require.Equal(t, failure, err)
			}
		})
	}
}

// A publish that waited, such as during a memory alarm, kept its worker for as long.
func TestAPublishThatWaitsEndsWithKeepTrying(t *testing.T) {
	t.Parallel()
	waits := processor.PublisherFunc(func(ctx context.Context, _ processor.Destination, _ processor.Envelope) error {
		<-ctx.Done()
		return processor.ErrBlocked
	})
	for keep, most := range map[time.Duration]time.Duration{
		0: republish.DefaultKeepTrying, time.Millisecond: time.Second, time.Minute: time.Minute + time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			err := sender(waits, keep).To(t.Context(), processortest.NewMessage(), parked, processor.Envelope{})
			require.ErrorIs(t, err, processor.ErrBlocked)
			require.LessOrEqual(t, time.Since(start), most)
		})
	}
}

// The context in which a message has failed may have ended: a copy was published with it, and never sent.
func TestACopyIsSentAfterTheDeadlineOfItsMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		channel, lose := context.WithCancel(t.Context())
		defer lose()
		ctx, cancel := context.WithTimeout(processor.WithChannel(channel, channel), time.Second)
		defer cancel()
		waits := processor.PublisherFunc(func(ctx context.Context, _ processor.Destination, _ processor.Envelope) error {
			select {
			case <-time.After(5 * time.Second):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		require.NoError(t, sender(waits, time.Minute).To(ctx, processortest.NewMessage(), parked, processor.Envelope{}))
		require.Error(t, ctx.Err())
		time.AfterFunc(time.Second, lose)
		require.ErrorIs(t, sender(waits, time.Minute).To(ctx, processortest.NewMessage(), parked, processor.Envelope{}), context.Canceled)
	})
}
