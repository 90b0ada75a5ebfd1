package databasetest_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/sqltx"
)

// writing is a stack that writes a letter for each message.
func writing(t *testing.T, d *database, inbox string, result error) *stack.Pipeline {
	t.Helper()
	p, err := stack.New(sqltx.New(d.DB, sqltx.Inbox(inbox))).ThenFunc(func(ctx context.Context, msg processor.Message) error {
		tx, err := sqltx.From(ctx)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO letters (id) VALUES ("+d.arg(1)+")", msg.Properties().ID)
		return errors.Join(err, result)
	})
	require.NoError(t, err)
	return p
}

func TestTheInboxSkipsASecondDelivery(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		require.Error(t, writing(t, d, d.inbox, errOther).Process(t.Context(), processortest.NewMessage()))
		require.Zero(t, d.count(t, "letters"))
		require.Zero(t, d.count(t, "warren_inbox"))
		for range 3 {
			require.NoError(t, writing(t, d, d.inbox, nil).Process(t.Context(), processortest.NewMessage()))
		}
		require.Equal(t, 1, d.count(t, "letters"))
		require.Equal(t, 1, d.count(t, "warren_inbox WHERE queue = 'test-queue' AND id = 'test-message'"))
	})
}

// The second delivery begins while the first is in flight, and waits for it.
func TestTheInboxProcessesDeliveriesAtOnceOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		p := writing(t, d, d.inbox, nil)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := p.Process(t.Context(), processortest.NewMessage()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.Equal(t, 1, d.count(t, "letters"))
	})
}

func TestTheInboxStartsOnItsTableAndOnNoOther(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		require.NoError(t, writing(t, d, d.inbox, nil).Start(t.Context()))
		require.Zero(t, d.count(t, "warren_inbox"))
		_, err := d.ExecContext(t.Context(), "ALTER TABLE warren_inbox RENAME TO another")
		require.NoError(t, err)
		require.Error(t, writing(t, d, d.inbox, nil).Start(t.Context()))
	})
}

// In MySQL a column of text takes "a" and "A" for the same id.
func TestTheInboxOfMySQLRefusesAColumnThatConfusesIDs(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, kinds["mariadb"])
	_, err := d.ExecContext(t.Context(), "ALTER TABLE warren_inbox MODIFY id varchar(255) CHARACTER SET utf8mb4 NOT NULL")
	require.NoError(t, err)
	require.Error(t, writing(t, d, d.inbox, nil).Start(t.Context()))
}
