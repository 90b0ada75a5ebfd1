package stack_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// journal is what happened, in order.
type journal []string

func (j *journal) write(line string) { *j = append(*j, line) }

// living is a layer with all of the lifecycle.
type living struct {
	passing
	name                       string
	journal                    *journal
	startErr, idleErr, stopErr error
}

func (l *living) Name() string     { return l.name }
func (l *living) Role() stack.Role { return "" }

func (l *living) Start(context.Context) error {
	l.journal.write("start " + l.name)
	return l.startErr
}

func (l *living) Idle(context.Context) error {
	l.journal.write("idle " + l.name)
	return l.idleErr
}

func (l *living) Stop(context.Context) error {
	l.journal.write("stop " + l.name)
	return l.stopErr
}

// alive returns a middleware whose layer is l.
func alive(l *living) processor.Middleware {
	return func(next processor.Processor) processor.Processor {
		l.next = next
		return l
	}
}

// stopping has a Stop and no Start.
type stopping struct {
	passing
	journal *journal
}

func (s *stopping) Stop(context.Context) error { s.journal.write("stop only"); return nil }

// starting has a Start and no Stop.
type starting struct {
	passing
	journal *journal
}

func (s *starting) Start(context.Context) error { s.journal.write("start only"); return nil }

var handled = processor.ProcessorFunc(func(context.Context, processor.Message) error { return nil })

func TestLifecycleOrder(t *testing.T) {
	t.Parallel()
	var log journal
	pipeline, err := stack.New(
		alive(&living{name: "a", journal: &log}),
		pass,
		func(next processor.Processor) processor.Processor { return &stopping{passing{next}, &log} },
		func(next processor.Processor) processor.Processor { return &starting{passing{next}, &log} },
	).Then(&living{name: "handler", journal: &log})
	require.NoError(t, err)

	require.NoError(t, pipeline.Start(t.Context()))
	require.NoError(t, pipeline.Idle(t.Context()))
	require.NoError(t, pipeline.Stop(t.Context()))
	require.Equal(t, journal{
		"start a", "start only", "start handler",
		"idle a", "idle handler",
		"stop handler", "stop only", "stop a",
	}, log)
}

func TestLifecycleWithoutHooks(t *testing.T) {
	t.Parallel()
	pipeline, err := stack.New(pass).Then(handled)
	require.NoError(t, err)
	require.NoError(t, pipeline.Start(t.Context()))
	require.NoError(t, pipeline.Idle(t.Context()))
	require.NoError(t, pipeline.Stop(t.Context()))
}

func TestAFailingStartStopsWhatHasStartedInReverse(t *testing.T) {
	t.Parallel()
	errStart, errStop := errors.New("no disk"), errors.New("no way back")
	for name, test := range map[string]struct {
		failing string
		want    journal
	}{
		"the outermost":       {"a", journal{"start a"}},
		"one in the middle":   {"b", journal{"start a", "start b", "stop a"}},
		"one further in":      {"c", journal{"start a", "start b", "start c", "stop only", "stop b", "stop a"}},
		"the handler, lastly": {"handler", journal{"start a", "start b", "start c", "start handler", "stop c", "stop only", "stop b", "stop a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log journal
			l := func(name string) *living {
				l := &living{name: name, journal: &log, stopErr: errStop}
				if name == test.failing {
					l.startErr = errStart
				}
				return l
			}
			pipeline, err := stack.New(
				alive(l("a")), alive(l("b")),
				func(next processor.Processor) processor.Processor { return &stopping{passing{next}, &log} },
				alive(l("c")),
			).Then(l("handler"))
			require.NoError(t, err)

			err = pipeline.Start(t.Context())
			require.ErrorIs(t, err, errStart)
			require.ErrorContains(t, err, "start "+test.failing)
			require.Equal(t, len(test.want) > 1, errors.Is(err, errStop), "what stopping returns is not dropped")
			require.Equal(t, test.want, log)
		})
	}
}

func TestStopCallsEveryLayerAndJoinsTheErrors(t *testing.T) {
	t.Parallel()
	var log journal
	errA, errB := errors.New("a failed"), errors.New("b failed")
	pipeline, err := stack.New(
		alive(&living{name: "a", journal: &log, stopErr: errA}),
		alive(&living{name: "b", journal: &log, stopErr: errB}),
		alive(&living{name: "c", journal: &log}),
	).Then(handled)
	require.NoError(t, err)

	err = pipeline.Stop(t.Context())
	require.ErrorIs(t, err, errA)
	require.ErrorIs(t, err, errB)
	require.ErrorContains(t, err, "stop a")
	require.ErrorContains(t, err, "stop b")
	require.Equal(t, journal{"stop c", "stop b", "stop a"}, log)
}

func TestIdleCallsEveryLayerAndJoinsTheErrors(t *testing.T) {
	t.Parallel()
	var log journal
	errA := errors.New("a failed")
	pipeline, err := stack.New(
		alive(&living{name: "a", journal: &log, idleErr: errA}),
		alive(&living{name: "b", journal: &log, idleErr: processor.ErrStop}),
		alive(&living{name: "c", journal: &log}),
	).Then(handled)
	require.NoError(t, err)

	err = pipeline.Idle(t.Context())
	require.ErrorIs(t, err, errA)
	require.True(t, processor.Decide(err).Stop, "one layer that wants to stop is heard beside one that failed")
	require.Equal(t, journal{"idle a", "idle b", "idle c"}, log)
}

func TestAMiddlewareThatIsNoLayerDoesNotRepeatTheLifecycle(t *testing.T) {
	t.Parallel()
	var log journal
	pipeline, err := stack.New(
		identity, alive(&living{name: "a", journal: &log}), identity, identity,
	).Then(&living{name: "handler", journal: &log})
	require.NoError(t, err)

	require.NoError(t, pipeline.Start(t.Context()))
	require.NoError(t, pipeline.Stop(t.Context()))
	require.Equal(t, journal{"start a", "start handler", "stop handler", "stop a"}, log)
}

func TestLifecycleReachesIntoANestedPipeline(t *testing.T) {
	t.Parallel()
	var log journal
	inner, err := stack.New(alive(&living{name: "inner", journal: &log})).Then(&living{name: "handler", journal: &log})
	require.NoError(t, err)
	outer, err := stack.New(alive(&living{name: "outer", journal: &log})).Then(inner)
	require.NoError(t, err)

	require.NoError(t, outer.Start(t.Context()))
	require.NoError(t, outer.Idle(t.Context()))
	require.NoError(t, outer.Stop(t.Context()))
	require.Equal(t, journal{
		"start outer", "start inner", "start handler",
		"idle outer", "idle inner", "idle handler",
		"stop handler", "stop inner", "stop outer",
	}, log)
}

// showing is alive, and shows what it wraps.
type showing struct{ *living }

func (s showing) Unwrap() processor.Processor { return s.next }

// A runner has only p, and what p decorates may have a lifecycle.
func TestTheLifecycleReachesThroughDecorators(t *testing.T) {
	t.Parallel()
	var log journal
	inner, err := stack.New(alive(&living{name: "inner", journal: &log})).Then(handled)
	require.NoError(t, err)
	outer := showing{&living{name: "outer", journal: &log, passing: passing{next: inner}}}
	for range 2 {
		require.NoError(t, stack.Start(t.Context(), outer))
		require.ErrorContains(t, stack.Start(t.Context(), inner), "running already")
		require.NoError(t, stack.Idle(t.Context(), outer))
		require.NoError(t, stack.Stop(t.Context(), outer))
	}
	once := journal{"start outer", "start inner", "idle outer", "idle inner", "stop inner", "stop outer"}
	require.Equal(t, append(once, once...), log)
	require.True(t, stack.Built(outer))
	require.NoError(t, stack.Start(t.Context(), handled), "it has no lifecycle")
}

func TestAFailingStartInsideADecoratorStopsTheDecorator(t *testing.T) {
	t.Parallel()
	var log journal
	failing := errors.New("no database")
	inner, err := stack.New(alive(&living{name: "inner", journal: &log, startErr: failing})).Then(handled)
	require.NoError(t, err)
	outer := showing{&living{name: "outer", journal: &log, passing: passing{next: inner}}}
	require.EqualError(t, stack.Start(t.Context(), outer), "stack: start inner: no database")
	require.Equal(t, journal{"start outer", "start inner", "stop outer"}, log)
}
