package stack_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
)

type (
	// holder embeds a pipeline, and deep embeds a holder.
	holder struct{ *stack.Pipeline }
	deep   struct{ *holder }
	// mirror shows itself, and maze each time another.
	mirror struct{ processor.Processor }
	maze   struct{ n int }
	// broken cannot be unwrapped.
	broken struct{ processor.Processor }
	// needy works on its fields.
	needy struct{ calls int }
)

func (m *mirror) Unwrap() processor.Processor                     { return m }
func (m maze) Process(context.Context, processor.Message) error   { return nil }
func (m maze) Unwrap() processor.Processor                        { return maze{m.n + 1} }
func (broken) Unwrap() processor.Processor                        { panic("a bug") }
func (n *needy) Process(context.Context, processor.Message) error { n.calls++; return nil }

// Each panicked or hung, when the stack was built or at the first message.
func TestWhatCannotProcessIsRefused(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]processor.Processor{
		"a pipeline that was not built":         &stack.Pipeline{},
		"a nil pipeline, embedded":              holder{},
		"one that was not built, embedded":      &holder{&stack.Pipeline{}},
		"embedded twice":                        deep{},
		"embedded twice, and not built":         deep{&holder{&stack.Pipeline{}}},
		"a nil pointer":                         (*needy)(nil),
		"a nil pointer, embedding a pipeline":   (*holder)(nil),
		"a layer that shows itself":             &mirror{},
		"a layer that always shows another one": maze{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Error(t, stack.Check(p))
			_, err := stack.New().Then(p)
			require.Error(t, err)
			_, err = stack.New(pass, func(processor.Processor) processor.Processor { return p }, pass).ThenFunc(sendMail)
			require.Error(t, err)
			require.NotPanics(t, func() { _ = stack.Layers(p) })
		})
	}
}

func TestAPipelineThatWasNotBuiltGivesMessagesBack(t *testing.T) {
	t.Parallel()
	for _, p := range []*stack.Pipeline{nil, {}} {
		require.Equal(t, processor.Requeued, processor.Decide(p.Process(t.Context(), processortest.NewMessage())).Action)
	}
}

func TestWhatCanProcessIsNotRefused(t *testing.T) {
	t.Parallel()
	built, err := stack.New(pass).ThenFunc(sendMail)
	require.NoError(t, err)
	for name, p := range map[string]processor.Processor{
		"a pipeline":           built,
		"one that is embedded": holder{built}, "embedded twice": deep{&holder{built}},
		"a pointer":                 &needy{},
		"one with a broken Unwrap":  broken{&needy{}},
		"a function":                processor.ProcessorFunc(sendMail),
		"one that shows a pipeline": named{built},
	} {
		require.NoError(t, stack.Check(p), name)
		_, err := stack.New(pass).Then(p)
		require.NoError(t, err, name)
	}
}

// named shows what it wraps.
type named struct{ processor.Processor }

func (n named) Unwrap() processor.Processor { return n.Processor }
