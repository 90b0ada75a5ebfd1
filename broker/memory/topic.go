package memory

import (
	"strings"

	"github.com/gowarren/warren/broker"
)

// topicRouter routes by patterns of words: * is one word, # any number of them. It is
// a trie of the patterns' words.
type topicRouter struct {
	queues   []*queue // patterns that end here
	children map[string]*topicRouter
}

func (t *topicRouter) bind(b broker.Binding, q *queue) {
	for _, word := range words(b.RoutingKey) {
		child := t.children[word]
		if child == nil {
			child = &topicRouter{}
			if t.children == nil {
				t.children = map[string]*topicRouter{}
			}
			t.children[word] = child
		}
		t = child
	}
	t.queues = append(t.queues, q)
}

func (t *topicRouter) route(m *message, to *targets) {
	for _, key := range m.keys {
		t.match(words(key), to)
	}
}

func (t *topicRouter) match(key []string, to *targets) {
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
