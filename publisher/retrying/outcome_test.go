package retrying_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/retrying"
)

// The caller's error, for each sequence of tries. Above all: after one try of unknown outcome, only
// a success removes the doubt.
func TestTheErrorAtTheEnd(t *testing.T) {
	t.Parallel()
	doubt, refused := fmt.Errorf("lost: %w", processor.ErrIndeterminate), fmt.Errorf("nack: %w", processor.ErrRefused)
	late := fmt.Errorf("not sent: %w", context.DeadlineExceeded) // the error of a try after the end of ctx
	both := fmt.Errorf("%w: %w", processor.ErrIndeterminate, context.DeadlineExceeded)
	blocked := fmt.Errorf("%w: %w", processor.ErrBlocked, context.DeadlineExceeded)
	for name, tc := range map[string]struct {
		answers []error
		late    bool // ctx ends during the last try
		tries   int
		is, not []error
	}{
		"taken":                     {answers: []error{nil}, tries: 1},
		"taken after a doubt":       {answers: []error{doubt, nil}, tries: 2},
		"taken after a refusal":     {answers: []error{refused, nil}, tries: 2},
		"taken after both":          {answers: []error{doubt, refused, nil}, tries: 3},
		"taken too late":            {answers: []error{refused, nil}, late: true, tries: 2},
		"refused":                   {answers: []error{refused}, tries: 3, is: []error{refused}, not: []error{processor.ErrIndeterminate, context.DeadlineExceeded}},
		"in doubt":                  {answers: []error{doubt}, tries: 3, is: []error{doubt}, not: []error{processor.ErrRefused}},
		"in doubt, then refused":    {answers: []error{doubt, refused}, tries: 3, is: []error{doubt, refused}},
		"in doubt, refused by If":   {answers: []error{doubt, errOdd}, tries: 2, is: []error{doubt, errOdd}},
		"refused, then in doubt":    {answers: []error{refused, refused, doubt}, tries: 3, is: []error{doubt}, not: []error{refused}},
		"refused, in doubt, closed": {answers: []error{refused, doubt, processor.ErrClosed}, tries: 3, is: []error{doubt, processor.ErrClosed}},
		"in doubt, then unroutable": {answers: []error{doubt, processor.ErrUnroutable}, tries: 2, is: []error{doubt, processor.ErrUnroutable}},
		"in doubt, then too large":  {answers: []error{doubt, processor.ErrTooLarge}, tries: 2, is: []error{doubt, processor.ErrTooLarge}},
		"refused, then unroutable":  {answers: []error{refused, processor.ErrUnroutable}, tries: 2, is: []error{processor.ErrUnroutable}, not: []error{refused}},
		"unroutable":                {answers: []error{processor.ErrUnroutable}, tries: 1, is: []error{processor.ErrUnroutable}, not: []error{processor.ErrIndeterminate}},

		"late":                        {answers: []error{late}, late: true, tries: 1, is: []error{context.DeadlineExceeded}, not: []error{processor.ErrIndeterminate}},
		"late, in doubt":              {answers: []error{both}, late: true, tries: 1, is: []error{both}},
		"late, refused":               {answers: []error{refused}, late: true, tries: 1, is: []error{refused, context.DeadlineExceeded}, not: []error{processor.ErrIndeterminate}},
		"late, blocked":               {answers: []error{blocked}, late: true, tries: 1, is: []error{blocked}, not: []error{processor.ErrIndeterminate}},
		"late, unroutable":            {answers: []error{processor.ErrUnroutable}, late: true, tries: 1, is: []error{processor.ErrUnroutable}},
		"refused, then late":          {answers: []error{refused, late}, late: true, tries: 2, is: []error{refused, context.DeadlineExceeded}, not: []error{processor.ErrIndeterminate}},
		"refused, then blocked":       {answers: []error{refused, blocked}, late: true, tries: 2, is: []error{refused, blocked}, not: []error{processor.ErrIndeterminate}},
		"in doubt, then late":         {answers: []error{doubt, late}, late: true, tries: 2, is: []error{doubt, context.DeadlineExceeded}},
		"in doubt, then blocked":      {answers: []error{doubt, blocked}, late: true, tries: 2, is: []error{doubt, blocked}},
		"in doubt, refused, and late": {answers: []error{doubt, refused, late}, late: true, tries: 3, is: []error{doubt, context.DeadlineExceeded}},
		"in doubt, late and refused":  {answers: []error{doubt, refused}, late: true, tries: 2, is: []error{doubt, refused, context.DeadlineExceeded}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				next, told := newScript(tc.answers...), 0
				p := must.Have(retrying.New(processor.PublisherFunc(func(ctx context.Context, to processor.Destination, e processor.Envelope) error {
					err := next.Publish(ctx, to, e)
					if tc.late && len(next.at) == len(tc.answers) {
						<-ctx.Done()
					}
					return err
				}), retrying.Retries(2), retrying.OnError(func(error, time.Duration) { told++ })))
				err := p.Publish(ctx, to, text("1"))
				require.Len(t, next.at, tc.tries)
				require.Equal(t, tc.tries-1, told, "of what another try followed")
				if len(tc.is) == 0 {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, fmt.Sprintf("retrying: tries: %d: ", tc.tries))
				for _, want := range tc.is {
					require.ErrorIs(t, err, want)
				}
				for _, never := range tc.not {
					require.NotErrorIs(t, err, never)
				}
			})
		})
	}
}

// Nothing is said twice.
func TestWhatTheErrorAtTheEndSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lost, full := fmt.Errorf("cut: %w", processor.ErrIndeterminate), fmt.Errorf("full: %w", processor.ErrRefused)
		p := func(answers ...error) error {
			return must.Have(retrying.New(newScript(answers...), retrying.Retries(1))).Publish(t.Context(), to, text("1"))
		}
		require.EqualError(t, p(lost), "retrying: tries: 2: "+lost.Error())
		require.EqualError(t, p(full), "retrying: tries: 2: "+full.Error())
		require.EqualError(t, p(full, lost), "retrying: tries: 2: "+lost.Error())
		require.EqualError(t, p(lost, full), "retrying: tries: 2: "+full.Error()+"; before that: "+lost.Error())
		require.EqualError(t, p(lost, errOdd), "retrying: tries: 2: odd; before that: "+lost.Error())
	})
}

// The same as a rule, for each sequence of four tries.
func TestADoubtStays(t *testing.T) {
	t.Parallel()
	answers := []error{
		nil, processor.ErrIndeterminate, processor.ErrRefused, processor.ErrUnroutable, processor.ErrClosed,
		context.DeadlineExceeded, fmt.Errorf("%w: %w", processor.ErrBlocked, context.Canceled), errOdd,
	}
	synctest.Test(t, func(t *testing.T) {
		for n := range len(answers) * len(answers) * len(answers) * len(answers) {
			var tries []error
			for rest := n; len(tries) < 4; rest /= len(answers) {
				tries = append(tries, answers[rest%len(answers)])
			}
			next := newScript(tries...)
			err := must.Have(retrying.New(next, retrying.Retries(3), retrying.If(func(err error) bool { return !errors.Is(err, errOdd) }))).
				Publish(t.Context(), to, text("1"))
			doubtful := false
			for _, try := range tries[:len(next.at)] {
				doubtful = doubtful || errors.Is(try, processor.ErrIndeterminate)
			}
			last := tries[len(next.at)-1]
			require.Equal(t, last == nil, err == nil, "%v", tries)
			require.Equal(t, doubtful && last != nil, errors.Is(err, processor.ErrIndeterminate), "%v", tries)
			require.ErrorIs(t, err, last)
		}
	})
}
