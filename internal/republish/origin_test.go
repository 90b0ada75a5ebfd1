package republish_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
)

var (
	noon     = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	atNoon   = "2026-01-02T12:00:00.000Z"
	atEleven = "2026-01-02T11:00:00.000Z"
	mail     = processor.Origin{Queue: "mail", Exchange: "letters", RoutingKey: "mail.welcome", Redelivered: true}
)

// claims are the headers that the first failure writes, as a sender may write them too.
func claims(more ...processortest.Option) []processortest.Option {
	return append([]processortest.Option{
		processortest.Origin(mail),
		processortest.Header("warren-original-exchange", "first"),
		processortest.Header("warren-original-routing-key", "first.key"),
		processortest.Header("warren-first-failed-at", atEleven),
	}, more...)
}

func retried(more ...processortest.Option) []processortest.Option {
	return claims(append(more, processortest.Header("swarrot_retry_attempts", int64(1)))...)
}

func TestTheFirstFailureRecordsWhereAndWhen(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		msg  []processortest.Option
		want processor.Headers
	}{
		"the first": {
			[]processortest.Option{processortest.Origin(mail)},
			processor.Headers{"warren-original-exchange": "letters", "warren-original-routing-key": "mail.welcome", "warren-original-queue": "mail", "warren-first-failed-at": atNoon},
		},
		"forged before it": {
			claims(),
			processor.Headers{"warren-original-exchange": "letters", "warren-original-routing-key": "mail.welcome", "warren-original-queue": "mail", "warren-first-failed-at": atNoon},
		},
		"retried": {
			claims(processortest.Header("swarrot_retry_attempts", int64(1))),
			processor.Headers{
				"warren-original-exchange": "first", "warren-original-routing-key": "first.key",
				"warren-first-failed-at": atEleven, "swarrot_retry_attempts": int64(1), "warren-original-queue": "mail",
			},
		},
		"put back into the queue that it failed in": {
			claims(processortest.Header("warren-original-queue", "mail")),
			processor.Headers{
				"warren-original-exchange": "first", "warren-original-routing-key": "first.key",
				"warren-first-failed-at": atNoon, "warren-original-queue": "mail",
			},
		},
		"failed in another queue before": {
			claims(processortest.Header("warren-original-queue", "billing")),
			processor.Headers{"warren-original-exchange": "letters", "warren-original-routing-key": "mail.welcome", "warren-original-queue": "mail", "warren-first-failed-at": atNoon},
		},
		"retried by others first": {
			[]processortest.Option{processortest.Origin(mail), processortest.Header("swarrot_retry_attempts", int64(1))},
			processor.Headers{
				"warren-original-exchange": "letters", "warren-original-routing-key": "mail.welcome", "warren-original-queue": "mail",
				"warren-first-failed-at": atNoon, "swarrot_retry_attempts": int64(1),
			},
		},
		"retried, without a key": {
			retried(processortest.Header("warren-original-routing-key", nil)),
			processor.Headers{
				"warren-original-exchange": "letters", "warren-original-routing-key": "mail.welcome", "warren-original-queue": "mail",
				"warren-first-failed-at": atEleven, "swarrot_retry_attempts": int64(1),
			},
		},
		"backed off": {
			claims(processortest.Header("warren-backoffs", int64(1))),
			processor.Headers{
				"warren-original-exchange": "first", "warren-original-routing-key": "first.key",
				"warren-first-failed-at": atEleven, "warren-backoffs": int64(1), "warren-original-queue": "mail",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// What the wire cannot hold is cut.
			at := noon.Add(999 * time.Microsecond).In(time.FixedZone("", 3600))
			require.Equal(t, tc.want, republish.Again(processortest.NewMessage(tc.msg...), at).Headers)
		})
	}
}

func TestTheOriginIsThatOfTheFirstPublishOrTheLast(t *testing.T) {
	t.Parallel()
	first := mail
	first.Exchange, first.RoutingKey = "first", "first.key"
	long := strings.Repeat("k", 256)
	for name, tc := range map[string]struct {
		msg  []processortest.Option
		want processor.Origin
	}{
		"no headers":                  {[]processortest.Option{processortest.Origin(mail)}, mail},
		"retried":                     {retried(), first},
		"backed off":                  {claims(processortest.Header("warren-backoffs", int64(1))), first},
		"parked at its first failure": {claims(processortest.Header("warren-failures", int64(1))), first},
		"put back":                    {claims(processortest.Header("warren-original-queue", "mail")), first},
		"put into another queue":      {claims(processortest.Header("warren-original-queue", "billing")), mail},
		"not failed yet":              {claims(), mail},
		"no key":                      {retried(processortest.Header("warren-original-routing-key", nil)), mail},
		"no exchange":                 {retried(processortest.Header("warren-original-exchange", int64(1))), mail},
		"no exchange's name":          {retried(processortest.Header("warren-original-exchange", long)), mail},
		"no key's length":             {retried(processortest.Header("warren-original-routing-key", long)), mail},
	} {
		require.Equal(t, tc.want, republish.Origin(processortest.NewMessage(tc.msg...)), name)
	}
	first.RoutingKey = long[:255]
	require.Equal(t, first, republish.Origin(processortest.NewMessage(retried(processortest.Header("warren-original-routing-key", long[:255]))...)))
}

func TestTheFirstFailureIsNeverInTheFuture(t *testing.T) {
	t.Parallel()
	before := noon.Add(-time.Hour)
	for name, tc := range map[string]struct {
		at    any
		count any
		want  time.Time
	}{
		"retried":         {atEleven, int64(1), before},
		"as others do":    {before, int64(1), before},
		"elsewhere":       {"2026-01-02T12:00:00+01:00", int64(1), before},
		"not yet retried": {atEleven, nil, noon},
		"no header":       {nil, int64(1), noon},
		"in the future":   {"2026-01-02T13:00:00Z", int64(1), noon},
		"no time":         {"yesterday", int64(1), noon},
	} {
		h := processor.Headers{"warren-first-failed-at": tc.at, "swarrot_retry_attempts": tc.count}
		require.Equal(t, tc.want, republish.FirstFailure(h, noon), name)
	}
}
