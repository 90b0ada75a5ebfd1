package acks

import (
	"iter"
	"slices"
	"sort"
)

// state is the state of a delivery.
type state uint8

const (
	buffered state = iota // delivered, and not received
	received              // in flight
	released              // released, and waiting for the others
	finished              // acked, and not sent yet
)

// entry is a delivery that the broker waits for a settlement of.
type entry[M any] struct {
	tag     uint64
	state   state
	message M // while it is in flight
}

// book lists what is outstanding, by tag.
type book[M any] struct {
	list   []entry[M]
	first  int // where the list begins
	done   int // how many are finished from the first on, without a gap
	latest uint64
}

// reach lists all tags up to this one. Tags not seen yet are on their way to another goroutine:
// they are outstanding, and no ack above them may ack them too.
func (b *book[M]) reach(tag uint64) {
	for b.latest < tag {
		b.latest++
		if len(b.list) == cap(b.list) && b.first > len(b.list)/2 {
			b.list, b.first = slices.Delete(b.list, 0, b.first), 0
		}
		b.list = append(b.list, entry[M]{tag: b.latest})
	}
}

// find returns the place of tag, counted from the first, and false if it is not outstanding.
func (b *book[M]) find(tag uint64) (i int, ok bool) {
	list := b.outstanding()
	if len(list) == 0 || tag < list[0].tag || tag > b.latest {
		return 0, false
	}
	// As long as none was removed, the place follows from the tag.
	i = int(tag - list[0].tag) //nolint:gosec // bounded by latest
	if i >= len(list) || list[i].tag != tag {
		i = sort.Search(len(list), func(i int) bool { return list[i].tag >= tag })
	}
	return i, i < len(list) && list[i].tag == tag
}

// prefix returns how many deliveries are finished from the first on, without a gap.
func (b *book[M]) prefix() int {
	list := b.outstanding()
	for b.done < len(list) && list[b.done].state == finished {
		b.done++
	}
	return b.done
}

// removePrefix removes the first n, all of which are finished.
func (b *book[M]) removePrefix(n int) {
	b.skip(n)
	b.done -= n
}

// remove removes one above the prefix. Most are near the first, so those before it move up.
func (b *book[M]) remove(i int) {
	list := b.outstanding()
	copy(list[1:i+1], list[:i])
	list[0] = entry[M]{}
	b.skip(1)
}

// skip removes the first n.
func (b *book[M]) skip(n int) {
	b.first += n
	if b.first == len(b.list) {
		b.list, b.first = b.list[:0], 0
	}
}

// removeFinished removes what is finished, up to a tag.
func (b *book[M]) removeFinished(tag uint64) {
	kept := slices.DeleteFunc(b.outstanding(), func(e entry[M]) bool { return e.state == finished && e.tag <= tag })
	b.list, b.done = b.list[:b.first+len(kept)], 0
}

// highest returns the highest tag of a state, 0 if there is none.
func (b *book[M]) highest(s state) uint64 {
	for _, e := range slices.Backward(b.outstanding()) {
		if e.state == s {
			return e.tag
		}
	}
	return 0
}

// outstanding is what the broker waits for, by tag.
func (b *book[M]) outstanding() []entry[M] { return b.list[b.first:] }

// in yields the places of the entries in a state, by tag. The yielded one may be removed.
func (b *book[M]) in(s state) iter.Seq2[int, *entry[M]] {
	return func(yield func(int, *entry[M]) bool) {
		for i := 0; i < len(b.outstanding()); i++ {
			before := len(b.outstanding())
			if e := &b.outstanding()[i]; e.state == s && !yield(i, e) {
				return
			}
			i -= before - len(b.outstanding())
		}
	}
}
