package processor_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
)

// base publishes nothing. Its answer is that of each Publish.
type base struct {
	answers []error
	sent    []string
	problem error
}

func (b *base) Publish(_ context.Context, _ processor.Destination, e processor.Envelope) error {
	b.sent = append(b.sent, e.ID)
	return b.answers[len(b.sent)-1]
}

func (b *base) Check() error { return b.problem }

// around is a decorator.
type around struct{ processor.Publisher }

func (a around) Unwrap() processor.Publisher { return a.Publisher }

// strict is a decorator that is a Checker itself.
type strict struct {
	around

	problem error
}

func (s strict) Check() error { return s.problem }

func TestDecoratedGoesOutsideIn(t *testing.T) {
	t.Parallel()
	b := &base{}
	in := around{b}
	out := strict{around: around{in}}
	require.Equal(t, []processor.Publisher{out, in, b}, slices.Collect(processor.Decorated[processor.Publisher](out)))
	for p := range processor.Decorated[processor.Publisher](out) {
		require.Equal(t, out, p)
		break
	}
}

func TestCheckAsksAll(t *testing.T) {
	t.Parallel()
	outer, inner := errors.New("outer"), errors.New("inner")
	var p processor.Publisher = strict{around{around{&base{problem: inner}}}, outer}
	err := processor.Check(p)
	require.ErrorIs(t, err, outer)
	require.ErrorIs(t, err, inner)
	require.NoError(t, processor.Check[processor.Publisher](strict{around: around{&base{}}}))
	require.EqualError(t, processor.Check[processor.Publisher](nil), "it is nil: pass the real one")
	require.EqualError(t, processor.Check[processor.Publisher](around{}), "what processor_test.around decorates is nil: pass the real one")
	require.ErrorContains(t, processor.Check[processor.Publisher](around{processor.PublisherFunc(nil)}), "is nil")
}

func TestABatchOfWhatIsNoBatchPublisherGoesOneByOne(t *testing.T) {
	t.Parallel()
	batch := []processor.Envelope{
		{Properties: processor.Properties{ID: "1"}}, {Properties: processor.Properties{ID: "2"}}, {Properties: processor.Properties{ID: "3"}},
	}
	for _, tc := range []struct {
		answers []error
		sent    int
		want    []error
	}{
		{[]error{nil, nil, nil}, 3, nil},
		{[]error{processor.ErrUnroutable, nil, nil}, 3, []error{processor.ErrUnroutable, nil, nil}},
		{[]error{nil, processor.ErrRefused}, 2, []error{nil, processor.ErrRefused, processor.ErrSkipped}},
	} {
		b := &base{answers: tc.answers}
		require.Equal(t, tc.want, processor.PublishBatch(t.Context(), around{b}, processor.Destination{}, batch))
		require.Len(t, b.sent, tc.sent)
	}
}

// self decorates itself, and each time anew.
type self struct{ *base }

func (s self) Unwrap() processor.Publisher { return self{s.base} }

func TestADecoratorOfItselfIsAnErrorAndNoEndlessLoop(t *testing.T) {
	t.Parallel()
	var p processor.Publisher = self{&base{}}
	require.ErrorContains(t, processor.Check(p), "leads back to itself")
	require.Len(t, slices.Collect(processor.Decorated(p)), 1000)
}

func TestATypedNilIsNil(t *testing.T) {
	t.Parallel()
	for _, p := range []processor.Publisher{(*base)(nil), around{(*base)(nil)}, strict{around: around{around{(*base)(nil)}}}} {
		require.ErrorContains(t, processor.Check(p), "is nil")
	}
}
