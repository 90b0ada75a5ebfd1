package publish

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/processor"
)

func TestOneMessageTriesAPlaceAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d denials
		may, mayNot := processor.Destination{Exchange: "x", RoutingKey: "may"}, processor.Destination{Exchange: "x", RoutingKey: "may not"}
		d.add(mayNot, &amqp.Error{Code: 403, Reason: "ACCESS_REFUSED - access to topic 'may not' in exchange 'x' in vhost '/' refused"})
		again, why := d.check(may)
		require.NoError(t, why)
		require.False(t, again, "it was another topic")
		_, why = d.check(mayNot)
		require.ErrorIs(t, why, processor.ErrForbidden)

		time.Sleep(triedAgain)
		again, why = d.check(mayNot)
		require.NoError(t, why)
		require.True(t, again)
		again, why = d.check(mayNot)
		require.ErrorIs(t, why, processor.ErrForbidden, "one at a time")
		require.False(t, again)
		d.forget(mayNot)
		again, why = d.check(mayNot)
		require.NoError(t, why)
		require.False(t, again)

		d.add(may, &amqp.Error{Code: 403, Reason: "ACCESS_REFUSED - access to exchange 'x' in vhost '/' refused"})
		_, why = d.check(mayNot)
		require.ErrorIs(t, why, processor.ErrForbidden, "the exchange is that of all topics")
	})
}

// Publishers choose the topics.
func TestDenialsAreBounded(t *testing.T) {
	t.Parallel()
	var d denials
	for i := range 3 * maxDenials {
		to := processor.Destination{Exchange: "x", RoutingKey: strconv.Itoa(i)}
		d.add(to, &amqp.Error{Code: 403, Reason: "access to topic 'k' in exchange 'x'"})
		require.LessOrEqual(t, len(d.of), maxDenials)
		_, why := d.check(to)
		require.Error(t, why)
	}
}

func TestTheLimitIsRead(t *testing.T) {
	t.Parallel()
	limit, told := reply.SizeLimit(&amqp.Error{Code: 406, Reason: "PRECONDITION_FAILED - message size 16777217 is larger than configured max size 16777216"})
	require.True(t, told)
	require.Equal(t, 16<<20, limit)
	for _, err := range []error{
		nil, amqp.ErrClosed, &amqp.Error{Code: 406, Reason: "PRECONDITION_FAILED - invalid expiration 'x'"},
		&amqp.Error{Code: 406, Reason: "message size 1 is larger than configured max size 99999999999999999999"},
	} {
		_, told = reply.SizeLimit(err)
		require.False(t, told, "%v", err)
	}
}

func TestQuestionsForSizesAreFew(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ n, taken, asked int }{
		{unasked + 1, 0, firstAsked}, {firstAsked, 0, firstAsked}, {firstAsked + 1, firstAsked, 2 * firstAsked},
		{usualLimit - 1, 0, usualLimit}, {usualLimit, 0, usualLimit}, {usualLimit + 2, 0, usualLimit + 1},
		{usualLimit + 1, 0, usualLimit + 1}, {100 << 20, usualLimit + 1, 100 << 20},
	} {
		require.Equal(t, row.asked, next(row.n, row.taken), "%+v", row)
	}
}
