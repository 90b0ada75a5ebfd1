package frames

import (
	"encoding/binary"
	"slices"
)

// Header is the header of a message whose header table could not be read as a whole. Its value is a
// byte array: the rest of the table, from the first entry that the client does not read, and the
// headers that were too large for the frame, each as AMQP encodes it. It is cut at 16 KiB where the
// frame was too large. The message has all its other headers.
const Header = "warren-unreadable-headers"

const (
	classBasic = 60

	// Where things are in a frame.
	atClass      = headSize
	atFlags      = headSize + 12
	atProperties = headSize + 14
	atServer     = headSize + 6 // the server's properties in connection.start

	flagContentType     = 1 << 15
	flagContentEncoding = 1 << 14
	flagHeaders         = 1 << 13
	flagDeliveryMode    = 1 << 12
	flagPriority        = 1 << 11

	// maxLeftOut is how much a frame that was too large keeps of what was left out.
	maxLeftOut = 16 << 10
)

// change makes the table in a whole frame readable, and shows a priority of 0. It returns the frame
// itself and true if its size stays, and otherwise a new one.
func (r *Reader) change(frame []byte) (changed []byte, inPlace bool) {
	limit := int(r.limit.Load())
	if frame[0] != typeHeader {
		at, ok := findServerTable(frame)
		if !ok {
			return frame, true
		}
		return r.makeReadable(frame, at, 0)
	}
	c := parseContent(frame)
	inPlace = true
	if c.table > 0 {
		if frame, inPlace = r.makeReadable(frame, c.table, limit); !inPlace {
			c = parseContent(frame)
		}
	}
	if c.priority > 0 && frame[c.priority] == 0 {
		if shown, ok := showPriority0(frame, c, limit); ok {
			return shown, false
		}
	}
	return frame, inPlace
}

// makeReadable is change for the table at that place of the frame.
func (r *Reader) makeReadable(frame []byte, at, limit int) (changed []byte, inPlace bool) {
	begin, end := tableAt(frame, at)
	fits := limit == 0 || len(frame) <= limit
	if r.tables.readable(frame[begin:end]) && fits {
		return frame, true
	}
	table := rebuild(frame[begin:end])
	if rest := len(frame) - (end - begin); limit > 0 && rest+len(table) > limit {
		table = leaveOut(table, limit/2-rest, min(maxLeftOut, limit/8))
	}
	return replace(frame, at, end, table), false
}

// content says where things are in the frame of a content header; 0 is nowhere.
type content struct {
	flags     uint16
	place     int // where a table is, or would be
	table     int
	afterMode int // where a priority is, or would be
	priority  int
}

// parseContent reads the frame of a content header. It is empty if the frame is not what it seems
// to be.
func parseContent(frame []byte) content {
	last := len(frame) - 1
	if last <= atProperties-1 || frame[last] != frameEnd || binary.BigEndian.Uint16(frame[atClass:]) != classBasic {
		return content{}
	}
	c := content{flags: binary.BigEndian.Uint16(frame[atFlags:]), place: atProperties}
	for _, text := range [...]uint16{flagContentType, flagContentEncoding} {
		if c.flags&text != 0 && c.place < last {
			c.place += 1 + int(frame[c.place])
		}
	}
	c.afterMode = c.place
	if c.flags&flagHeaders != 0 {
		if !hasTableAt(frame, c.place) {
			return content{}
		}
		c.table = c.place
		_, c.afterMode = tableAt(frame, c.table)
	}
	if c.flags&flagDeliveryMode != 0 {
		c.afterMode++
	}
	if c.flags&flagPriority != 0 && c.afterMode < last {
		c.priority = c.afterMode
	}
	if c.afterMode > last {
		return content{table: c.table}
	}
	return c
}

// findServerTable returns where the server's properties are in a connection.start; false if the frame
// is none.
func findServerTable(frame []byte) (at int, ok bool) {
	if len(frame) < atServer || frame[len(frame)-1] != frameEnd ||
		binary.BigEndian.Uint16(frame[atClass:]) != 10 || binary.BigEndian.Uint16(frame[atClass+2:]) != 10 {
		return 0, false
	}
	return atServer, hasTableAt(frame, atServer)
}

// hasTableAt reports whether a whole table is at that place of a frame.
func hasTableAt(frame []byte, at int) bool {
	last := len(frame) - 1
	return at+4 <= last && int64(binary.BigEndian.Uint32(frame[at:])) <= int64(last-at-4)
}

// tableAt returns where the entries of the table begin and end.
func tableAt(frame []byte, at int) (begin, end int) {
	begin = at + 4
	return begin, begin + int(binary.BigEndian.Uint32(frame[at:]))
}

// replace returns the frame with another table in place of the one from at to end.
func replace(frame []byte, at, end int, table []byte) []byte {
	changed := slices.Concat(frame[:at], binary.BigEndian.AppendUint32(nil, uint32(len(table))), table, frame[end:]) //nolint:gosec // under 1 MiB
	binary.BigEndian.PutUint32(changed[3:], uint32(len(changed)-frameSize))                                          //nolint:gosec // the same
	return changed
}

// tombstoneSize is how much of a frame tombstone needs.
const tombstoneSize = atProperties

// tombstone is a content header in place of one that is too large to be held: with the size of the
// body, and without any property but [Header].
func tombstone(begin []byte) []byte {
	frame := slices.Clone(begin[:tombstoneSize])
	binary.BigEndian.PutUint16(frame[atFlags:], flagHeaders)
	table := appendBytes(nil, Header, nil)
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(table))) //nolint:gosec // some bytes
	frame = append(append(frame, table...), frameEnd)
	binary.BigEndian.PutUint32(frame[3:], uint32(len(frame)-frameSize)) //nolint:gosec // the same
	return frame
}
