package stack_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// work is one thing to do with a message, and all contenders for it.
type work struct {
	name       string
	handler    error // what the handler returns
	want       tally // of one message
	contenders []contender
}

// contender makes messages and processes them.
type contender struct {
	by string
	// build returns a function for one message. It is called by one goroutine.
	build func(tb testing.TB, t *tally, handler error) func() error
}

var errHandler = errors.New("the mail server is away")

// works are the rows and the columns of the report.
var works = []work{
	{"message", nil, tally{acked: 1}, []contender{
		{"warren", warrenMessage},
		{"watermill", watermillMessage},
	}},
	{"ok", nil, tally{acked: 1}, []contender{
		{"warren", warrenStack},
		{"closures", closureStack},
		{"watermill", watermillStack},
		{"watermill-retry", watermillRetryStack},
	}},
	{"republish", errHandler, tally{acked: 1, published: 1}, []contender{
		{"warren", warrenStack},
		{"closures", closureStack},
		{"watermill", watermillStack},
	}},
	{"seven-shipped", nil, tally{acked: 1}, []contender{
		{"warren", warrenShipped},
		{"closures", closureShipped},
	}},
	{"seven-layers", nil, tally{}, []contender{
		{"warren", warrenLayers},
		{"closures", closureLayers},
		{"watermill", watermillLayers},
	}},
}

func BenchmarkStack(b *testing.B) {
	for _, w := range works {
		for _, c := range w.contenders {
			b.Run("work="+w.name+"/by="+c.by, func(b *testing.B) {
				b.ReportAllocs()
				process := c.build(b, &tally{}, w.handler)
				for b.Loop() {
					if err := process(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// Every contender really does the measured work.
func TestStack(t *testing.T) {
	t.Parallel()
	const messages = 10
	for _, w := range works {
		for _, c := range w.contenders {
			t.Run("work="+w.name+"/by="+c.by, func(t *testing.T) {
				t.Parallel()
				var got tally
				process := c.build(t, &got, w.handler)
				for range messages {
					require.NoError(t, process())
				}
				require.Equal(t, w.want.times(messages), got)
			})
		}
	}
}
