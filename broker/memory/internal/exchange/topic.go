package exchange

import (
	"strings"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/message"
	"github.com/gowarren/warren/broker/memory/internal/queue"
)

// topic routes by patterns of words: * is one word, # any number of them. It is
// a trie of the patterns' words.
type topic struct {
	queues   []*queue.Queue // patterns that end here
	children map[string]*topic
}

func (t *topic) bind(b broker.Binding, q *queue.Queue) {
	for _, word := range words(b.RoutingKey) {
		child := t.children[word]
		if child == nil {
			child = &topic{}
			if t.children == nil {
				t.children = map[string]*topic{}
			}
			t.children[word] = child
		}
		t = child
	}
	t.queues = append(t.queues, q)
}

func (t *topic) route(m *message.Message, to *targets) {
	for _, key := range m.Keys {
		t.match(words(key), to)
	}
}

func (t *topic) match(key []string, to *targets) {
	if hash := t.children["#"]; hash != nil {
		for skipped := range len(key) + 1 {
			hash.match(key[skipped:], to)
		}
	}
	if len(key) == 0 {
		to.add(t.queues...)
		return
	}
	if star := t.children["*"]; star != nil {
		star.match(key[1:], to)
	}
	if key[0] == "*" || key[0] == "#" {
		return // in a key these are plain words, and their patterns were visited above
	}
	if child := t.children[key[0]]; child != nil {
		child.match(key[1:], to)
	}
}

// words splits a key or a pattern. The empty one has no words; all others have one
// more than they have dots, and a word may be empty.
func words(key string) []string {
	if key == "" {
		return nil
	}
	return strings.Split(key, ".")
}
