package logattr_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
)

func TestOfIsBounded(t *testing.T) {
	t.Parallel()
	evil := strings.Repeat("x\n", 10_000)
	msg := processortest.NewMessage(
		processortest.Properties(processor.Properties{ID: evil}), processortest.Origin(processor.Origin{RoutingKey: evil}))
	total := 0
	for _, a := range logattr.Of(msg, errors.New(evil)) {
		require.NotContains(t, a.Value.String(), "\n")
		total += len(a.Value.String())
	}
	require.Less(t, total, 2000)
	require.Len(t, logattr.Of(msg, nil), 4)
}

func TestErrSurvivesAPanic(t *testing.T) {
	t.Parallel()
	var typedNil *fs.PathError
	require.Contains(t, logattr.Err(typedNil).Value.String(), "*fs.PathError")
}

func TestOr(t *testing.T) {
	t.Parallel()
	l := slog.New(slog.DiscardHandler)
	require.Same(t, l, logattr.Or(l))
	require.Same(t, slog.Default(), logattr.Or(nil))
}
