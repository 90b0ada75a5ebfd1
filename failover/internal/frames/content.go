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

	// maxLeftOut is how much a frame that was too large keeps of what was left out.
	maxLeftOut = 16 << 10
)

// change makes the table in a whole frame readable. It returns the frame itself and true if its size
// stays, and otherwise a new one.
func (r *Reader) change(frame []byte) (changed []byte, inPlace bool) {
	at, ok := findTable(frame)
	if !ok {
		return frame, true
	}
	length := int(binary.BigEndian.Uint32(frame[at:]))
	begin, end := at+4, at+4+length
	limit := int(r.limit.Load())
	if frame[0] != typeHeader {
		limit = 0
	}
	fits := limit == 0 || len(frame) <= limit
	if r.tables.readable(frame[begin:end]) && fits {
		return frame, true
	}
	table := rebuild(frame[begin:end])
	if rest := len(frame) - length; limit > 0 && rest+len(table) > limit {
		table = leaveOut(table, limit/2-rest, min(maxLeftOut, limit/8))
	}
	return replace(frame, at, end, table), false
}

// findTable returns where the length of the frame's table is; false if there is no table, or the
// frame is not what it seems to be.
func findTable(frame []byte) (at int, ok bool) {
	if frame[len(frame)-1] != frameEnd || len(frame) < atProperties+1 {
		return 0, false
	}
	frame = frame[:len(frame)-1]
	class := binary.BigEndian.Uint16(frame[atClass:])
	switch frame[0] {
	case typeHeader:
		flags := binary.BigEndian.Uint16(frame[atFlags:])
		if class != classBasic || flags&flagHeaders == 0 {
			return 0, false
		}
		at = atProperties
		for _, text := range [...]uint16{flagContentType, flagContentEncoding} {
			if flags&text != 0 && at < len(frame) {
				at += 1 + int(frame[at])
			}
		}
	default:
		if class != 10 || binary.BigEndian.Uint16(frame[atClass+2:]) != 10 {
			return 0, false
		}
		at = atServer
	}
	if at+4 > len(frame) || int64(binary.BigEndian.Uint32(frame[at:])) > int64(len(frame)-at-4) {
		return 0, false
	}
	return at, true
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
