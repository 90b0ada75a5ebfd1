package processors_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace/noop"
	"golang.org/x/time/rate"

	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/remote"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/breaker"
	"github.com/gowarren/warren/processors/catch"
	"github.com/gowarren/warren/processors/cleanup"
	"github.com/gowarren/warren/processors/decode"
	"github.com/gowarren/warren/processors/dedup"
	"github.com/gowarren/warren/processors/insomniac"
	"github.com/gowarren/warren/processors/instantretry"
	"github.com/gowarren/warren/processors/logging"
	"github.com/gowarren/warren/processors/maxmessages"
	"github.com/gowarren/warren/processors/maxtime"
	"github.com/gowarren/warren/processors/memorylimit"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/redelivery"
	"github.com/gowarren/warren/processors/reply"
	"github.com/gowarren/warren/processors/respond"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/signals"
	"github.com/gowarren/warren/processors/sqltx"
	"github.com/gowarren/warren/processors/throttle"
	"github.com/gowarren/warren/processors/timeout"
	"github.com/gowarren/warren/processors/tracing"
	"github.com/gowarren/warren/processors/xdeath"
)

// kind is one shipped processor.
type kind struct {
	role stack.Role
	make func(*world) processor.Middleware
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// shipped are all processors, by the names of their folders.
var shipped = map[string]kind{
	"ack":      {stack.Settles, func(*world) processor.Middleware { return ack.New() }},
	"catch":    {stack.Catches, func(*world) processor.Middleware { return catch.New(catch.Logger(silent())) }},
	"recovery": {stack.Recovers, func(*world) processor.Middleware { return recovery.New(recovery.Logger(silent())) }},
	"retry": {stack.Retries, func(w *world) processor.Middleware {
		return retry.New(w, "retry_%attempt%", retry.ParkKey(parked), retry.Logger(silent()))
	}},

	"backoff": {stack.Retries, func(w *world) processor.Middleware { return w.backoff(parking) }},

	"breaker": {stack.Breaks, func(*world) processor.Middleware { return breaker.New("mail server", breaker.Logger(silent())) }},
	"cleanup": {"", func(*world) processor.Middleware { return cleanup.New(clean, cleanup.Logger(silent())) }},
	"decode":  {stack.Decodes, func(*world) processor.Middleware { return decode.New() }},
	"dedup": {stack.Marks, func(*world) processor.Middleware {
		return dedup.New(dedup.NewMemory(10, time.Hour), dedup.Logger(silent()))
	}},
	"insomniac":    {"", func(*world) processor.Middleware { return insomniac.New(insomniac.Logger(silent())) }},
	"instantretry": {stack.Repeats, func(*world) processor.Middleware { return instantretry.New(instantretry.Logger(silent())) }},
	"logging":      {"", func(*world) processor.Middleware { return logging.New(logging.Logger(silent())) }},
	"maxmessages":  {stack.Counts, func(*world) processor.Middleware { return maxmessages.New(maxmessages.Logger(silent())) }},
	"maxtime": {"", func(*world) processor.Middleware {
		return maxtime.New(maxtime.After(2*patience), maxtime.Logger(silent()))
	}},
	"memorylimit": {"", func(*world) processor.Middleware { return memorylimit.New(1<<20, memorylimit.Logger(silent())) }},
	"redelivery": {stack.Retries, func(w *world) processor.Middleware {
		return redelivery.New(w, parked, redelivery.Logger(silent()))
	}},
	"reply":    {stack.Answers, func(w *world) processor.Middleware { return reply.New(w, remote.JSON, reply.Logger(silent())) }},
	"respond":  {stack.Responds, func(w *world) processor.Middleware { return respond.New(w, respond.Logger(silent())) }},
	"signals":  {"", func(*world) processor.Middleware { return signals.New(signals.Logger(silent())) }},
	"sqltx":    {stack.Transacts, func(w *world) processor.Middleware { return sqltx.New(w.db, sqltx.Logger(silent())) }},
	"throttle": {stack.Waits, func(*world) processor.Middleware { return throttle.New(rate.NewLimiter(1, 1)) }},
	"timeout":  {stack.Limits, func(*world) processor.Middleware { return timeout.New(time.Minute, timeout.Logger(silent())) }},
	"xdeath": {stack.GivesUp, func(w *world) processor.Middleware {
		return xdeath.New(xdeath.Park(w, processor.Destination{RoutingKey: parked}))
	}},
	"tracing": {"", func(*world) processor.Middleware {
		return tracing.New(tracing.TracerProvider(noop.NewTracerProvider()))
	}},
}

// handlers are the folders of what is no layer.
var handlers = []string{"writefiles"}

// variants are shipped processors with other options, by names of their own.
var variants = map[string]func(*world) processor.Middleware{
	"ack, requeue on error": func(*world) processor.Middleware { return ack.New(ack.RequeueOnError()) },
	"recovery, goexit": func(*world) processor.Middleware {
		return recovery.New(recovery.Goexit(), recovery.Logger(silent()))
	},
	"retry, no park key": func(w *world) processor.Middleware { return retry.New(w, "retry_%attempt%", retry.Logger(silent())) },
	"retry, no attempts": func(w *world) processor.Middleware {
		return retry.New(w, "", retry.Retries(0), retry.ParkKey(parked), retry.Logger(silent()))
	},
	"retry, filtered": func(w *world) processor.Middleware {
		return retry.New(w, "retry_%attempt%", retry.ParkKey(parked), retry.Logger(silent()),
			retry.If(func(err error) bool { return !errors.Is(err, errFiltered) }))
	},
	"retry, filtered, no park key": func(w *world) processor.Middleware {
		return retry.New(w, "retry_%attempt%", retry.Logger(silent()),
			retry.If(func(err error) bool { return !errors.Is(err, errFiltered) }))
	},
	"backoff, no park destination": func(w *world) processor.Middleware { return w.backoff() },
	"backoff, in steps, for ever": func(w *world) processor.Middleware {
		return w.backoff(backoff.Strategy(delay.Steps()), backoff.Jitter(0), backoff.Retries(processor.NoLimit), parking)
	},
	"backoff, for some": func(w *world) processor.Middleware {
		return w.backoff(parking, backoff.For(errMail, errFiltered, context.Canceled, context.DeadlineExceeded))
	},
	"backoff, for some, no park destination": func(w *world) processor.Middleware {
		return w.backoff(backoff.If(func(err error) bool { return !errors.Is(err, errUnwanted) }))
	},
	"redelivery, no attempts": func(w *world) processor.Middleware {
		return redelivery.New(w, parked, redelivery.Retries(0), redelivery.Logger(silent()))
	},
	"redelivery, filtered": func(w *world) processor.Middleware {
		return redelivery.New(w, parked, redelivery.Logger(silent()),
			redelivery.If(func(err error) bool { return !errors.Is(err, errFiltered) }))
	},
	"respond, errors answered": func(w *world) processor.Middleware {
		return respond.New(w, respond.Errors(processor.Destination{RoutingKey: faults}, nil, nil), respond.Logger(silent()))
	},
	"instantretry, filtered": func(*world) processor.Middleware {
		return instantretry.New(instantretry.If(func(error) bool { return false }), instantretry.Logger(silent()))
	},
}

// errFiltered is the error of a filter's case.
var errFiltered = errors.New("not to be retried")

// errUnwanted is the error of a policy's case.
var errUnwanted = errors.New("not to be delayed")

func (w *world) the(name string) processor.Middleware {
	if m, ok := variants[name]; ok {
		return m(w)
	}
	return shipped[name].make(w)
}

// parking is the park destination of a backoff.
var parking = backoff.Park(processor.Destination{RoutingKey: parked})

func clean(context.Context, processor.Message, error) error { return nil }

func names() []string { return slices.Sorted(maps.Keys(shipped)) }

func TestEveryFolderIsHere(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	var folders []string
	for _, e := range entries {
		if e.IsDir() && !slices.Contains(handlers, e.Name()) {
			folders = append(folders, e.Name())
		}
	}
	require.Equal(t, folders, names())
}

func TestEveryProcessorSaysWhatItIs(t *testing.T) {
	t.Parallel()
	for name, k := range shipped {
		layer, ok := k.make(blank())(handler(stack.CaseSuccess, nil)).(stack.Layer)
		require.True(t, ok, name)
		require.Equal(t, name, layer.Name())
		require.Equal(t, k.role, layer.Role(), name)
	}
}

// The documented order is valid, and has every layer whose place matters.
func TestTheDocumentedOrderWorks(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/semantics.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(doc), "loses nothing:\n\n    ")
	require.True(t, found)
	line, _, _ := strings.Cut(rest, "\n")
	order := recipe(strings.Split(line, ", "))
	_, err = order.build(blank(), handler(stack.CaseSuccess, nil))
	require.NoError(t, err)
	for name, k := range shipped {
		require.Equal(t, k.role != "", slices.Contains(order, name), name)
	}
}
