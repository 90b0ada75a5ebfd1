package frames

// Change is what becomes of a whole frame.
func Change(frame []byte, limit int) []byte {
	r := NewReader(nil)
	r.Limit(limit)
	changed, _ := r.change(frame)
	return changed
}

// MaxHeld is the largest frame that is held.
const MaxHeld = maxHeld
