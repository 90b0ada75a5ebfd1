package sqltx_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processors/sqltx"
)

func TestStartTriesTheDatabase(t *testing.T) {
	t.Parallel()
	down := errors.New("connection refused")
	require.ErrorIs(t, build(t, &fakeDB{failBegin: down}, write(nil)).Start(t.Context()), down)
}

func TestStartLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]sqltx.Option{nil, {sqltx.Inbox("mark")}} {
		db := &fakeDB{}
		p := build(t, db, write(nil), opts...)
		for range 2 { // runs can follow one another
			require.NoError(t, p.Start(t.Context()))
			require.NoError(t, p.Stop(t.Context()))
		}
		require.Empty(t, db.kept())
		require.NotContains(t, db.notes(), "commit")
	}
}

func TestStartTriesKeysThatFitTheTable(t *testing.T) {
	t.Parallel()
	db := &fakeDB{same: func(row string) string {
		for s := range strings.SplitSeq(row, "|") {
			require.LessOrEqual(t, len(s), 255)
		}
		return row
	}}
	require.NoError(t, build(t, db, write(nil), sqltx.Inbox("mark")).Start(t.Context()))
	require.Contains(t, strings.Join(db.notes(), "\n"), strings.Repeat("x", 200))
}

// Each of these inboxes would skip an unprocessed message, or skip none.
func TestStartRefusesAnInboxThatDoesNotWork(t *testing.T) {
	t.Parallel()
	// cut makes a table that keeps no more than n bytes of the queue and m of the id.
	cut := func(n, m int) func(string) string {
		return func(row string) string {
			p := strings.Split(row, "|")
			return p[0] + p[1][:min(n, len(p[1]))] + "|" + p[2][:min(m, len(p[2]))]
		}
	}
	spaces := regexp.MustCompile(` (\||$)`)
	for name, tc := range map[string]struct {
		db   *fakeDB
		want string
	}{
		"the statement fails":       {&fakeDB{failExec: errors.New("no such table")}, "no such table"},
		"it never inserts":          {&fakeDB{exists: true}, "have it insert one"},
		"the table has no key":      {&fakeDB{forgets: true}, "primary key"},
		"it fails on a second one":  {&fakeDB{duplicate: errors.New("duplicate key")}, "do nothing then"},
		"case does not count":       {&fakeDB{same: strings.ToLower}, "case"},
		"accents do not count":      {&fakeDB{same: strings.NewReplacer("é", "e").Replace}, "accent"},
		"spaces do not count":       {&fakeDB{same: func(row string) string { return spaces.ReplaceAllString(row, "$1") }}, "space"},
		"the queue is not in it":    {&fakeDB{same: cut(0, 255)}, "has to hold both"},
		"the id is not in it":       {&fakeDB{same: cut(255, 0)}, "has to hold both"},
		"long queues are cut":       {&fakeDB{same: cut(254, 255)}, "255 bytes"},
		"long ids are cut":          {&fakeDB{same: cut(255, 254)}, "255 bytes"},
		"a rollback undoes nothing": {&fakeDB{noUndo: true}, "InnoDB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, build(t, tc.db, write(nil), sqltx.Inbox("mark")).Start(t.Context()), tc.want)
		})
	}
}
