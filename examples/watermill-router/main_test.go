package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

// In this order for each letter; they overtake each other.
const output = `ann  sent
bob  the letter box is full, now in letters_retry_1
bob  sent
cid  nobody is there, now in letters_retry_1
cid  nobody is there, now in letters_retry_2
cid  nobody is there, now in letters_parked
dot  there is no such street, now in letters_parked
4 traces with 12 spans
`

func TestTheSameHappensWithEither(t *testing.T) {
	url := rabbitmqtest.Shared(t).URL()
	for _, ours := range []bool{false, true} {
		var out bytes.Buffer
		require.NoError(t, start(t.Context(), url, ours, &out))
		for _, who := range append(names, "4 traces") {
			require.Equal(t, about(output, who), about(out.String(), who), "ours: %v\n%s", ours, out.String())
		}
		require.Equal(t, strings.Count(output, "\n"), strings.Count(out.String(), "\n"))
	}
}

func TestItSaysWhatItNeeds(t *testing.T) {
	require.ErrorContains(t, start(t.Context(), "", true, &bytes.Buffer{}), "AMQP_URL")
}

// about returns the lines that begin with who.
func about(output, who string) (lines []string) {
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, who) {
			lines = append(lines, line)
		}
	}
	return lines
}
