package dedup_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processors/dedup"
)

// spy is a store that keeps the last id.
type spy struct{ id string }

func (s *spy) Seen(_ context.Context, id string) (bool, error) { s.id = id; return false, nil }
func (s *spy) Mark(context.Context, string) error              { return nil }

// markOf returns the id that a message has in the store.
func markOf(t *testing.T, p processor.Properties, queue string, opts ...dedup.Option) string {
	t.Helper()
	var s spy
	msg := processortest.NewMessage(processortest.Properties(p), processortest.Origin(processor.Origin{Queue: queue}))
	require.NoError(t, build(t, (&handler{}).handle, &s, opts...).Process(t.Context(), msg))
	return s.id
}

func id(id string) processor.Properties { return processor.Properties{ID: id} }

func key(k string) dedup.Option { return dedup.Key(func(processor.Message) string { return k }) }

// Stores that outlive a process hold these. A change forgets all messages.
func TestMarksStayWhatTheyAre(t *testing.T) {
	t.Parallel()
	p := processor.Properties{ID: "17", AppID: "billing", Type: "invoice"}
	require.Equal(t, "1ea375a2259d7f577083fa72dd0669a3c71913b32d8cd58f257d2b6312a15aa4", markOf(t, p, "mail"))
	require.Equal(t, "f82ec3877d231123d28c3ddf8ee8a26a4771e4b7de1d60da6496cda927ab3d52", markOf(t, p, "mail", key("k"), dedup.Scope("s")))
}

// A wrong skip is a lost message.
func TestDifferentMessagesHaveDifferentMarks(t *testing.T) {
	t.Parallel()
	marks := map[string]string{}
	for name, mark := range map[string]string{
		"queue":            markOf(t, id("1"), "mail"),
		"other queue":      markOf(t, id("1"), "audit"),
		"no queue":         markOf(t, id("1"), ""),
		"other id":         markOf(t, id("2"), "mail"),
		"other case":       markOf(t, id("a"), "mail"),
		"upper case":       markOf(t, id("A"), "mail"),
		"space":            markOf(t, id("a "), "mail"),
		"app":              markOf(t, processor.Properties{ID: "1", AppID: "billing"}, "mail"),
		"type":             markOf(t, processor.Properties{ID: "1", Type: "billing"}, "mail"),
		"scope":            markOf(t, id("1"), "mail", dedup.Scope("mail")),
		"key":              markOf(t, id("1"), "mail", key("1")),
		"key and scope":    markOf(t, id("1"), "mail", key("1"), dedup.Scope("mail")),
		"key of two parts": markOf(t, id("1"), "mail", key("\x02id\x00\x00\x011")),
		"moved to queue":   markOf(t, id(""), "mail1", key("x")),
		"moved to key":     markOf(t, id(""), "mail", key("1x")),
	} {
		require.Empty(t, marks[mark], "the same as %s", name)
		marks[mark] = name
	}
}

func TestCopiesHaveTheSameMark(t *testing.T) {
	t.Parallel()
	want := markOf(t, id("1"), "mail")
	var s spy
	msg := processortest.NewMessage(processortest.Properties(processor.Properties{ID: "1", Priority: 3, ReplyTo: "me"}), processortest.Body("b"),
		processortest.Header("swarrot_retry_attempts", 2), processortest.Origin(processor.Origin{Queue: "mail", Exchange: "retried", RoutingKey: "mail", Redelivered: true}))
	require.NoError(t, build(t, (&handler{}).handle, &s).Process(t.Context(), msg))
	require.Equal(t, want, s.id)

	require.Equal(t, markOf(t, id("1"), "mail", dedup.Scope("s")), markOf(t, id("1"), "audit", dedup.Scope("s")), "whatever the queue")
	require.Equal(t, markOf(t, id("1"), "mail", key("k")), markOf(t, id("2"), "mail", key("k")), "whatever the id")
	require.Equal(t, want, markOf(t, id("1"), "mail", dedup.Key(nil), dedup.Scope("")), "the defaults")
}

// A sender's message makes the user's function panic. It was redelivered each time the process was
// started, and ended it.
func TestKeyThatPanicsFailsTheMessage(t *testing.T) {
	t.Parallel()
	var h handler
	p := build(t, h.handle, newMemory(), dedup.Key(func(msg processor.Message) string { return string(msg.Body()[7]) }))
	err := p.Process(t.Context(), message("a"))
	require.ErrorContains(t, err, "index out of range")
	require.Equal(t, processor.Decision{Action: processor.Failed}, processor.Decide(err))
	require.Zero(t, h.calls.Load())
}

// cursed panics when it is printed, with itself.
type cursed struct{}

func (c *cursed) Error() string { panic(c) }

func TestKeyWhosePanicCannotBePrintedFailsTheMessage(t *testing.T) {
	t.Parallel()
	var h handler
	p := build(t, h.handle, newMemory(), dedup.Key(func(processor.Message) string { panic(&cursed{}) }))
	require.ErrorContains(t, p.Process(t.Context(), message("a")), "the function given to Key panicked")
}

func FuzzMarks(f *testing.F) {
	f.Add("mail", "billing", "invoice", "17", "mail", "billing", "invoice1", "7")
	f.Add("", "", "", "\x00", "", "", "\x00", "")
	f.Add("q", "a", "t", strings.Repeat("x", 300), "q", "a", "t", "\xff")
	f.Fuzz(func(t *testing.T, q1, app1, type1, id1, q2, app2, type2, id2 string) {
		one := markOf(t, processor.Properties{ID: id1, AppID: app1, Type: type1}, q1)
		two := markOf(t, processor.Properties{ID: id2, AppID: app2, Type: type2}, q2)
		for _, m := range []string{one, two} {
			require.Regexp(t, `^([0-9a-f]{64})?$`, m)
		}
		require.Equal(t, id1 == "", one == "")
		same := id1 == "" && id2 == "" || id1 == id2 && app1 == app2 && type1 == type2 && q1 == q2
		require.Equal(t, same, one == two)
	})
}
