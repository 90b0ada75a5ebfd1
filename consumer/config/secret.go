package config

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what is printed in place of a secret.
const redacted = "[redacted]"

// Secret is a text that nothing prints: neither the verbs of package fmt, nor slog, nor JSON. The zero value
// is the empty text.
type Secret struct {
	// reveal is a function so that not even reflection shows the text.
	reveal func() string
}

var (
	_ fmt.Formatter  = Secret{}
	_ fmt.Stringer   = Secret{}
	_ slog.LogValuer = Secret{}
)

func newSecret(text string) Secret { return Secret{reveal: func() string { return text }} }

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// Format prints "[redacted]", whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue logs "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
