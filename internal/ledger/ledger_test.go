package ledger_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/ledger"
)

func TestEveryMessageIsAccountedFor(t *testing.T) {
	l := ledger.New()
	early, late, failed, stuck := l.Send(), l.Send(), l.Send(), l.Send()
	l.Process(early) // before its confirm has come
	l.Answer(early, nil)
	l.Answer(late, nil)
	require.Equal(t, 1, l.Books().Missing)
	require.Equal(t, 1, l.Missing(late+1))
	require.Zero(t, l.Missing(late))
	l.Process(late)
	l.Process(late)
	l.Answer(failed, errors.New("no answer"))
	l.Process(failed) // the broker had it

	b := l.Books()
	b.PublishGap, b.ProcessGap = 0, 0
	require.Equal(t, ledger.Books{Sent: 4, InFlight: 1, Confirmed: 2, Failed: 1, Processed: 3, Again: 1}, b)
	require.NotZero(t, stuck)
}

func TestTheLongestGapIsSinceTheMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledger.New()
		for range 3 {
			l.Answer(l.Send(), nil)
			time.Sleep(time.Second)
		}
		time.Sleep(4 * time.Second)
		l.Answer(l.Send(), nil)
		time.Sleep(time.Second)
		require.Equal(t, 5*time.Second, l.Books().PublishGap)
		require.Equal(t, 8*time.Second, l.Books().ProcessGap, "one that is not over")

		l.Mark()
		n := l.Send()
		l.Process(n)
		time.Sleep(2 * time.Second)
		l.Process(n) // no news
		l.Answer(n, nil)
		require.Equal(t, 2*time.Second, l.Books().PublishGap)
		require.Equal(t, 2*time.Second, l.Books().ProcessGap)
	})
}
