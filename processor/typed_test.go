package processor_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

type mail struct {
	To string `json:"to"`
}

func withBody(body string) processor.Message {
	return broker.NewDelivery(processor.Envelope{Body: []byte(body)}, processor.Origin{}, nil, 1)
}

func TestTypedDecodes(t *testing.T) {
	t.Parallel()
	want := errors.New("from the handler")
	msg := withBody(`{"to":"ada"}`)
	p := processor.Typed(json.Unmarshal, func(_ context.Context, m mail, got processor.Message) error {
		require.Equal(t, mail{To: "ada"}, m)
		require.Same(t, msg, got)
		return want
	})
	require.Same(t, want, p.Process(t.Context(), msg), "the handler's error as it is")
}

func TestTypedStartsEachMessageFromZero(t *testing.T) {
	t.Parallel()
	var seen []mail
	p := processor.Typed(json.Unmarshal, func(_ context.Context, m mail, _ processor.Message) error {
		seen = append(seen, m)
		return nil
	})
	require.NoError(t, p.Process(t.Context(), withBody(`{"to":"ada"}`)))
	require.NoError(t, p.Process(t.Context(), withBody(`{}`)))
	require.Equal(t, []mail{{To: "ada"}, {}}, seen)
}

func TestTypedRejectsWhatDoesNotDecode(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty":          "",
		"not JSON":       "to: ada",
		"cut off":        `{"to":"a`,
		"another type":   `{"to":7}`,
		"not even UTF-8": "\xff\xfe",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := processor.Typed(json.Unmarshal, func(context.Context, mail, processor.Message) error {
				t.Error("the handler was called")
				return nil
			})
			err := p.Process(t.Context(), withBody(body))
			require.Equal(t, processor.Decision{Action: processor.Rejected}, processor.Decide(err))
			require.ErrorContains(t, err, "processor_test.mail")
		})
	}
}

func TestTypedKeepsTheDecodersError(t *testing.T) {
	t.Parallel()
	errCodec := errors.New("unknown schema")
	p := processor.Typed(
		func([]byte, any) error { return errCodec },
		func(context.Context, mail, processor.Message) error { return nil },
	)
	require.ErrorIs(t, p.Process(t.Context(), withBody("")), errCodec)
}

// A decoder that knows better than reject is outvoted: the outermost decision counts.
func TestTypedRejectsWhateverTheDecoderSays(t *testing.T) {
	t.Parallel()
	p := processor.Typed(
		func([]byte, any) error { return processor.Requeue(errPlain) },
		func(context.Context, mail, processor.Message) error { return nil },
	)
	require.Equal(t, processor.Rejected, processor.Decide(p.Process(t.Context(), withBody(""))).Action)
}
