package main

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// TestMain is the example itself when a test starts it as a program of its own.
func TestMain(m *testing.M) {
	if os.Getenv("WARREN_NATS_EXAMPLE") != "" {
		main()
		return
	}
	rabbitmqtest.Main(m)
}

// In this order for each order; they overtake each other.
const output = `order 1  published
order 1  try 1: shipped
order 2  published
order 2  try 1: no van is free, again
order 2  try 2: shipped
order 3  published
order 3  try 1: shipped
order 4  published
order 4  try 1: no van is free, again
order 4  try 2: no van is free, again
order 4  try 3: shipped
order 5  published
order 5  try 1: shipped
order 6  published
order 6  try 1: recovery: panic: a parcel fell down, again
order 6  try 2: shipped
order 7  published
order 7  try 1: no such street, again
order 7  try 2: no such street, again
order 7  try 3: no such street, parked
order 8  published
order 8  try 1: shipped
order 9  published
order 9  try 1: shipped
order 10  published
order 10  try 1: shipped
published=10 processed=9 retried=6 parked=1 lost=0
`

func TestTheSameHappensOnEveryBroker(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"memory": "", "rabbitmq": rabbitmqtest.Shared(t).URL()} {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), []string{"-broker", name}, url, &out))
		own, other, found := strings.Cut(out.String(), "\n\nOn nats:\n")
		require.True(t, found, out.String())
		require.Equal(t, output, byOrder(strings.TrimPrefix(own, "On "+name+":\n")+"\n"))
		require.Equal(t, output, byOrder(strings.TrimSuffix(other, "\n")))
	}
}

// byOrder groups the lines of each order, in the order of its tries. A publisher may receive the
// confirm after the order was processed.
func byOrder(text string) string {
	lines := slices.Collect(strings.Lines(text))
	var sorted []string
	for line := range strings.Lines(output) {
		who, _, isOrder := strings.Cut(line, "  published")
		if !isOrder {
			continue
		}
		var its []string
		for _, l := range lines {
			if strings.HasPrefix(l, who+"  ") {
				its = append(its, l)
			}
		}
		slices.Sort(its)
		sorted = append(sorted, its...)
	}
	return strings.Join(append(sorted, lines[len(lines)-1]), "")
}

func TestWrongInput(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	require.NoError(t, run(t.Context(), []string{"-broker", "none", "-store", store, "-orders", "0"}, "", io.Discard))
	for says, args := range map[string][]string{
		"-ackwait":    {"-broker", "none", "-store", store, "-ackwait", "5s"},
		"AMQP_URL":    {"-broker", "rabbitmq"},
		"kafka":       {"-broker", "kafka"},
		"not defined": {"-wrong"},
		"not a dir":   {"-broker", "none", "-store", os.Args[0]},
	} {
		require.ErrorContains(t, run(t.Context(), args, "", io.Discard), says)
	}
}
