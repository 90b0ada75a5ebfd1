package frames

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// HeaderPriority0 is a header of a message whose priority is 0, in place of that property. The client
// does not tell a priority of 0 from none, and a broker may: RabbitMQ 4.3 delivers messages without a
// priority first. Between the client and the broker a [Reader] writes the header, and a [Writer] the
// property. Its value is void.
const HeaderPriority0 = "warren-priority-0"

// entryPriority0 is the header in a table.
var entryPriority0 = []byte("\x11" + HeaderPriority0 + "V")

// showPriority0 returns a frame whose priority is 0 with the header in place of the property; false if
// the client could not read it then. limit is the largest frame, 0 for none.
func showPriority0(frame []byte, c content, limit int) ([]byte, bool) {
	if limit > 0 && len(frame)+4+len(entryPriority0) > limit {
		return nil, false
	}
	table, end := []byte(nil), c.place
	if c.table > 0 {
		var begin int
		begin, end = tableAt(frame, c.table)
		if table = frame[begin:end]; len(table) >= 2*maxEntries {
			return nil, false // that many entries may be in it
		}
	}
	without := slices.Concat(frame[:c.priority], frame[c.priority+1:])
	binary.BigEndian.PutUint16(without[atFlags:], c.flags&^flagPriority|flagHeaders)
	return replace(without, c.place, end, slices.Concat(table, entryPriority0)), true
}

// hidePriority0 returns the frame of a content header with the property in place of the header; false
// if it has no such header.
func hidePriority0(frame []byte) ([]byte, bool) {
	if !bytes.Contains(frame, entryPriority0) {
		return nil, false
	}
	c := parseContent(frame)
	if c.table == 0 || c.afterMode == 0 {
		return nil, false
	}
	begin, end := tableAt(frame, c.table)
	table := frame[begin:end]
	at := 0
	for at < len(table) && !bytes.HasPrefix(table[at:], entryPriority0) {
		if at = extent(table, at+1+int(table[at])); at < 0 {
			return nil, false
		}
	}
	if at >= len(table) {
		return nil, false
	}
	without := slices.Concat(table[:at], table[at+len(entryPriority0):])
	if c.priority == 0 {
		frame = slices.Insert(slices.Clone(frame), c.afterMode, 0)
		binary.BigEndian.PutUint16(frame[atFlags:], c.flags|flagPriority)
	}
	return replace(frame, c.table, end, without), true
}
