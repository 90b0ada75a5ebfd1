package retrying_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/retrying"
)

// batches is a publisher that answers one batch after the other, and single messages by a script.
type batches struct {
	*script

	answers [][]error
	sent    [][]string // the ids of each batch
}

func (b *batches) PublishBatch(_ context.Context, _ processor.Destination, batch []processor.Envelope) []error {
	var ids []string
	for _, e := range batch {
		ids = append(ids, e.ID)
	}
	b.sent = append(b.sent, ids)
	return b.answers[len(b.sent)-1]
}

func (b *batches) again() []string {
	var ids []string
	for _, e := range b.got {
		ids = append(ids, e.ID)
	}
	return ids
}

func TestABatchIsTriedAgainMessageByMessage(t *testing.T) {
	t.Parallel()
	doubt, refused, skipped := processor.ErrIndeterminate, processor.ErrRefused, processor.ErrSkipped
	for name, tc := range map[string]struct {
		answers [][]error
		script  []error
		sent    [][]string
		again   []string
		want    []error // nil: all are stored
	}{
		"all are there": {[][]error{nil}, nil, [][]string{{"a", "b", "c"}}, nil, nil},
		"one is refused": {
			[][]error{{nil, refused, nil}},
			[]error{refused, nil},
			[][]string{{"a", "b", "c"}},
			[]string{"b", "b"}, nil,
		},
		"the channel is lost": {
			[][]error{{nil, doubt, skipped}, nil},
			[]error{nil},
			[][]string{{"a", "b", "c"}, {"c"}},
			[]string{"b"}, nil,
		},
		"the channel is lost again": {
			[][]error{{doubt, skipped, skipped}, {doubt, skipped}, nil},
			[]error{nil},
			[][]string{{"a", "b", "c"}, {"b", "c"}, {"c"}},
			[]string{"a", "b"}, nil,
		},
		"one cannot be sent": {
			[][]error{{skipped, processor.ErrTooLarge, skipped}},
			nil,
			[][]string{{"a", "b", "c"}},
			nil,
			[]error{skipped, processor.ErrTooLarge, skipped},
		},
		"one is given up": {
			[][]error{{refused, skipped, skipped}},
			[]error{refused},
			[][]string{{"a", "b", "c"}},
			[]string{"a", "a"},
			[]error{refused, skipped, skipped},
		},
		"nobody takes one": {
			[][]error{{processor.ErrUnroutable, doubt, skipped}, nil},
			[]error{nil},
			[][]string{{"a", "b", "c"}, {"c"}},
			[]string{"b"},
			[]error{processor.ErrUnroutable, nil, nil},
		},
		"all are skipped": {
			[][]error{{skipped, skipped, skipped}},
			nil,
			[][]string{{"a", "b", "c"}},
			nil,
			[]error{skipped, skipped, skipped},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				next := &batches{script: newScript(tc.script...), answers: tc.answers}
				p := must.Have(retrying.New(next, retrying.Retries(2)))
				errs := processor.PublishBatch(t.Context(), p, to, []processor.Envelope{text("a"), text("b"), text("c")})
				require.Equal(t, tc.sent, next.sent)
				require.Equal(t, tc.again, next.again())
				require.Len(t, errs, len(tc.want))
				for i, want := range tc.want {
					require.ErrorIs(t, errs[i], want, i)
				}
			})
		})
	}
}

// The copies of one message have one id, and the caller's batch is unchanged.
func TestMessagesOfABatchHaveAnID(t *testing.T) {
	t.Parallel()
	next := &batches{script: newScript(nil), answers: [][]error{{processor.ErrRefused, nil}}}
	batch := []processor.Envelope{{}, text("b")}
	require.Empty(t, processor.PublishBatch(t.Context(), must.Have(retrying.New(next, retrying.ID(func() string { return "made" }))), to, batch))
	require.Equal(t, [][]string{{"made", "b"}}, next.sent)
	require.Equal(t, []string{"made"}, next.again())
	require.Empty(t, batch[0].ID)
}

func TestNothingOfABatchIsPublishedWithoutAnID(t *testing.T) {
	t.Parallel()
	next := &batches{script: newScript(nil)}
	p := must.Have(retrying.New(next, retrying.ID(func() string { panic("no more") })))
	errs := processor.PublishBatch(t.Context(), p, to, []processor.Envelope{text("a"), {}})
	require.Empty(t, next.sent)
	require.Len(t, errs, 2)
	require.ErrorIs(t, errs[0], processor.ErrSkipped)
	require.ErrorContains(t, errs[1], "no more")
	require.NotErrorIs(t, errs[1], processor.ErrSkipped)
}
