package sqltx_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/sqltx"
)

// from returns a message of queue with an id.
func from(queue, id string) *processortest.Message {
	return processortest.NewMessage(
		processortest.Properties(processor.Properties{ID: id}), processortest.Origin(processor.Origin{Queue: queue}))
}

// unmarked is the statement for an id whose mark does not count.
func unmarked(id string) string {
	return fmt.Sprintf("mark|mail|unmarked:%x", sha256.Sum256([]byte(id)))
}

func TestASecondDeliveryIsSkipped(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	db := &fakeDB{}
	p := build(t, db, write(nil), sqltx.Inbox("mark"), sqltx.Logger(slog.New(slog.NewTextHandler(&out, nil))))
	require.NoError(t, p.Process(t.Context(), from("mail", "a")))
	require.NoError(t, p.Process(t.Context(), from("mail", "a")))
	require.Equal(t, []string{
		"begin", "mark|mail|a", "letter", "commit",
		"begin", "mark|mail|a", unmarked("a"), "rollback",
	}, db.notes())
	require.Equal(t, []string{"letter", "mark|mail|a"}, db.kept())
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), "level=INFO")
	require.Contains(t, out.String(), "message_id=a")
}

// An event that is fanned out to several queues has one id.
func TestAnotherQueuesMessageIsNotSkipped(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	p := build(t, db, func(context.Context, processor.Message) error { return nil }, sqltx.Inbox("mark"))
	require.NoError(t, p.Process(t.Context(), from("mail", "a")))
	require.NoError(t, p.Process(t.Context(), from("fax", "a")))
	require.Equal(t, []string{"mark|fax|a", "mark|mail|a"}, db.kept())
}

// The copy that the retry layer publishes has the message's id. If the failed attempt had marked
// it, it would be skipped and lost.
func TestTheRetryOfAMessageThatFailedIsNotSkipped(t *testing.T) {
	t.Parallel()
	db := &fakeDB{}
	pub := &processortest.Publisher{}
	result := errMail
	p, err := stack.New(ack.New(), retry.New(pub, "r_%attempt%"), sqltx.New(db.open(t), sqltx.Inbox("mark"))).
		ThenFunc(func(ctx context.Context, msg processor.Message) error { return write(result)(ctx, msg) })
	require.NoError(t, err)

	require.NoError(t, p.Process(t.Context(), from("mail", "a")))
	require.Empty(t, db.kept())
	result = nil
	require.Equal(t, "a", pub.Published()[0].Envelope.ID)
	require.NoError(t, p.Process(t.Context(), from("mail", "a")))
	require.Equal(t, []string{"letter", "mark|mail|a"}, db.kept())
}

func TestAMessageThatCannotBeMarkedIsProcessedEachTimeAndLoggedOnce(t *testing.T) {
	t.Parallel()
	for name, msg := range map[string]processor.Message{"no id": from("mail", ""), "no queue": from("", "a")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			db := &fakeDB{}
			p := build(t, db, write(nil), sqltx.Inbox("mark"), sqltx.Logger(slog.New(slog.NewTextHandler(&out, nil))))
			require.NoError(t, p.Process(t.Context(), msg))
			require.NoError(t, p.Process(t.Context(), msg))
			require.Equal(t, []string{"begin", "letter", "commit", "begin", "letter", "commit"}, db.notes())
			require.Equal(t, 1, strings.Count(out.String(), "level=WARN"))
		})
	}
}

// A statement that fails because of a sender's id would redeliver the message without end; one that
// cuts it would treat two messages as one.
func TestWhatASenderWroteFitsTheTable(t *testing.T) {
	t.Parallel()
	hash := func(s string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(s))) }
	long := strings.Repeat("x", 255)
	for _, tc := range []struct{ id, want string }{
		{"'; DROP TABLE mail; --", "'; DROP TABLE mail; --"},
		{"é", "é"},
		{long, long},
		{long + "x", hash(long + "x")},
		{"a\x00b", hash("a\x00b")},
		{"\xff", hash("\xff")},
	} {
		db := &fakeDB{}
		p := build(t, db, func(context.Context, processor.Message) error { return nil }, sqltx.Inbox("mark"))
		require.NoError(t, p.Process(t.Context(), from("mail", tc.id)))
		require.Equal(t, []string{"mark|mail|" + tc.want}, db.kept())
	}
}

func TestAFailedMarkGivesTheMessageBackUntouched(t *testing.T) {
	t.Parallel()
	down := errors.New("connection reset")
	db := &fakeDB{failExec: down}
	p := build(t, db, func(context.Context, processor.Message) error {
		t.Error("the handler was called")
		return nil
	}, sqltx.Inbox("mark"))
	err := p.Process(t.Context(), from("mail", "a"))
	require.ErrorIs(t, err, down)
	require.Equal(t, processor.Released, processor.Decide(err).Action)
	require.Equal(t, []string{"begin", "mark|mail|a", "rollback"}, db.notes())
}
