package pacing_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/pacing"
)

func TestEachMessageHasItsCount(t *testing.T) {
	t.Parallel()
	r := pacing.NewReturns()
	require.Equal(t, 1, r.Count("1", []byte("a")))
	require.Equal(t, 1, r.Count("1", []byte("b")))
	require.Equal(t, 1, r.Count("2", []byte("a")))
	require.Equal(t, 2, r.Count("1", []byte("a")))
	require.Equal(t, 3, r.Count("1", []byte("a")))
	r.Forget("1", []byte("a"))
	require.Equal(t, 1, r.Count("1", []byte("a")))
	require.Equal(t, 2, r.Count("1", []byte("b")))
}

func TestTheOldestIsForgotten(t *testing.T) {
	t.Parallel()
	r := pacing.NewReturns()
	for i := range 1000 {
		require.Equal(t, 1, r.Count(strconv.Itoa(i), nil))
	}
	require.Equal(t, 2, r.Count("0", nil))
	require.Equal(t, 1, r.Count("one more", nil))
	require.Equal(t, 2, r.Count("1", nil))
	require.Equal(t, 1, r.Count("0", nil), "it was the first")
}
