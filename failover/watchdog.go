package failover

import (
	"fmt"
	"time"
)

const (
	// looks is how often the watchdog looks within the answer timeout.
	looks = 4
	// leastStuck is the shortest time that counts as stuck: on a busy machine the reader may have to
	// wait for a processor.
	leastStuck = time.Second
)

// watchReader ends the session if the client's reader is stuck: if it has not come back to read from
// the socket for the answer timeout, and at least a second. The client hands over each frame before it reads the next one,
// so whoever does not take what it hands over, such as a notification channel that nobody drains,
// stops all channels of the connection. Its heartbeats go on meanwhile, so neither the broker nor a
// deadline would notice.
//
// It counts the times that it found the reader away, and does not compare times: the process may
// have been stopped.
func (s *Session) watchReader() {
	limit := max(s.timeout, leastStuck)
	ticker := time.NewTicker(limit / looks)
	defer ticker.Stop()
	var last uint64
	found := 0
	for {
		select {
		case <-ticker.C:
		case <-s.done:
			return
		}
		away := s.stream.away()
		if away == 0 || away != last {
			last, found = away, 0
			continue
		}
		if found++; found == looks {
			s.Abort(fmt.Errorf("%w (%v)", ErrStuck, limit))
			_ = s.conn.Close() // the reader does not notice that the socket is closed; this ends what it waits for
			return
		}
	}
}
